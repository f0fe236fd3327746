"""What is left of the accuracy when a camera spoils the picture or a detector misplaces the box.

Every model sees the same pictures: faces are brought to 96 pixels, spoilt there, and resized to what the
network takes. What is left to chance (a direction, a place, noise) is drawn from the face's row in the
file and the name of what happens to it, not from how strongly, so that strengths are compared on the
same draw and a part of a split gives what the whole gives for that part.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from convert.data.augment import place_face, plain
from convert.data.corruptions import CORRUPTIONS
from convert.data.fer2013 import Split
from convert.metrics import above, accuracy_at, calibration_error, score
from convert.progress import Tick
from convert.quantization.calibration import to_network
from convert.runtimes.tflite import Int8Model
from edge.manifest import Manifest
from edge.preprocess import calibrate

Image = NDArray[np.uint8]
Unit = Literal["", "strength", "degrees", "share of the side", "times as large"]

_VIEW_PX: Final = 96
_SEED: Final = 29
_BATCH: Final = 256
_STRENGTHS: Final = (1 / 3, 2 / 3, 1.0)
_COVERED: Final = 0.9
ROTATION: Final = "rotation"
SHIFT: Final = "box_shift"
SCALE: Final = "scale"
CLEAN: Final = "none"


@dataclass(frozen=True)
class Condition:
    """One thing that happens to every face, and how strongly, in its unit.

    `kind`: a name of CORRUPTIONS, or `rotation` (about the centre, either way), `box_shift` (in any
    direction), `scale` (of the face in the box; 0.8 is a box a quarter too wide), or `none`.
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
class Robust:
    """What one condition left of the figures; `interval` is Wilson's, 95 %.

    `coverage`: share of faces whose calibrated confidence reaches the manifest's threshold, None for
    none; `covered_accuracy`: of those; `accuracy_at_90`: on the surest nine tenths.
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


def spoil(image: Image, row: int, condition: Condition) -> Image:
    """Return what a condition makes of a face, uint8 (48, 48), that is number `row` of the file; (96, 96)."""
    rng = np.random.default_rng((_SEED, crc32(condition.kind.encode()), row))
    amount = condition.amount
    if condition.kind == ROTATION:
        return place_face(image, _VIEW_PX, amount * float(rng.choice([-1, 1])), 1.0, (0.0, 0.0))
    if condition.kind == SHIFT:
        angle = rng.uniform(0, 2 * np.pi)
        return place_face(image, _VIEW_PX, 0.0, 1.0, (float(amount * np.cos(angle)), float(amount * np.sin(angle))))
    if condition.kind == SCALE:
        return place_face(image, _VIEW_PX, 0.0, amount, (0.0, 0.0))
    view = plain(image, _VIEW_PX)
    return view if condition.kind == CLEAN else CORRUPTIONS[condition.kind](view, amount, rng)


def measure_robustness(  # noqa: PLR0913 - what, by whom, with what, and who waits
    split: Split,
    labels: NDArray[np.int64],
    model: Int8Model,
    manifest: Manifest,
    tick: Tick,
    conditions: Sequence[Condition] = CONDITIONS,
) -> tuple[Robust, ...]:
    """Measure a full-integer model under each condition; `labels` int64 (n,) are what the faces show."""
    found = []
    for number, condition in enumerate(conditions):
        rows = []
        for start in range(0, len(split), _BATCH):
            tick(number * len(split) + start, len(conditions) * len(split))
            part = slice(start, start + _BATCH)
            views = [
                spoil(image, int(row), condition)
                for image, row in zip(split.images[part], split.rows[part], strict=True)
            ]
            rows.append(model.predict(np.stack([to_network(view, manifest.input) for view in views])))
        calibrated = calibrate(np.concatenate(rows), manifest.temperature, model.output.scale)
        found.append(_judged(condition, labels, calibrated, manifest.thresholds.unknown_below))
    return tuple(found)


def _judged(
    condition: Condition, labels: NDArray[np.int64], calibrated: NDArray[np.float32], threshold: float
) -> Robust:
    scores = score(labels, calibrated)
    coverage, covered_accuracy = above(labels, calibrated, threshold)
    return Robust(
        condition=condition,
        images=scores.images,
        accuracy=scores.accuracy,
        interval=scores.interval,
        macro_recall=scores.macro_recall,
        calibration_error=calibration_error(labels, calibrated),
        coverage=coverage,
        covered_accuracy=covered_accuracy,
        accuracy_at_90=accuracy_at(labels, calibrated, [_COVERED])[0],
    )


def mean_accuracy(found: Sequence[Robust]) -> float | None:
    """Return the mean accuracy over all corruptions and strengths, None without any.

    One minus the unnormalised mean corruption error of Hendrycks and Dietterich (2019); boxes that are
    turned, moved or scaled do not count.
    """
    values = [one.accuracy for one in found if one.condition.kind in CORRUPTIONS]
    return float(np.mean(values)) if values else None
