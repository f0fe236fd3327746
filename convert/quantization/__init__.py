"""Converts a float model to full int8, and chooses the method that changes its labels least."""
