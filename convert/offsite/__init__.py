"""Trains on another machine: a folder goes there, a folder comes back (`scripts/train-on-gpu`)."""
