"""Workstation half: train, evaluate, quantize and export the model that `edge` runs."""
