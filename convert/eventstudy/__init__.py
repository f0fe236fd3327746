"""How right the events are: sequences with known changes, replayed over a grid of the [events] settings.

`faces`, `scenes`: what is shown, and its truth. `followed`: what the device made of it, frame by frame,
up to the readings; computed once. `replay`: the events that a setting makes of the readings. `judge`:
which of them are right. `study`: the grid, the rule by which the defaults are chosen, the table.
"""
