"""Measures the mean reading of neutral faces, to which the sensor compares the calm face of a place."""

from typing import Final

import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from convert.data.fer2013 import LABELS, Split
from convert.data.labelled_folder import matching_label
from convert.evaluation.results import FERPLUS
from edge.vision.calm_face import log_odds, neutral_label
from edge.vision.classification.manifest import NeutralReading

FEWEST_PICTURES: Final = 20
"""Fewer pictures of a user say little: single neutral faces differ by 1 to 2 in log-odds, so that the mean of twenty is
right within 0.4, well inside the sensor's dead band."""
_DECIMALS: Final = 3


def reading_on_public_test(calibrated: NDArray[np.float32], split: Split, runtime: str) -> NeutralReading | UnsetType:
    """Return the mean reading of the faces of clean PublicTest that FER+ calls neutral by majority.

    `calibrated`: probabilities, float32 (n, labels), of all faces of `split`, in the order of `LABELS`. UNSET where
    there is no such face.
    """
    neutral = LABELS.index("neutral")
    rows = calibrated[split.majority == neutral]
    if not len(rows):
        return UNSET
    name = f"{split.name} without images of Training"
    return _mean(rows, neutral, f"{FERPLUS}, neutral", name, runtime)


def reading_of_pictures(
    calibrated: NDArray[np.float32], labels: tuple[str, ...], names: list[str], dataset: str, runtime: str
) -> NeutralReading | None:
    """Return the mean reading of a user's pictures that are named neutral; None with fewer than `FEWEST_PICTURES`.

    `names`: of what each picture shows, "" where that is not known.
    """
    neutral = neutral_label(labels)
    if neutral is None:
        return None
    rows = calibrated[[bool(name) and matching_label(name, labels) == labels[neutral] for name in names]]
    if len(rows) < FEWEST_PICTURES:
        return None
    return _mean(rows, neutral, dataset, "calibration pictures", runtime)


def _mean(rows: NDArray[np.float32], neutral: int, dataset: str, split: str, runtime: str) -> NeutralReading:
    mean = log_odds(rows, neutral).mean(axis=0)
    return NeutralReading(
        log_odds=tuple(round(float(one), _DECIMALS) for one in mean),
        dataset=dataset,
        split=split,
        images=len(rows),
        runtime=runtime,
    )
