"""What the second cascade is asked, and when: it is the dearest look at a face, and gets one a frame."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.types import Box, TrackPrediction
from edge.vision.detection.motion import ChangeMap

_AGAIN_SECONDS: Final = 2.0
"""Between two questions about a face that is announced already."""
_DOUBTED_AGAIN_SECONDS: Final = 1.0
"""... and after a no."""
_REFUSED_SECONDS: Final = 5.0
"""A place that was refused is not asked about again for so long, unless the picture there changes."""
_REFUSALS: Final = 3
"""So many make a refused place: of true faces that walk or turn it misses up to every second one, of phantoms
it agrees with one in 200."""
_REST_FRAMES: Final = 2
"""Between two questions about a candidate: the next frame shows the same."""
_SAME: Final = 0.3
"""IoU from which two candidates are one."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A box that may hold a new face, and how many windows of the search say so."""

    box: Box
    hits: int


@dataclass(slots=True)
class _Waiting:
    """A candidate, since when it waits, for how many frames, how often it was refused, and how long it rests."""

    candidate: Candidate
    seconds: float
    frames: int = 0
    refusals: int = 0
    rests: int = 0


@dataclass(frozen=True, slots=True)
class _Refused:
    box: Box
    picture: NDArray[np.uint8]
    seconds: float


class VerificationQueue:
    """Decides what the second cascade is asked: one question a frame.

    Followed faces and new candidates take turns by how long they have waited; among the candidates those
    with many hits come first, and each frame of waiting counts as a hit. A search that finds a phantom
    finds it again in the same place: a place that was refused is remembered until the picture there changes.
    """

    def __init__(self, verify: Callable[[Box], bool], find: Callable[[Box], Box | None], changes: ChangeMap) -> None:
        """`verify` asks about a box in the frame that `changes` looked at last, `find` looks for a face near one."""
        self._agrees = verify
        self._find = find
        self._changes = changes
        self._waiting: list[_Waiting] = []
        self._refused: list[_Refused] = []

    def add(self, found: Sequence[Candidate], seconds: float) -> None:
        """Let the candidates of a frame wait for their turn, unless they wait already."""
        if self._refused and seconds - self._refused[0].seconds > _REFUSED_SECONDS:
            self._refused = [one for one in self._refused if seconds - one.seconds <= _REFUSED_SECONDS]
        for one in self._waiting:
            one.frames += 1
            one.rests -= 1
        for candidate in found:
            known = next((one for one in self._waiting if one.candidate.box.iou(candidate.box) >= _SAME), None)
            if known is None:
                self._waiting.append(_Waiting(candidate, seconds))
            elif known.frames or known.candidate.hits < candidate.hits:
                # The newest box says best where the face is, and keeps its turn.
                known.candidate = candidate

    def drop(self, covered: Callable[[Box], bool]) -> None:
        """Forget the candidates that turned out to be followed faces."""
        if self._waiting:
            self._waiting = [one for one in self._waiting if not covered(one.candidate.box)]

    def ask_all(self, seconds: float) -> list[Candidate]:
        """Ask about every candidate at once; returns those agreed with."""
        return [one.candidate for one in list(self._waiting) if self._asked(one, seconds)]

    def ask_one(
        self, seen: Sequence[tuple[TrackPrediction, Box]], seconds: float
    ) -> tuple[int, bool] | Candidate | None:
        """Ask one question.

        `seen`: the followed faces that were found in this frame, and where. Returns the serial of the one
        asked about and the answer, the candidate that was agreed with, or None.
        """
        due = [(face.asked_seconds, face.serial, box) for face, box in seen if _is_due(face, seconds)]
        track = min(due, key=lambda one: one[:2], default=None)
        rested = (one for one in self._waiting if one.rests <= 0)
        best = max(rested, key=lambda one: one.candidate.hits + one.frames, default=None)
        if track is not None and (best is None or track[0] <= best.seconds):
            return track[1], self._agrees(track[2])
        return best.candidate if best is not None and self._asked(best, seconds) else None

    def _asked(self, one: _Waiting, seconds: float) -> bool:
        """Ask about a candidate; one that was refused before is looked for again first, because it may move."""
        box: Box | None = one.candidate.box
        if one.refusals:
            box = self._find(one.candidate.box)
        if box is not None:
            one.candidate = Candidate(box, one.candidate.hits)
            if self._agrees(box):
                self._waiting.remove(one)
                return True
        one.refusals += 1
        one.rests, one.frames, one.seconds = _REST_FRAMES, 0, seconds
        if box is None or one.refusals >= _REFUSALS:
            self._waiting.remove(one)
            self.refuse(one.candidate.box, seconds)
        return False

    def refuse(self, box: Box, seconds: float) -> None:
        """Remember a place that holds no face, or none that is large enough."""
        self._refused.append(_Refused(box, self._changes.patch(box), seconds))

    def was_refused(self, box: Box) -> bool:
        """Tell whether this place is known to hold none, because nothing has changed there since."""
        return any(
            one.box.iou(box) >= _SAME and not self._changes.differs(one.box, one.picture) for one in self._refused
        )


def _is_due(face: TrackPrediction, seconds: float) -> bool:
    if not face.confirmed:
        return True
    return seconds - face.asked_seconds >= (_DOUBTED_AGAIN_SECONDS if face.doubted else _AGAIN_SECONDS)
