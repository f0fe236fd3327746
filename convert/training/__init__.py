"""Trains a float model by a recipe. An interrupted run resumes from its folder."""
