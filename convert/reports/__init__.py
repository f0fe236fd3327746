"""Presents an evaluation: HTML report with plots, page of errors, text for the terminal, JSON."""
