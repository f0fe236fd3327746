"""Models run as .tflite files: by the interpreter here, and by the other one in its own process."""
