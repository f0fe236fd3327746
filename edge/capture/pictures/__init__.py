"""Still pictures: what a file is by its header, and its decoding, the same with every version of OpenCV."""
