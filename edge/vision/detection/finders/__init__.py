"""Finds faces in a picture: one interface, and behind it the cascades, YuNet and MTCNN."""
