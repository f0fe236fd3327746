"""Presents an evaluation: HTML report, plots, error page, text for the terminal, JSON."""
