"""Writes models with their manifests, as `edge` loads them."""
