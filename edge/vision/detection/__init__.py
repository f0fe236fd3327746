"""Detects faces: search cascade, second-stage verification, search schedule."""
