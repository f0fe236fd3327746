"""Converts networks of other frameworks, ONNX and PyTorch, to float TensorFlow Lite, and runs the originals."""
