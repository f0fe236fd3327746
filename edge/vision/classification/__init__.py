"""Classifies expressions: the int8 network, its manifest, its input, the schedule of inference."""
