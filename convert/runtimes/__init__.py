"""Loads, converts and runs models: Keras, and TensorFlow Lite by two interpreters."""
