"""Trains a float model from a recipe; a run folder resumes after an interruption."""
