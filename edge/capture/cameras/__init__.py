"""Finds the cameras of this machine, and the camera that a name means."""
