"""Measures how correct the events are over a grid of the `[events]` settings, and chooses the defaults.

`face_sequences`, `scenes`: recorded sequences with known changes. `ground_truth`: which announcements are
correct. `replay`: the events that a setting makes of a recorded track. `grid_search`: the grid and the rule
by which the defaults are chosen. `text`: the result for the terminal and as JSON.
"""
