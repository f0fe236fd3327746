"""Label order of every model of this project, and how the data sets map onto it."""

from typing import Final

LABELS: Final = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
"""Canonical output order; the manifest carries it, so `edge` never hard-codes it."""

FER2013_TO_LABEL: Final = (0, 1, 2, 3, 5, 6, 4)
"""Index into `LABELS` for each FER2013 code (angry, disgust, fear, happy, sad, surprise, neutral)."""

FERPLUS_COLUMNS: Final = (4, 5, 6, 1, 0, 3, 2)
"""Column of the FER+ vote table for each entry of `LABELS`.

The table's own order is neutral, happiness, surprise, sadness, anger, disgust, fear, contempt,
unknown, not-a-face (Barsoum et al., 2016).
"""
