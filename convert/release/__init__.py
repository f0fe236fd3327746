"""Writes a model with its manifest, as `edge` loads it."""
