"""Loads, converts and runs models: Keras, and TensorFlow Lite with two interpreters."""
