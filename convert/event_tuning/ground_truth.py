"""What is truly shown, and which announcements of it are right."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

FLICKER_SECONDS: Final = 0.4
"""Parts up to this long must not be announced: nothing that is announced may last under half a second."""

Part = tuple[str, float]
"""An emotion, and for how many seconds it is shown."""
Announcement = tuple[float, str]
"""When, in seconds of the sequence, and which label: an emotion or `unknown`."""


@dataclass(frozen=True)
class Shown:
    """`emotion` is shown from `start_seconds` on, until the next."""

    emotion: str
    start_seconds: float


def truth_of(parts: Sequence[Part]) -> tuple[Shown, ...]:
    """Return what should be announced: without flickers, and without what stays the same across them."""
    shown: list[Shown] = []
    start = 0.0
    for emotion, seconds in parts:
        if seconds > FLICKER_SECONDS and (not shown or shown[-1].emotion != emotion):
            shown.append(Shown(emotion, start))
        start += seconds
    return tuple(shown)


def index_at(truth: Sequence[Shown], seconds: float) -> int:
    """Tell which of `truth` is shown; the first one before its start."""
    return max(0, sum(part.start_seconds <= seconds for part in truth) - 1)


@dataclass(frozen=True)
class Score:
    """Counts over any number of followed faces; adding two gives those of both.

    `changes`: true ones; `right`: announcements that are right, `false`: all others, of which `unknown`
    said so; `delays`: seconds from each rightly announced change to its announcement; `seconds`: how long
    faces were followed.
    """

    changes: int = 0
    right: int = 0
    false: int = 0
    unknown: int = 0
    delays: tuple[float, ...] = ()
    seconds: float = 0.0

    def __add__(self, other: "Score") -> "Score":
        """Pool."""
        return Score(
            self.changes + other.changes,
            self.right + other.right,
            self.false + other.false,
            self.unknown + other.unknown,
            self.delays + other.delays,
            self.seconds + other.seconds,
        )

    @property
    def precision(self) -> float:
        """Share of the announcements that are right; 1 where there are none."""
        told = self.right + self.false
        return self.right / told if told else 1.0

    @property
    def recall(self) -> float:
        """Share of the changes that were rightly announced; 1 where there are none."""
        return self.right / self.changes if self.changes else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 where both are."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0

    @property
    def false_per_minute(self) -> float:
        """False announcements per minute of a followed face."""
        return 60 * self.false / self.seconds if self.seconds else 0.0

    def delay(self, share: float) -> float:
        """Delay in seconds within which `share` of the right announcements came; NaN without any."""
        return float(np.quantile(self.delays, share)) if self.delays else float("nan")


def judge(truth: Sequence[Shown], told: Sequence[Announcement], end_seconds: float) -> Score:
    """Match what was told about one followed face to what it showed.

    `told`: the label at its appearance, then each changed label, in the order of time. An
    `emotion_changed` is right if it names the emotion that is shown at that moment and is the first to do so
    since that emotion began: after the change, and before the next. Its delay is counted from the beginning
    of the change, which takes a while itself. Every other one is false: another emotion, `unknown`, a
    flicker, the way back from any of these, and the right emotion once the next has begun.

    The appearance itself is not counted, nor, where it was wrong, the first correction while the same
    emotion is shown. A change counts as one if it begins while the face is followed, until `end_seconds`.
    """
    (appeared, first), *changed = told
    begin = index_at(truth, appeared)
    announced = {begin} if first == truth[begin].emotion else set()
    right, false, unknown = 0, 0, 0
    delays: list[float] = []
    for seconds, emotion in changed:
        index = index_at(truth, seconds)
        if emotion != truth[index].emotion or index in announced:
            false += 1
            unknown += emotion == "unknown"
            continue
        announced.add(index)
        if index > begin:
            right += 1
            delays.append(seconds - truth[index].start_seconds)
    changes = sum(part.start_seconds <= end_seconds for part in truth[begin + 1 :])
    return Score(changes, right, false, unknown, tuple(delays), end_seconds - appeared)
