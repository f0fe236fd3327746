"""Verifies detections with a second cascade: how a face is verified, and which one in each frame."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.types import Box, Luma, TrackPrediction
from edge.vision.detection.cascades import CONFIRM_CASCADE, cascade_path, load_cascade
from edge.vision.detection.motion import ChangeMap

NO_VERIFICATION: Final = "none"
_SCALE_STEP: Final = 1.1
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
class VerificationSettings:
    """How the second cascade looks at a face.

    `side_px`: size to which the face is brought. `margin`: what is cut out around it, in its sides. `sizes`:
    smallest and largest face that counts, in its sides. `neighbours` make one.
    """

    side_px: int
    margin: float
    neighbours: int
    sizes: tuple[float, float]


STILL_VERIFICATION: Final = VerificationSettings(60, 0.25, 3, (0.6, 1.4))
"""For a picture that is looked at once. On the footage (every second frame, 480 pixels wide, faces that the
whole search finds) three neighbours agreed with 84 % of the true faces and none of 54 phantoms in classroom
and store-aisle; two let 4 % of the phantoms through. About 2 ms."""
STREAM_VERIFICATION: Final = VerificationSettings(50, 0.25, 2, (0.6, 1.4))
"""For a stream, where several frames are asked about and each has to be cheap: 0.7 ms. Of what the scheduled
search finds on every frame of the footage it agreed with 91 % of 339 true faces and with none of 175
phantoms in classroom and store-aisle; PICTURE_LOOK with 93 % and with 12, all of one poster."""


class FaceVerifier:
    """The second cascade. Says yes to everything where there is none. Not for several threads at once."""

    def __init__(self, cascade: str) -> None:
        """`cascade`: a path, empty for OpenCV's, or NO_CONFIRMATION. Raises CascadeError."""
        self._cascade: cv2.CascadeClassifier | None = None
        if cascade != NO_VERIFICATION:
            self._cascade = load_cascade(cascade_path(cascade, CONFIRM_CASCADE), "detector.confirm_cascade")

    @property
    def asks(self) -> bool:
        """Whether there is a second cascade."""
        return self._cascade is not None

    def verify(self, luma: Luma, box: Box, look: VerificationSettings) -> bool:
        """Tell whether it sees a face of about this size here."""
        if self._cascade is None:
            return True
        margin = look.margin * box.width
        left, top = max(0, round(box.x - margin)), max(0, round(box.y - margin))
        right, bottom = round(box.x + box.width + margin), round(box.y + box.height + margin)
        part = luma[top:bottom, left:right]
        factor = look.side_px / box.width
        size = [max(1, round(side * factor)) for side in (part.shape[1], part.shape[0])]
        interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
        part = np.asarray(cv2.resize(part, size, interpolation=interpolation), dtype=np.uint8)
        smallest, largest = (round(look.side_px * share) for share in look.sizes)
        seen = self._cascade.detectMultiScale(
            part,
            scaleFactor=_SCALE_STEP,
            minNeighbors=look.neighbours,
            minSize=(smallest, smallest),
            maxSize=(largest, largest),
        )
        return len(seen) > 0


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
