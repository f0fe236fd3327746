"""Measures the accuracy under image corruptions and misplaced face boxes.

Every model gets the same images: faces are resized to 96 pixels, corrupted, and resized to the network's
input. Random directions, places and noise are drawn from the face's row in the file and the name of the
condition, not from its strength. So strengths are compared on the same draw, and a part of a split has the
same results as within the whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from convert.data.augment import place_face, resize_face
from convert.data.corruptions import CORRUPTIONS
from convert.data.fer2013 import Split
from convert.metrics import accuracy_above, accuracy_at_coverage, expected_calibration_error, score
from convert.progress import Tick
from convert.runtimes.inputs import network_inputs
from convert.runtimes.tflite import Int8Model
from edge.vision.classification.manifest import Manifest
from edge.vision.classification.outputs import to_probabilities

Image = NDArray[np.uint8]
Unit = Literal["", "strength", "degrees", "share of the side", "times as large"]

_VIEW_PX: Final = 96
_SEED: Final = 29
_BATCH: Final = 256
_STRENGTHS: Final = (1 / 3, 2 / 3, 1.0)
SUREST_SHARE: Final = 0.9
"""Share of the most confident faces on which accuracy is reported."""
ROTATION: Final = "rotation"
SHIFT: Final = "box_shift"
SCALE: Final = "scale"
CLEAN: Final = "none"


@dataclass(frozen=True)
class Condition:
    """One change that is applied to every face.

    `kind`: a name of CORRUPTIONS, or `rotation` (about the centre, either way), `box_shift` (in any
    direction), `scale` (of the face in the box; 0.8 is a box that is a quarter too wide), or `none`.
    `amount`: its strength, in `unit`.
    """

    kind: str
    amount: float
    unit: Unit


CONDITIONS: Final = (
    Condition(CLEAN, 0.0, ""),
    *(Condition(ROTATION, degrees, "degrees") for degrees in (10.0, 20.0, 30.0)),
    *(Condition(SHIFT, share, "share of the side") for share in (0.1, 0.2)),
    *(Condition(SCALE, factor, "times as large") for factor in (0.7, 0.8, 0.9, 1.1, 1.2, 1.3)),
    *(Condition(kind, strength, "strength") for kind in CORRUPTIONS for strength in _STRENGTHS),
)


@dataclass(frozen=True)
class ConditionResult:
    """Metrics under one condition; `interval` is Wilson's, 95 %.

    `coverage`: share of faces whose calibrated confidence reaches the manifest's threshold.
    `covered_accuracy`: accuracy on those, None without any. `accuracy_at_90`: accuracy on the most confident
    nine tenths.
    """

    condition: Condition
    images: int
    accuracy: float
    interval: tuple[float, float]
    macro_recall: float
    calibration_error: float
    coverage: float
    covered_accuracy: float | None
    accuracy_at_90: float


def apply_condition(image: Image, row: int, condition: Condition) -> Image:
    """Apply a condition to a face, uint8 (48, 48), that is number `row` of the file; return uint8 (96, 96)."""
    rng = np.random.default_rng((_SEED, crc32(condition.kind.encode()), row))
    amount = condition.amount
    if condition.kind == ROTATION:
        return place_face(image, _VIEW_PX, amount * float(rng.choice([-1, 1])), 1.0, (0.0, 0.0))
    if condition.kind == SHIFT:
        angle = rng.uniform(0, 2 * np.pi)
        return place_face(image, _VIEW_PX, 0.0, 1.0, (float(amount * np.cos(angle)), float(amount * np.sin(angle))))
    if condition.kind == SCALE:
        return place_face(image, _VIEW_PX, 0.0, amount, (0.0, 0.0))
    view = resize_face(image, _VIEW_PX)
    return view if condition.kind == CLEAN else CORRUPTIONS[condition.kind](view, amount, rng)


def measure_robustness(  # noqa: PLR0913 - data, model and progress
    split: Split,
    labels: NDArray[np.int64],
    model: Int8Model,
    manifest: Manifest,
    tick: Tick,
    conditions: Sequence[Condition] = CONDITIONS,
) -> tuple[ConditionResult, ...]:
    """Measure a full-integer model under each condition; `labels`: int64 (n,), the true labels."""
    results = []
    for number, condition in enumerate(conditions):
        rows = []
        for start in range(0, len(split), _BATCH):
            tick(number * len(split) + start, len(conditions) * len(split))
            part = slice(start, start + _BATCH)
            views = [
                apply_condition(image, int(row), condition)
                for image, row in zip(split.images[part], split.rows[part], strict=True)
            ]
            rows.append(model.predict(network_inputs(np.stack(views), manifest.input)))
        calibrated = to_probabilities(
            np.concatenate(rows), manifest.output_kind, manifest.temperature, model.output.scale
        )
        results.append(_score_condition(condition, labels, calibrated, manifest.thresholds.unknown_below))
    return tuple(results)


def _score_condition(
    condition: Condition, labels: NDArray[np.int64], calibrated: NDArray[np.float32], threshold: float
) -> ConditionResult:
    scores = score(labels, calibrated)
    coverage, covered_accuracy = accuracy_above(labels, calibrated, threshold)
    return ConditionResult(
        condition=condition,
        images=scores.images,
        accuracy=scores.accuracy,
        interval=scores.interval,
        macro_recall=scores.macro_recall,
        calibration_error=expected_calibration_error(labels, calibrated),
        coverage=coverage,
        covered_accuracy=covered_accuracy,
        accuracy_at_90=accuracy_at_coverage(labels, calibrated, [SUREST_SHARE])[0],
    )


def mean_accuracy(results: Sequence[ConditionResult]) -> float | None:
    """Return the mean accuracy over all corruptions and strengths, None without any.

    It is one minus the unnormalised mean corruption error of Hendrycks and Dietterich (2019). Turned, moved
    or scaled boxes do not count.
    """
    values = [result.accuracy for result in results if result.condition.kind in CORRUPTIONS]
    return float(np.mean(values)) if values else None
