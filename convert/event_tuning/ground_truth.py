"""Defines the true expressions of a sequence, and scores announcements against them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

FLICKER_SECONDS: Final = 0.4
"""Segments up to this long must not be announced: no announced label may last for less than half a second."""

Segment = tuple[str, float]
"""An emotion, and for how many seconds it is shown."""
Announcement = tuple[float, str]
"""The time in seconds of the sequence, and the label: an emotion or `unknown`."""


@dataclass(frozen=True)
class TrueExpression:
    """The expression `emotion` is shown from `start_seconds` until the next one starts."""

    emotion: str
    start_seconds: float


def ground_truth(segments: Sequence[Segment]) -> tuple[TrueExpression, ...]:
    """Return the expressions that should be announced: flickers are dropped and equal neighbours joined."""
    truth: list[TrueExpression] = []
    start = 0.0
    for emotion, seconds in segments:
        if seconds > FLICKER_SECONDS and (not truth or truth[-1].emotion != emotion):
            truth.append(TrueExpression(emotion, start))
        start += seconds
    return tuple(truth)


def index_at(truth: Sequence[TrueExpression], seconds: float) -> int:
    """Return the index of the expression shown at a time; 0 before the first one starts."""
    return max(0, sum(expression.start_seconds <= seconds for expression in truth) - 1)


@dataclass(frozen=True)
class EventScore:
    """Counts over any number of tracks. The sum of two scores has the counts of both.

    `changes`: true changes. `correct`, `false`: announcements. `unknown`: the false ones with that label.
    `delays`: seconds from each correctly announced change to its announcement. `seconds`: total time of the
    tracks.
    """

    changes: int = 0
    correct: int = 0
    false: int = 0
    unknown: int = 0
    delays: tuple[float, ...] = ()
    seconds: float = 0.0

    def __add__(self, other: "EventScore") -> "EventScore":
        """Return the counts of both scores."""
        return EventScore(
            self.changes + other.changes,
            self.correct + other.correct,
            self.false + other.false,
            self.unknown + other.unknown,
            self.delays + other.delays,
            self.seconds + other.seconds,
        )

    @property
    def precision(self) -> float:
        """Share of the announcements that are correct; 1 without any."""
        announcements = self.correct + self.false
        return self.correct / announcements if announcements else 1.0

    @property
    def recall(self) -> float:
        """Share of the changes that were correctly announced; 1 without any."""
        return self.correct / self.changes if self.changes else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 where both are 0."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0

    @property
    def false_per_minute(self) -> float:
        """False announcements per minute of a tracked face."""
        return 60 * self.false / self.seconds if self.seconds else 0.0

    def delay(self, share: float) -> float:
        """Return the delay in seconds that `share` of the correct announcements do not exceed; NaN without any."""
        return float(np.quantile(self.delays, share)) if self.delays else float("nan")


def score_announcements(
    truth: Sequence[TrueExpression], announcements: Sequence[Announcement], end_seconds: float
) -> EventScore:
    """Score the announcements of one track against its ground truth.

    `announcements`: the label at the face's appearance, then each changed label, in the order of time. A
    change is correct if it names the emotion that is shown at that time and is the first to do so since that
    emotion began: after the change and before the next. Its delay is counted from the beginning of the
    change, which itself takes time. All other changes are false: another emotion, `unknown`, a flicker, the
    way back from any of these, and the right emotion once the next has begun.

    The appearance itself is not counted, nor, where it was wrong, the first correction while the same emotion
    is shown. A true change counts if it begins during the track, until `end_seconds`.
    """
    (appeared, first_label), *changed = announcements
    begin = index_at(truth, appeared)
    announced = {begin} if first_label == truth[begin].emotion else set()
    correct, false, unknown = 0, 0, 0
    delays: list[float] = []
    for seconds, emotion in changed:
        index = index_at(truth, seconds)
        if emotion != truth[index].emotion or index in announced:
            false += 1
            unknown += emotion == "unknown"
            continue
        announced.add(index)
        if index > begin:
            correct += 1
            delays.append(seconds - truth[index].start_seconds)
    changes = sum(expression.start_seconds <= end_seconds for expression in truth[begin + 1 :])
    return EventScore(changes, correct, false, unknown, tuple(delays), end_seconds - appeared)
