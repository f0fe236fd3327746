"""Finds faces: a Haar cascade searches, a second one must agree before a face may be announced."""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.config.schema import DetectorConfig
from edge.levels import LADDER, Level
from edge.types import Box, Detection, Luma, TrackPrediction
from edge.vision.detection.cascades import SEARCH_CASCADE, cascade_path, load_cascade
from edge.vision.detection.grid import SearchGrid, SearchJob
from edge.vision.detection.motion import ChangeMap
from edge.vision.detection.redetect import redetect
from edge.vision.detection.schedule import Schedule
from edge.vision.detection.verification import (
    STILL_VERIFICATION,
    STREAM_VERIFICATION,
    Candidate,
    FaceVerifier,
    VerificationQueue,
)
from edge.vision.pyramid import ImagePyramid

_SAME_EPS: Final = 0.2
"""How alike boxes must be to be merged, as in OpenCV's own search."""
_MOST_FOLLOWED: Final = 8
"""Faces looked for per frame; where there are more, in turn."""

_MAY_SHRINK: Final = 0.8
"""A face that is announced may become so much smaller than the smallest that is looked for; a new one may
not: the search of everything, which tries no smaller sizes, takes smaller faces for the smallest."""
_MOST_GROWTH: Final = 1.6
"""Of a face that is found again by the search of everything; more would be another face."""


def whole_search(
    cascade: cv2.CascadeClassifier, luma: Luma, config: DetectorConfig, neighbours: int
) -> list[tuple[Box, int]]:
    """Search a grey picture whole, uint8 (height, width); returns boxes in its pixels, and hits."""
    height, width = luma.shape
    reduction = min(1.0, config.search_width_px / width)
    reduced: NDArray[np.uint8] = luma
    if reduction < 1:
        size = (config.search_width_px, max(1, round(height * reduction)))
        reduced = np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    shorter = min(reduced.shape)
    smallest, largest = (max(1, round(shorter * share)) for share in (config.min_face, config.max_face))
    boxes, hits = cascade.detectMultiScale2(
        reduced,
        scaleFactor=config.scale_factor,
        minNeighbors=neighbours,
        minSize=(smallest, smallest),
        maxSize=(largest, largest),
    )
    return [
        (Box(*(float(value) for value in corners)).scaled(width / reduced.shape[1]), int(count))
        for corners, count in zip(boxes, hits, strict=True)
    ]


class Detector:
    """Finds faces in pictures (`detect`) and in a stream of frames (`search`). Not for several threads at once."""

    def __init__(self, config: DetectorConfig) -> None:
        """Load both cascades. Raises CascadeError."""
        self._config = config
        self.path = cascade_path(config.cascade, SEARCH_CASCADE)
        self._search = load_cascade(self.path, "detector.cascade")
        self._confirmer = FaceVerifier(config.confirm_cascade)
        self._stream: _Stream | None = None

    def detect(self, luma: Luma) -> list[Detection]:
        """Search one grey picture whole, uint8 (height, width); returns its faces, largest first.

        Boxes are in its pixels. Every face found is asked about.
        """
        found = [
            Detection(box, hits, self._confirmer.verify(luma, box, STILL_VERIFICATION))
            for box, hits in whole_search(self._search, luma, self._config, self._config.neighbours)
        ]
        # A fixed order, so that a replay gives the same tracks whatever order the search merges in.
        return sorted(found, key=lambda one: (-one.box.width, one.box.x, one.box.y))

    def search(
        self, luma: Luma, seconds: float, followed: Sequence[TrackPrediction] = (), level: Level = LADDER[0]
    ) -> list[Detection]:
        """Search the next frame of a stream, uint8 (height, width), at its bounded share of the work.

        `seconds`: its time. `followed`: the faces that are looked for again. Returns these where they were
        found, and new faces with which the second cascade agrees. The first frame of a stream, of a size, or
        after `restart` is searched whole.
        """
        if self._stream is None or self._stream.shape != luma.shape:
            self._stream = _Stream(self._config, self._search, self._confirmer, luma.shape)
        return self._stream.search(luma, seconds, followed, level)

    def restart(self) -> None:
        """Forget the stream: the next frame has nothing to do with the last one."""
        self._stream = None


class _Stream:
    """What the search of a stream knows about its past."""

    def __init__(
        self, config: DetectorConfig, cascade: cv2.CascadeClassifier, confirmer: FaceVerifier, shape: tuple[int, ...]
    ) -> None:
        self.shape = shape
        self._config = config
        self._cascade = cascade
        height, width = shape
        window = int(cascade.getOriginalWindowSize()[0])
        # No smaller face than the search of the reduced frame, as `detect` does it, could find.
        self._smallest = max(config.min_face * min(shape), window * max(1.0, width / config.search_width_px))
        self._layout = SearchGrid(width, height, window, self._smallest, config.max_face * min(shape))
        self._schedule = Schedule(self._layout)
        self._changes = ChangeMap(self._layout)
        self._pictures = ImagePyramid(np.zeros((1, 1), dtype=np.uint8))
        self._confirmer = confirmer
        self._questions = VerificationQueue(self._agrees, self._find, self._changes)
        self._begun = False
        self._turn = 0

    def search(self, luma: Luma, seconds: float, followed: Sequence[TrackPrediction], level: Level) -> list[Detection]:
        """Search a frame; see `Detector.search`."""
        if not self._layout.bands:
            return []
        self._pictures = ImagePyramid(luma)
        self._changes.look(self._pictures)
        found = self._found_again(followed, seconds)
        covered = [one.box for one in found.values()]
        step = level.scale_factor or self._config.scale_factor
        if self._begun:
            changed = self._changes.changed(covered)
            jobs = self._schedule.plan(changed, seconds, level.search_frames, step)
            candidates = [one for job in jobs for one in self._candidates(job, step)]
        else:
            found_whole = whole_search(self._cascade, luma, self._config, self._neighbours(1))
            candidates = [Candidate(box, hits) for box, hits in found_whole]
            self._changes.all_searched()
        unseen = [face for face in followed if face.serial not in found]
        new, strangers = [], []
        for one in candidates:
            if self._questions.was_refused(one.box) or any(box.may_be(one.box) for box in covered):
                continue
            if any(_may_be(face.box, one.box) for face in unseen):
                new.append(Detection(one.box, one.hits, None))
            else:
                strangers.append(one)
        self._questions.add(strangers, seconds)
        self._questions.drop(lambda box: any(other.may_be(box) for other in covered))
        new += self._asked(found, followed, seconds)
        self._begun = True
        # A fixed order, so that a replay gives the same tracks.
        return sorted([*found.values(), *new], key=lambda one: (-one.box.width, one.box.x, one.box.y))

    def _neighbours(self, few: int) -> int:
        """Return how many neighbours make a candidate.

        Few do where a second cascade decides. On the footage a single scheduled search of everything finds 108
        of 123 faces of walking-and-pause without any, 68 with one.
        """
        return few if self._confirmer.asks else self._config.neighbours // 2

    def _agrees(self, box: Box) -> bool:
        return self._confirmer.verify(self._pictures.at(0), box, STREAM_VERIFICATION)

    def _find(self, box: Box) -> Box | None:
        """Look for a face near a box that was found some frames ago."""
        stranger = TrackPrediction(0, box, box, 0.0, 0, new=True, confirmed=False, asked_seconds=0.0, doubted=True)
        found = redetect(self._cascade, self._pictures, stranger, ())
        return found.box if found is not None and found.box.width >= self._smallest else None

    def _found_again(self, followed: Sequence[TrackPrediction], seconds: float) -> dict[int, Detection]:
        """Look for the followed faces, in turn where there are many; returns those found, by serial."""
        looked_for = list(followed)
        if len(looked_for) > _MOST_FOLLOWED:
            first = self._turn % len(looked_for)
            looked_for = (looked_for[first:] + looked_for[:first])[:_MOST_FOLLOWED]
            self._turn = first + _MOST_FOLLOWED
        found: dict[int, Detection] = {}
        for face in looked_for:
            taken = [other.box for other in found.values()]
            one = redetect(self._cascade, self._pictures, face, taken)
            if one is None:
                continue
            if one.box.width >= self._smallest * (_MAY_SHRINK if face.confirmed else 1):
                found[face.serial] = one
            elif not face.confirmed:
                self._questions.refuse(one.box, seconds)
        return found

    def _candidates(self, job: SearchJob, step: float) -> list[Candidate]:
        """Do a job."""
        band = self._layout.bands[job.band]
        left, top, right, bottom = job.region
        hits = self._cascade.detectMultiScale(
            self._pictures.at(band.octave)[top:bottom, left:right],
            scaleFactor=step,
            minNeighbors=self._neighbours(0),
            minSize=(band.smallest, band.smallest),
            maxSize=(band.largest, band.largest),
        )
        self._changes.searched(job.band, job.cells)
        if not len(hits):
            return []
        # Twice each, because OpenCV drops what is alone.
        boxes, counts = cv2.groupRectangles(sorted(np.asarray(hits).tolist()) * 2, 1, _SAME_EPS)
        factor = float(1 << band.octave)
        return [
            Candidate(Box(float(x + left), float(y + top), float(width), float(height)).scaled(factor), int(count) // 2)
            for (x, y, width, height), count in zip(boxes, counts, strict=True)
        ]

    def _asked(
        self, found: dict[int, Detection], followed: Sequence[TrackPrediction], seconds: float
    ) -> list[Detection]:
        """Ask the second cascade; notes what it says about found faces, returns the new ones."""
        if not self._begun:
            return [Detection(one.box, one.hits, verified=True) for one in self._questions.ask_all(seconds)]
        seen = [(face, found[face.serial].box) for face in followed if face.serial in found]
        answer = self._questions.ask_one(seen, seconds)
        if isinstance(answer, Candidate):
            return [Detection(answer.box, answer.hits, verified=True)]
        if answer is not None:
            serial, verified = answer
            one = found[serial]
            found[serial] = Detection(one.box, one.hits, verified, serial)
        return []


def _may_be(expected: Box, box: Box) -> bool:
    """Tell whether a box may be the face that is expected there: the tracker decides."""
    return expected.may_be(box) and 1 / _MOST_GROWTH <= box.width / expected.width <= _MOST_GROWTH
