"""Verifies faces with a second cascade: how one face is verified, and which face in which frame."""

import enum
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.types import Box, Detection, Luma, TrackPrediction
from edge.vision.detection.cascades import GROUP_EPS, VERIFICATION_CASCADE, cascade_path, load_cascade, windows_of
from edge.vision.detection.motion import ChangeMap
from edge.vision.pyramid import halved
from edge.vision.turned import TurnedWindow

NO_VERIFICATION: Final = "none"
"""Value of `detector.confirm_cascade` that turns verification off."""
_SCALE_STEP: Final = 1.1
_STRONG_HITS: Final = 16
"""Windows on a face and its mirror image from which it is verified strongly. In STREAM_VERIFICATION, on store-aisle,
people-detection and classroom mirrored, scaled and turned, 4 of 122 passes of phantoms had as many, and 72 % of 189
passes of true faces on the other footage."""
_VERIFIED_INTERVAL_SECONDS: Final = 2.0
"""Time between two verifications of a confirmed track whose last one passed."""
_FAILED_INTERVAL_SECONDS: Final = 1.0
"""Time between two verifications of a confirmed track whose last one failed."""
_REJECTED_SECONDS: Final = 5.0
"""A rejected place is ignored for this long, unless the picture there changes. Not in frames: where they are far apart
there is time to look again."""
REMOVED_SECONDS: Final = 20.0
"""The place of a new track that was removed after many verifications is ignored for this long, with the same
exception."""
_MAX_FAILURES: Final = 3
"""Failed verifications after which a candidate is rejected. Verification fails for up to every second view
of true faces that walk or turn, and passes for one in 200 of phantoms."""
_PAUSE_SECONDS: Final = 0.06
"""Time between two verifications of a candidate at least, beside a pause in frames: at 60 frames a second two frames
show nearly the same."""
_SAME_CANDIDATE_IOU: Final = 0.3
"""IoU from which two candidates are the same."""
ROLL_OFFSETS: Final = (10.0, -10.0)
"""Added to the roll of a likely face, in turn, for a second try, and to that of a face in a single picture: a roll is
known to some 10 degrees."""
_MAX_LIKELY: Final = 3
"""New faces that are verified in one frame where all of them have passed before."""
_SAME_ROLL_DEGREES: Final = 20.0
"""Difference of their rolls up to which two candidates at one place are the same: a cascade finds a face within it."""
_MIN_INTERPOLATED: Final = 0.5
"""Down to half of its size a picture can be interpolated without leaving pixels out."""


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


class Grade(enum.Enum):
    """How clearly a face was verified."""

    FAILED = enum.auto()
    WEAK = enum.auto()
    """Verified, but in few windows: phantoms sometimes reach as many."""
    STRONG = enum.auto()


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
    def cascade(self) -> cv2.CascadeClassifier | None:
        """The second cascade, None where verification is turned off."""
        return self._cascade

    @property
    def enabled(self) -> bool:
        """Whether there is a second cascade."""
        return self._cascade is not None

    def verify(self, luma: Luma, box: Box, settings: VerificationSettings, roll_degrees: float = 0.0) -> bool:
        """Return whether the second cascade finds a face of about this size at `box`, turned by `roll_degrees`.

        `luma`: uint8 (height, width). Returns True where verification is turned off.
        """
        if self._cascade is None:
            return True
        return _is_face(self._hits(self._cascade, _resized(luma, box, settings, roll_degrees), settings), settings)

    def grade(self, luma: Luma, box: Box, settings: VerificationSettings, roll_degrees: float = 0.0) -> Grade:
        """Return how clearly the second cascade finds a face at `box`; STRONG where verification is turned off."""
        if self._cascade is None:
            return Grade.STRONG
        picture = _resized(luma, box, settings, roll_degrees)
        hits = self._hits(self._cascade, picture, settings)
        if not _is_face(hits, settings):
            return Grade.FAILED
        count = len(hits)
        if count < _STRONG_HITS:  # else the mirror image changes nothing
            count += len(self._hits(self._cascade, np.ascontiguousarray(picture[:, ::-1]), settings))
        return Grade.STRONG if count >= _STRONG_HITS else Grade.WEAK

    @staticmethod
    def _hits(cascade: cv2.CascadeClassifier, picture: Luma, settings: VerificationSettings) -> list[list[int]]:
        smallest, largest = (round(settings.side_px * share) for share in settings.sizes)
        return windows_of(cascade, picture, _SCALE_STEP, (smallest, largest))


def _is_face(hits: list[list[int]], settings: VerificationSettings) -> bool:
    return len(cv2.groupRectangles(hits, settings.neighbours, GROUP_EPS)[0]) > 0


def _resized(luma: Luma, box: Box, settings: VerificationSettings, roll_degrees: float) -> Luma:
    """Cut a face out with its margin, upright, at the size of a verification.

    Where the margin is outside the picture, the edge pixels are repeated.
    """
    margin = settings.margin * box.width
    height, width = luma.shape
    inside = box.x >= margin and box.y >= margin
    inside = inside and box.x + box.width + margin <= width and box.y + box.height + margin <= height
    factor = settings.side_px / box.width
    if inside and not roll_degrees:
        left, top = max(0, round(box.x - margin)), max(0, round(box.y - margin))
        right, bottom = round(box.x + box.width + margin), round(box.y + box.height + margin)
        region = luma[top:bottom, left:right]
        size = [max(1, round(side * factor)) for side in (region.shape[1], region.shape[0])]
        interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(region, size, interpolation=interpolation), dtype=np.uint8)
    picture = luma
    if factor < _MIN_INTERPOLATED:
        # Around the face only: the rest of the picture need not be reduced.
        reach = math.ceil(box.width * (0.5 + settings.margin) * math.sqrt(2)) + 1
        left, top = max(0, round(box.centre[0]) - reach), max(0, round(box.centre[1]) - reach)
        picture = luma[top : top + 2 * reach, left : left + 2 * reach]
        box = Box(box.x - left, box.y - top, box.width, box.height)
        while factor < _MIN_INTERPOLATED and min(picture.shape) > 1:
            picture, box, factor = halved(picture), box.scaled(0.5), 2 * factor
    side = round(settings.side_px * (1 + 2 * settings.margin))
    return TurnedWindow(box.centre, factor, side, side, roll_degrees).render(picture)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A box that may hold a new face.

    `neighbours`: windows of the search that were merged into it. `roll_degrees`: roll of the search that found it.
    `weak`: as in `Detection`.
    """

    box: Box
    neighbours: int
    roll_degrees: float = 0.0
    weak: bool = False

    def is_same(self, other: "Candidate") -> bool:
        """Return whether both are one candidate: at one place, and at about the same roll."""
        return _is_same(self.box, other.box) and abs(self.roll_degrees - other.roll_degrees) <= _SAME_ROLL_DEGREES


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
    candidate: Candidate
    patch: NDArray[np.uint8]
    until_seconds: float


class VerificationQueue:
    """Schedules verification, a few per frame: it is the most expensive operation on a single face.

    Tracks and new candidates take turns by waiting time. Among the candidates the one with the most
    neighbours comes first, and each frame of waiting counts as one neighbour. A search that finds a phantom
    finds it again in the same place: a rejected place is ignored until the picture there changes.
    """

    def __init__(
        self,
        verify: Callable[[Box, float], Grade],
        redetect: Callable[[Candidate], Candidate | None],
        changes: ChangeMap,
    ) -> None:
        """Create an empty queue.

        `verify`: verifies a box with a roll, degrees, in the newest frame. `redetect`: searches the newest frame for
        a candidate of an earlier frame. `changes`: holds the newest frame.
        """
        self._verify = verify
        self._redetect = redetect
        self._changes = changes
        self._queued: list[_QueuedCandidate] = []
        self._rejected: list[_RejectedPlace] = []

    def add(self, candidates: Sequence[Candidate], seconds: float) -> None:
        """Queue the candidates of a frame that are not queued yet. Must be called once in each frame."""
        if any(seconds > place.until_seconds for place in self._rejected):
            self._rejected = [place for place in self._rejected if seconds <= place.until_seconds]
        for queued in self._queued:
            queued.waited_frames += 1
            queued.pause_frames -= 1
        for candidate in candidates:
            known = next((one for one in self._queued if one.candidate.is_same(candidate)), None)
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
        offsets = (0.0, *ROLL_OFFSETS)
        return [one.candidate for one in list(self._queued) if self._verify_candidate(one, seconds, 1, offsets)]

    def verify_due(
        self,
        detected: Sequence[tuple[TrackPrediction, Detection]],
        seconds: float,
        limit: int = 1,
        pause_frames: int = 2,
    ) -> tuple[dict[int, Grade], list[Candidate]]:
        """Verify at most `limit` tracks and candidates.

        `detected`: the tracks that were detected in this frame, with their detections. `pause_frames`: frames until a
        candidate that fails now is verified again. Returns the grade of each verified track, by its id; and the
        candidates that passed.
        """
        due = sorted(
            ((prediction, detection) for prediction, detection in detected if _is_due(prediction, seconds)),
            key=lambda one: (one[0].verification.last_seconds, one[0].id),
        )
        # Likely faces need not wait for each other.
        limit = max(limit, min(sum(_is_likely(prediction) for prediction, _ in detected), _MAX_LIKELY))
        tracks: dict[int, Grade] = {}
        passed: list[Candidate] = []
        for _ in range(limit):
            ready = (one for one in self._queued if one.pause_frames <= 0 and seconds >= one.not_before_seconds)
            best = max(ready, key=lambda one: one.candidate.neighbours + one.waited_frames, default=None)
            if due and (best is None or due[0][0].verification.last_seconds <= best.since_seconds):
                track, detection = due.pop(0)
                offsets: tuple[float, ...] = (0.0,)
                if _is_likely(track):
                    # Its roll is known roughly, so it has a second try.
                    offsets = (0.0, ROLL_OFFSETS[track.verification.failures % len(ROLL_OFFSETS)])
                tracks[track.id] = self._grade(detection.box, detection.roll_degrees, offsets)
            elif best is None:
                break
            elif self._verify_candidate(best, seconds, pause_frames):
                passed.append(best.candidate)
        return tracks, passed

    def reject(self, candidate: Candidate, seconds: float, ignored_seconds: float = _REJECTED_SECONDS) -> None:
        """Ignore a place, at this roll, from now on: it shows no face, or none that is large enough."""
        patch = self._changes.patch(candidate.box)
        self._rejected.append(_RejectedPlace(candidate, patch, seconds + ignored_seconds))

    def was_rejected(self, candidate: Candidate) -> bool:
        """Return whether this place was rejected at this roll, and has not changed since."""
        return any(
            place.candidate.is_same(candidate) and not self._changes.differs(place.candidate.box, place.patch)
            for place in self._rejected
        )

    def _grade(self, box: Box, roll_degrees: float, offsets: Sequence[float]) -> Grade:
        """Verify a box at its roll and, while it fails, at the rolls beside it."""
        grades = (self._verify(box, roll_degrees + offset) for offset in offsets)
        return next((grade for grade in grades if grade is not Grade.FAILED), Grade.FAILED)

    def _verify_candidate(
        self, queued: _QueuedCandidate, seconds: float, pause_frames: int, offsets: Sequence[float] = (0.0,)
    ) -> bool:
        """Verify a candidate.

        One that failed before is redetected first, because it may have moved; so is one that is turned, because its
        roll is known only roughly.
        """
        candidate: Candidate | None = queued.candidate
        if queued.failures or queued.candidate.roll_degrees:
            candidate = self._redetect(queued.candidate)
        if candidate is not None:
            queued.candidate = candidate
            grade = self._grade(candidate.box, candidate.roll_degrees, offsets)
            if grade is not Grade.FAILED:
                queued.candidate = replace(candidate, weak=grade is Grade.WEAK)
                self._queued.remove(queued)
                return True
        queued.failures += 1
        queued.pause_frames, queued.waited_frames, queued.since_seconds = pause_frames, 0, seconds
        queued.not_before_seconds = seconds + _PAUSE_SECONDS
        if candidate is None or queued.failures >= _MAX_FAILURES:
            self._queued.remove(queued)
            self.reject(queued.candidate, seconds)
        return False


def _is_same(one: Box, other: Box) -> bool:
    return one.iou(other) >= _SAME_CANDIDATE_IOU


def _is_likely(prediction: TrackPrediction) -> bool:
    """Return whether a track is a new face that has passed once: it is hardly a phantom."""
    return not prediction.confirmed and prediction.verification.passes > 0


def _is_due(prediction: TrackPrediction, seconds: float) -> bool:
    """Return whether a track may be verified: a tentative one in every frame, a confirmed one seldom."""
    verification = prediction.verification
    if not prediction.confirmed:
        return True
    interval = _FAILED_INTERVAL_SECONDS if verification.last_failed else _VERIFIED_INTERVAL_SECONDS
    return seconds - verification.last_seconds >= interval
