"""Computes how the readings of a place are shifted by a calm face, and decides whether a look shows one.

Reads no clock and does no I/O: time is the time of the frames. A reading is a row of calibrated probabilities. The
log-odds of a label are log(p / p of neutral), so that a difference in them is one of the network's own outputs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.vision.classification.face_reading import plain_label

SECONDS: Final = 5.0
"""How long the sensor looks, by the times of the frames: a person can hold still for so long."""
FEWEST_READINGS: Final = 5
"""A camera with one picture a second gives as many; their mean has half the spread of a single reading."""
STEADY_DISTANCE: Final = 0.21
"""Highest mean total variation distance of the readings from their mean. Of 128 made-up people who hold one expression,
in all conditions of `emotion-convert events`, the least steady has 0.20; with a laugh of one second in the five, 95 of
100 have more, with one of a second and a half all (PublicTest, `normal` int8, ai-edge-litert)."""
DEAD_BAND: Final = 2.0
"""Log-odds by which a calm face may exceed the model's mean neutral reading before anything is subtracted."""
BOUND: Final = 0.5
"""Most that is subtracted from a label, in log-odds. docs/design.md has the sweep that chose both."""


@dataclass(frozen=True)
class CalmShift:
    """What a calm face subtracts from each reading.

    `log_odds`: (labels,), from 0 to `BOUND`; 0 for `neutral`, the index of the neutral label.
    """

    log_odds: NDArray[np.float64]
    neutral: int

    def apply(self, reading: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a reading, float32 (labels,), whose log-odds against neutral are lowered.

        The lowered labels and neutral share among themselves what they had together, and every other label keeps its
        probability. Were the others raised as well, sad would lose against fear where it is to lose against neutral
        (docs/design.md).
        """
        lowered = self.log_odds > 0
        if not lowered.any():
            return reading
        lowered[self.neutral] = True
        before = reading[lowered].astype(np.float64)
        after = before * np.exp(-self.log_odds[lowered])
        shifted = reading.copy()
        shifted[lowered] = after * (before.sum() / after.sum())
        return shifted


def neutral_label(labels: Sequence[str]) -> int | None:
    """Return the index of the label that means a neutral expression, None where there is none.

    That is `neutral`, else the first synonym of it.
    """
    meaning = [plain_label(label) == "neutral" for label in labels]
    return labels.index("neutral") if "neutral" in labels else meaning.index(True) if any(meaning) else None


def log_odds(readings: NDArray[np.float32], neutral: int) -> NDArray[np.float64]:
    """Return the log-odds of readings, (..., labels), against the label `neutral`, whose own are 0."""
    logs = np.log(readings.astype(np.float64))
    return np.asarray(logs - logs[..., neutral, None])


def offsets_of(
    calm: NDArray[np.float64], reference: NDArray[np.float64], dead_band: float = DEAD_BAND, bound: float = BOUND
) -> NDArray[np.float64]:
    """Return what is subtracted where a calm face has the mean log-odds `calm`, and the model's neutral `reference`.

    A label that is read too high by more than `dead_band` comes down to the edge of that band, by `bound` at most.
    Nothing is ever added to a label, and nothing subtracted from neutral, whose log-odds are 0.
    """
    return np.clip(calm - reference - dead_band, 0.0, bound)


class CalmFaceLook:
    """Looks at one face for `SECONDS`, and ends with its mean log-odds or with the reason why there are none.

    `neutral`: index of the neutral label. Holds readings only, and those until it ends.
    """

    def __init__(self, neutral: int) -> None:
        self._neutral = neutral
        self._readings: list[NDArray[np.float32]] = []
        self._began: float | None = None
        self._track: int | None = None
        self._pictures = 0
        self.mean: NDArray[np.float64] | None = None
        """Mean log-odds of the face, (labels,), once the look has succeeded."""
        self.refusal: str | None = None
        """Why there is no calm face, as a sentence without a full stop, once the look has failed."""

    @property
    def ended(self) -> bool:
        """Whether the look has succeeded or failed."""
        return self.mean is not None or self.refusal is not None

    def add(self, seconds: float, faces: Sequence[tuple[int, NDArray[np.float32] | None]]) -> None:
        """Add a frame. `faces`: each announced face by its track, with its reading, not shifted, where it was read."""
        if self.ended:
            return
        self._began = seconds if self._began is None else self._began
        if len(faces) > 1:
            self.refusal = f"{len(faces)} faces are in view, but there must be one"
            return
        for track, reading in faces:
            if self._track not in (None, track):
                self.refusal = "the face left the view in between"
                return
            self._track = track
            self._pictures += 1
            if reading is not None:
                self._readings.append(reading)
        if seconds - self._began >= SECONDS:
            self._end()

    def _end(self) -> None:
        count = len(self._readings)
        if not self._pictures:
            self.refusal = f"no face was in view for {SECONDS:g} seconds"
        elif self._pictures < FEWEST_READINGS:
            self.refusal = f"the face was in {self._pictures} picture(s) only, and {FEWEST_READINGS} are needed"
        elif count < FEWEST_READINGS:
            self.refusal = (
                f"the face could be read in {count} of {self._pictures} pictures only, and {FEWEST_READINGS} are "
                "needed: it was blurred, too small, turned away or cut off"
            )
        else:
            readings = np.stack(self._readings)
            if unsteadiness(readings) > STEADY_DISTANCE:
                self.refusal = f"the expression changed within the {SECONDS:g} seconds: hold still, without a smile"
            else:
                self.mean = log_odds(readings, self._neutral).mean(axis=0)
        self._readings = []


def unsteadiness(readings: NDArray[np.float32]) -> float:
    """Return the mean total variation distance of readings, (n, labels), from their mean: 0 where all are equal."""
    return float(np.abs(readings - readings.mean(axis=0)).sum(axis=-1).mean() / 2)
