"""Summaries of minutes, hours and days: what the place saw, without anybody in it."""
