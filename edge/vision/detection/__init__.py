"""Face detection: cascades, second-stage verification, and the search schedule."""
