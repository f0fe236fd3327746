"""Expression classification: the int8 network, its manifest and its input."""
