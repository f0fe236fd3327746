"""Verifies faces with a second cascade: how one face is verified, and which face in which frame."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.types import Box, Luma, TrackPrediction
from edge.vision.detection.cascades import VERIFICATION_CASCADE, cascade_path, load_cascade
from edge.vision.detection.motion import ChangeMap

NO_VERIFICATION: Final = "none"
"""Value of `detector.confirm_cascade` that turns verification off."""
_SCALE_STEP: Final = 1.1
_VERIFIED_INTERVAL_SECONDS: Final = 2.0
"""Time between two verifications of a confirmed track whose last one passed."""
_FAILED_INTERVAL_SECONDS: Final = 1.0
"""Time between two verifications of a confirmed track whose last one failed."""
_REJECTED_SECONDS: Final = 5.0
"""A rejected place is ignored for this long, unless the picture there changes. Not in frames: where they are far apart
there is time to look again."""
_MAX_FAILURES: Final = 3
"""Failed verifications after which a candidate is rejected. Verification fails for up to every second view
of true faces that walk or turn, and passes for one in 200 of phantoms."""
_PAUSE_SECONDS: Final = 0.06
"""Time between two verifications of a candidate at least, beside a pause in frames: at 60 frames a second two frames
show nearly the same."""
_SAME_CANDIDATE_IOU: Final = 0.3
"""IoU from which two candidates are the same."""


@dataclass(frozen=True, slots=True)
class VerificationSettings:
    """Parameters of a verification.

    `side_px`: side to which the face is resized, pixels. `margin`: added around the face on every side, in
    sides of the face. `neighbours`: overlapping windows that make a face, as OpenCV's `minNeighbors`.
    `sizes`: smallest and largest face that counts, in sides of the face.
    """

    side_px: int
    margin: float
    neighbours: int
    sizes: tuple[float, float]


STILL_VERIFICATION: Final = VerificationSettings(60, 0.25, 3, (0.6, 1.4))
"""Settings for single pictures. On the footage (every second frame, 480 pixels wide, faces found by the search of
the whole frame) 84 % of the true faces passed and none of 54 phantoms in classroom and store-aisle; with two
neighbours 4 % of the phantoms passed. About 2 ms."""
STREAM_VERIFICATION: Final = VerificationSettings(50, 0.25, 2, (0.6, 1.4))
"""Settings for streams, where a face is verified in several frames and each verification has to be cheap: 0.7 ms.
Of the detections of the scheduled search on every frame of the footage 91 % of 339 true faces passed and none of
175 phantoms in classroom and store-aisle; with STILL_VERIFICATION 93 % and 12 phantoms, all of one poster."""


class FaceVerifier:
    """Runs the second cascade on single faces. Not thread-safe."""

    def __init__(self, cascade: str) -> None:
        """Load the cascade: a path, empty for OpenCV's own file, or NO_VERIFICATION.

        Raises CascadeError where the file is missing or not a cascade.
        """
        self._cascade: cv2.CascadeClassifier | None = None
        if cascade != NO_VERIFICATION:
            self._cascade = load_cascade(cascade_path(cascade, VERIFICATION_CASCADE), "detector.confirm_cascade")

    @property
    def enabled(self) -> bool:
        """Whether there is a second cascade."""
        return self._cascade is not None

    def verify(self, luma: Luma, box: Box, settings: VerificationSettings) -> bool:
        """Return whether the second cascade finds a face of about this size at `box`.

        `luma`: uint8 (height, width). Returns True where verification is turned off.
        """
        if self._cascade is None:
            return True
        margin = settings.margin * box.width
        left, top = max(0, round(box.x - margin)), max(0, round(box.y - margin))
        right, bottom = round(box.x + box.width + margin), round(box.y + box.height + margin)
        region = luma[top:bottom, left:right]
        factor = settings.side_px / box.width
        size = [max(1, round(side * factor)) for side in (region.shape[1], region.shape[0])]
        interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
        resized = np.asarray(cv2.resize(region, size, interpolation=interpolation), dtype=np.uint8)
        smallest, largest = (round(settings.side_px * share) for share in settings.sizes)
        hits = self._cascade.detectMultiScale(
            resized,
            scaleFactor=_SCALE_STEP,
            minNeighbors=settings.neighbours,
            minSize=(smallest, smallest),
            maxSize=(largest, largest),
        )
        return len(hits) > 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A box that may hold a new face; `neighbours`: windows of the search that were merged into it."""

    box: Box
    neighbours: int


@dataclass(slots=True)
class _QueuedCandidate:
    """A candidate in the queue.

    `since_seconds`: frame time since when it waits. `waited_frames`: frames since then. `failures`: failed
    verifications. `pause_frames`, `not_before_seconds`: frames and frame time before the next verification; it may be
    verified now where the first is 0 or less and the second has come.
    """

    candidate: Candidate
    since_seconds: float
    waited_frames: int = 0
    failures: int = 0
    pause_frames: int = 0
    not_before_seconds: float = -math.inf


@dataclass(frozen=True, slots=True)
class _RejectedPlace:
    box: Box
    patch: NDArray[np.uint8]
    seconds: float


class VerificationQueue:
    """Schedules verification, a few per frame: it is the most expensive operation on a single face.

    Tracks and new candidates take turns by waiting time. Among the candidates the one with the most
    neighbours comes first, and each frame of waiting counts as one neighbour. A search that finds a phantom
    finds it again in the same place: a rejected place is ignored until the picture there changes.
    """

    def __init__(
        self, verify: Callable[[Box], bool], redetect: Callable[[Box], Box | None], changes: ChangeMap
    ) -> None:
        """Create an empty queue.

        `verify`: verifies a box in the newest frame. `redetect`: searches the newest frame for a candidate
        that an earlier frame showed at a box. `changes`: holds the newest frame.
        """
        self._verify = verify
        self._redetect = redetect
        self._changes = changes
        self._queued: list[_QueuedCandidate] = []
        self._rejected: list[_RejectedPlace] = []

    def add(self, candidates: Sequence[Candidate], seconds: float) -> None:
        """Queue the candidates of a frame that are not queued yet. Must be called once in each frame."""
        if self._rejected and seconds - self._rejected[0].seconds > _REJECTED_SECONDS:
            self._rejected = [place for place in self._rejected if seconds - place.seconds <= _REJECTED_SECONDS]
        for queued in self._queued:
            queued.waited_frames += 1
            queued.pause_frames -= 1
        for candidate in candidates:
            known = next((one for one in self._queued if _is_same(one.candidate.box, candidate.box)), None)
            if known is None:
                self._queued.append(_QueuedCandidate(candidate, seconds))
            elif known.waited_frames or known.candidate.neighbours < candidate.neighbours:
                # The newest box is the most exact, and the candidate keeps its place in the queue.
                known.candidate = candidate

    def discard(self, is_tracked: Callable[[Box], bool]) -> None:
        """Remove the candidates that are at the place of a tracked face."""
        if self._queued:
            self._queued = [one for one in self._queued if not is_tracked(one.candidate.box)]

    def verify_all(self, seconds: float) -> list[Candidate]:
        """Verify all candidates now; returns those that passed."""
        return [one.candidate for one in list(self._queued) if self._verify_candidate(one, seconds, 1)]

    def verify_due(
        self, detected: Sequence[tuple[TrackPrediction, Box]], seconds: float, limit: int = 1, pause_frames: int = 2
    ) -> tuple[dict[int, bool], list[Candidate]]:
        """Verify at most `limit` tracks and candidates.

        `detected`: the tracks that were detected in this frame, with their boxes. `pause_frames`: frames until a
        candidate that fails now is verified again. Returns whether each verified track passed, by its id; and the
        candidates that passed.
        """
        due = sorted(
            (
                (prediction.verification.last_seconds, prediction.id, box)
                for prediction, box in detected
                if _is_due(prediction, seconds)
            ),
            key=lambda one: one[:2],
        )
        tracks: dict[int, bool] = {}
        passed: list[Candidate] = []
        for _ in range(limit):
            ready = (one for one in self._queued if one.pause_frames <= 0 and seconds >= one.not_before_seconds)
            best = max(ready, key=lambda one: one.candidate.neighbours + one.waited_frames, default=None)
            if due and (best is None or due[0][0] <= best.since_seconds):
                _, track_id, box = due.pop(0)
                tracks[track_id] = self._verify(box)
            elif best is None:
                break
            elif self._verify_candidate(best, seconds, pause_frames):
                passed.append(best.candidate)
        return tracks, passed

    def reject(self, box: Box, seconds: float) -> None:
        """Ignore a place from now on: it shows no face, or none that is large enough."""
        self._rejected.append(_RejectedPlace(box, self._changes.patch(box), seconds))

    def was_rejected(self, box: Box) -> bool:
        """Return whether this place was rejected, and has not changed since."""
        return any(
            _is_same(place.box, box) and not self._changes.differs(place.box, place.patch) for place in self._rejected
        )

    def _verify_candidate(self, queued: _QueuedCandidate, seconds: float, pause_frames: int) -> bool:
        """Verify a candidate. One that failed before is redetected first, because it may have moved."""
        box: Box | None = queued.candidate.box
        if queued.failures:
            box = self._redetect(queued.candidate.box)
        if box is not None:
            queued.candidate = Candidate(box, queued.candidate.neighbours)
            if self._verify(box):
                self._queued.remove(queued)
                return True
        queued.failures += 1
        queued.pause_frames, queued.waited_frames, queued.since_seconds = pause_frames, 0, seconds
        queued.not_before_seconds = seconds + _PAUSE_SECONDS
        if box is None or queued.failures >= _MAX_FAILURES:
            self._queued.remove(queued)
            self.reject(queued.candidate.box, seconds)
        return False


def _is_same(one: Box, other: Box) -> bool:
    return one.iou(other) >= _SAME_CANDIDATE_IOU


def _is_due(prediction: TrackPrediction, seconds: float) -> bool:
    """Return whether a track may be verified: a tentative one in every frame, a confirmed one seldom."""
    if not prediction.confirmed:
        return True
    verification = prediction.verification
    interval = _FAILED_INTERVAL_SECONDS if verification.last_failed else _VERIFIED_INTERVAL_SECONDS
    return seconds - verification.last_seconds >= interval
