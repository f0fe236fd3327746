"""Loads, augments and corrupts the faces of FER2013 with FER+ votes."""
