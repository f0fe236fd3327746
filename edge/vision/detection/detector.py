"""Detects faces in single pictures and in streams: a cascade searches, a second cascade verifies."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import cv2
import numpy as np

from edge.config.schema import DetectorConfig
from edge.frame_rate import FrameRate
from edge.levels import LADDER, Level
from edge.types import Box, Detection, Luma, TrackPrediction
from edge.vision.detection.cascades import (
    GROUP_EPS,
    SEARCH_CASCADE,
    cascade_path,
    load_cascade,
    search_whole_frame,
    windows_of,
)
from edge.vision.detection.effort import frame_effort
from edge.vision.detection.finder_looks import Colour, FinderLooks
from edge.vision.detection.finders.create import create_finder
from edge.vision.detection.grid import SearchGrid, SearchJob
from edge.vision.detection.look_plan import LookPlan, look_tiles
from edge.vision.detection.motion import ChangeMap
from edge.vision.detection.redetect import Redetector
from edge.vision.detection.schedule import Schedule
from edge.vision.detection.second_search import SCALE_STEP, SecondJob, SecondSearch
from edge.vision.detection.smallest_face import default_sizes, prompt_face_px, search_limit, smallest_face_px
from edge.vision.detection.still_detector import StillDetector, ordered
from edge.vision.detection.verification import (
    REMOVED_SECONDS,
    STREAM_VERIFICATION,
    Candidate,
    FaceVerifier,
    Grade,
    VerificationQueue,
)
from edge.vision.pyramid import ImagePyramid
from edge.vision.tracker import MAX_SIZE_RATIO, MAX_TENTATIVE_ATTEMPTS

_CONFIRMED_MIN_SIZE: Final = 0.8
"""Smallest size of a confirmed face, as a share of the smallest size of the search. A new face must have the
full size: the search of the whole frame tries no smaller size, and takes smaller faces for the smallest."""


class Detector:
    """Detects faces in pictures (`detect`) and in a stream of frames (`search`). Not thread-safe."""

    def __init__(self, config: DetectorConfig) -> None:
        """Load both cascades, and the network of `detector.kind`.

        Raises CascadeError or DetectorError where one of them is missing or cannot be used.
        """
        self._config = config
        self.path = cascade_path(config.cascade, SEARCH_CASCADE)
        """File of the search cascade."""
        self._cascade = load_cascade(self.path, "detector.cascade")
        self._verifier = FaceVerifier(config.confirm_cascade)
        self._stills = StillDetector(config, self._cascade, self._verifier)
        self.finder = create_finder(config, still=False)
        """The network of `detector.kind`, as it looks at a stream; None for "haar"."""
        self._looks = None if self.finder is None else FinderLooks(self.finder)
        self._stream: _Stream | None = None

    def detect(self, luma: Luma, colour: Colour | None = None) -> list[Detection]:
        """Search one grey picture, uint8 (height, width), and verify each face found in it; see `StillDetector`."""
        return self._stills.detect(luma, colour)

    def search(
        self,
        luma: Luma,
        seconds: float,
        predictions: Sequence[TrackPrediction] = (),
        level: Level = LADDER[0],
        colour: Colour | None = None,
    ) -> list[Detection]:
        """Search the next frame of a stream, uint8 (height, width), at a bounded cost.

        `seconds`: time of the frame. `predictions`: the tracked faces, as `Tracker.predict` returns them.
        `level`: bounds the cost. `colour`: decodes the frame in colour, as `Frame.in_colour`. Returns, largest first,
        the tracked faces that were found and new faces that passed verification. The whole frame is searched where the
        stream starts, where the size of the frames changes, and after `reset`.
        """
        if self._looks is not None:
            self._looks.start_frame(luma, colour)
        if self._stream is None or self._stream.shape != luma.shape:
            self._stream = _Stream(self._config, self._cascade, self._verifier, self._looks, luma.shape)
        return self._stream.search(luma, seconds, predictions, level)

    def smallest_face_px(self, shape: tuple[int, ...]) -> float:
        """Return the side of the smallest face that is found in frames of that shape, (height, width, ...), pixels."""
        return smallest_face_px(self._config, shape, int(self._cascade.getOriginalWindowSize()[0]))

    def search_limit(self, shape: tuple[int, ...]) -> str | None:
        """Return a sentence where smaller faces are asked for than can be found in frames of that shape, else None."""
        return search_limit(self._config, shape, int(self._cascade.getOriginalWindowSize()[0]))

    def reset(self) -> None:
        """Forget the stream: the next frame starts a new one."""
        self._stream = None


class _Stream:
    """State of the search of one stream."""

    def __init__(
        self,
        config: DetectorConfig,
        cascade: cv2.CascadeClassifier,
        verifier: FaceVerifier,
        looks: FinderLooks | None,
        shape: tuple[int, ...],
    ) -> None:
        self.shape = shape
        self._looks = looks
        self._config = config
        self._cascade = cascade
        self._verifier = verifier
        height, width = shape
        window = int(cascade.getOriginalWindowSize()[0])
        self._smallest = smallest_face_px(config, shape, window)
        prompt_px = prompt_face_px(config, shape, window)
        self._first_search = config if self._smallest >= prompt_px else default_sizes(config)
        self._grid = SearchGrid(width, height, window, self._smallest, config.max_face * min(shape))
        # Faces that the default configuration would not look for take turns at a cost of their own.
        self._prompt_bands, small_bands = self._grid.divided(prompt_px)
        self._schedule = Schedule(self._grid, self._prompt_bands)
        self._schedules = [self._schedule]
        if small_bands:
            self._schedules.append(Schedule(self._grid, small_bands, self._schedule))
        self._second = SecondSearch(self._grid)
        tile_faces = math.inf if looks is None else looks.tile_faces
        tiles = look_tiles(width, height, self._smallest, tile_faces)
        self._look_plan = LookPlan(tiles, [tile for tile in tiles if tile.smallest_px >= prompt_px])
        self._changes = ChangeMap(self._grid)
        self._queue = VerificationQueue(self._verify, self._redetect_candidate, self._changes)
        self._pyramid = ImagePyramid(np.zeros((1, 1), dtype=np.uint8))
        self._redetector = Redetector(cascade, self._pyramid)
        self._rate = FrameRate()
        self._effort = frame_effort(None, LADDER[0])
        self._started = False
        self._tentative: list[TrackPrediction] = []
        self._next_redetection = 0
        self._frame_index = 0

    def search(
        self, luma: Luma, seconds: float, predictions: Sequence[TrackPrediction], level: Level
    ) -> list[Detection]:
        """Search a frame; see `Detector.search`."""
        if not self._grid.bands:
            return []
        self._rate.record(seconds)
        self._effort = frame_effort(self._rate.interval_seconds, level)
        self._pyramid = ImagePyramid(luma)
        self._redetector = Redetector(self._cascade, self._pyramid, self._effort.extra_seconds, self._frame_index)
        self._changes.update(self._pyramid)
        self._reject_removed(predictions, seconds)
        redetected = self._redetect(predictions, seconds)
        seen = [] if self._looks is None else self._look(self._looks, redetected, predictions, seconds, level)
        tracked = [detection.box for detection in redetected.values()]
        missed = [prediction for prediction in predictions if prediction.id not in redetected]
        new, unknown = list(seen), list[Candidate]()
        tracked += [detection.box for detection in seen]
        for candidate in self._candidates(tracked, seconds, level):
            if self._queue.was_rejected(candidate) or any(box.may_match(candidate.box) for box in tracked):
                continue
            continued = next((one for one in missed if _may_continue(one, candidate.box)), None)
            if continued is None:
                unknown.append(candidate)
                continue
            # Where one frame may verify several faces, a new face must not lose the frame because the search found it.
            grade = None
            if self._effort.verifications > 1 and not continued.confirmed:
                grade = self._verify(candidate.box, candidate.roll_degrees)
            verified = None if grade is None else grade is not Grade.FAILED
            new.append(_detection(replace(candidate, weak=grade is Grade.WEAK), verified=verified))
        self._queue.add(unknown, seconds)
        self._queue.discard(lambda queued: any(box.may_match(queued) for box in tracked))
        new += self._verified(redetected, predictions, seconds)
        self._started = True
        self._frame_index += 1
        return ordered([*redetected.values(), *new])

    def _reject_removed(self, predictions: Sequence[TrackPrediction], seconds: float) -> None:
        """Ignore for a while the places of new tracks that the tracker removed because verification failed."""
        ids = {prediction.id for prediction in predictions}
        for old in self._tentative:
            if old.id not in ids and old.verification.attempts >= MAX_TENTATIVE_ATTEMPTS:
                self._queue.reject(Candidate(old.box, 0, old.roll_degrees), seconds, REMOVED_SECONDS)
        self._tentative = [prediction for prediction in predictions if not prediction.confirmed]

    def _min_neighbours(self, verified: int) -> int:
        """Return how many neighbours make a candidate: `verified` where a second cascade verifies it.

        Few are enough then. On the footage a single scheduled search of the whole frame finds 108 of 123
        faces of walking-and-pause without any neighbour, and 68 with one.
        """
        return verified if self._verifier.enabled or self._looks is not None else self._config.neighbours // 2

    def _look(
        self,
        looks: FinderLooks,
        redetected: dict[int, Detection],
        predictions: Sequence[TrackPrediction],
        seconds: float,
        level: Level,
    ) -> list[Detection]:
        """Make the looks of this frame; notes tracked faces in `redetected`, returns faces that no search has found."""
        missed = [one for one in predictions if one.id not in redetected]
        plan = self._look_plan.plan(missed, seconds, level, self._effort.verifications)
        for track in plan.again:
            detection = looks.find_again(track, [other.box for other in redetected.values()])
            if detection is not None and detection.box.width >= self._smallest * _CONFIRMED_MIN_SIZE:
                redetected[track.id] = detection
        new: list[Detection] = []
        for face in (face for tile in plan.tiles for face in looks.look_at(tile)):
            if not any(other.box.may_match(face.box) for other in (*redetected.values(), *new)):
                new.append(face)
        return new

    def _verify(self, box: Box, roll_degrees: float) -> Grade:
        if self._looks is not None:
            return Grade.STRONG if self._looks.verify(box, roll_degrees) else Grade.FAILED
        return self._verifier.grade(self._pyramid.at_octave(0), box, STREAM_VERIFICATION, roll_degrees)

    def _redetect_candidate(self, candidate: Candidate) -> Candidate | None:
        found = self._redetector.candidate(candidate.box, candidate.roll_degrees)
        if found is None or found.box.width < self._smallest:
            return None
        return Candidate(found.box, candidate.neighbours, found.roll_degrees)

    def _redetect(self, predictions: Sequence[TrackPrediction], seconds: float) -> dict[int, Detection]:
        """Search for the tracked faces, at most as many as the frame may cost; returns those found by id."""
        due, limit = list(predictions), self._effort.redetections
        if len(due) > limit:
            first = self._next_redetection % len(due)
            due = (due[first:] + due[:first])[:limit]
            self._next_redetection = first + limit
        found: dict[int, Detection] = {}
        for prediction in due:
            taken = [other.box for other in found.values()]
            detection = self._redetector.track(prediction, taken)
            if detection is None:
                continue
            if detection.box.width >= self._smallest * (_CONFIRMED_MIN_SIZE if prediction.confirmed else 1):
                found[prediction.id] = detection
            elif not prediction.confirmed:
                self._queue.reject(Candidate(detection.box, detection.neighbours, detection.roll_degrees), seconds)
        return found

    def _candidates(self, tracked: Sequence[Box], seconds: float, level: Level) -> list[Candidate]:
        """Search for faces that are not tracked: the whole first frame, then what the schedule plans."""
        if not self._started:
            luma, neighbours = self._pyramid.at_octave(0), self._min_neighbours(1)
            whole = search_whole_frame(self._cascade, luma, self._first_search, neighbours)
            self._changes.mark_all_searched(self._prompt_bands)
            upright = [Candidate(box, neighbours) for box, neighbours in whole]
            if self._looks is not None:
                return upright
            second_jobs = self._second.first(seconds, self._schedule.full_search(self._config.scale_factor)[1])
            return upright + self._search_second(second_jobs, upright)
        step = level.scale_factor or self._config.scale_factor
        moving = self._changes.moving
        changed = [None] * len(self._grid.bands) if moving else self._changes.changed(tracked)
        full_cost = sum(one.paced_cost(step) for one in self._schedules)
        # A network sees what the second search would find.
        second_jobs = []
        if self._looks is None:
            second_jobs = self._second.plan(changed, seconds, full_cost, self._effort.search_frames)
        search_frames = self._effort.search_frames
        plans = [one.plan(changed, seconds, search_frames, step, moving=moving) for one in self._schedules]
        found = [candidate for jobs in plans for job in jobs for candidate in self._search(job, step)]
        return found + self._search_second(second_jobs, found)

    def _search_second(self, jobs: Sequence[SecondJob], upright: Sequence[Candidate]) -> list[Candidate]:
        """Search for what the upright search did not find in this frame; of finds at one place the strongest counts."""
        found = [candidate for job in jobs for candidate in self._search_job(job)]
        kept: list[Candidate] = []
        for candidate in sorted(found, key=lambda one: -one.neighbours):
            # A tilted face may be found upright too, though weakly.
            stronger = [other for other in upright if other.neighbours >= candidate.neighbours]
            if not any(other.box.may_match(candidate.box) for other in (*stronger, *kept)):
                kept.append(candidate)
        return kept

    def _search_job(self, job: SecondJob) -> list[Candidate]:
        """Search through a turned window; returns the candidates with their centre inside the frame."""
        band = self._grid.bands[job.band]
        cascade = (None if job.turned else self._verifier.cascade) or self._cascade
        picture = job.window.render(self._pyramid.at_octave(band.octave))
        hits = windows_of(cascade, picture, SCALE_STEP, (band.smallest, band.largest), self._min_neighbours(0))
        factor, roll = float(1 << band.octave), job.window.roll_degrees
        height, width = self.shape
        candidates = [
            Candidate(job.window.box_to_picture(box).scaled(factor), count, roll) for box, count in _grouped(hits)
        ]
        return [one for one in candidates if Box(0, 0, width, height).contains(one.box.centre)]

    def _search(self, job: SearchJob, step: float) -> list[Candidate]:
        band = self._grid.bands[job.band]
        left, top, right, bottom = job.region
        picture = self._pyramid.at_octave(band.octave)[top:bottom, left:right]
        hits = windows_of(self._cascade, picture, step, (band.smallest, band.largest), self._min_neighbours(0))
        self._changes.mark_searched(job.band, job.cells)
        factor = float(1 << band.octave)
        return [
            Candidate(Box(box.x + left, box.y + top, box.width, box.height).scaled(factor), count)
            for box, count in _grouped(hits)
        ]

    def _verified(
        self, redetected: dict[int, Detection], predictions: Sequence[TrackPrediction], seconds: float
    ) -> list[Detection]:
        """Run the verifications of this frame; notes their results in `redetected`, returns verified new faces."""
        if not self._started:
            return [
                self._corrected(_detection(candidate, verified=True)) for candidate in self._queue.verify_all(seconds)
            ]
        detected = [(one, redetected[one.id]) for one in predictions if one.id in redetected]
        tracks, candidates = self._queue.verify_due(
            detected, seconds, self._effort.verifications, self._effort.pause_frames
        )
        for searched_id, grade in tracks.items():
            passed, weak = grade is not Grade.FAILED, grade is Grade.WEAK
            detection = replace(redetected[searched_id], verified=passed, weak=weak)
            redetected[searched_id] = self._corrected(detection)
        return self._new_faces(candidates)

    def _new_faces(self, verified: Sequence[Candidate]) -> list[Detection]:
        return [self._corrected(_detection(candidate, verified=True)) for candidate in verified]

    def _corrected(self, detection: Detection) -> Detection:
        return detection if self._looks is None else self._looks.corrected(detection)


def _detection(candidate: Candidate, *, verified: bool | None) -> Detection:
    return Detection(
        candidate.box, candidate.neighbours, verified, roll_degrees=candidate.roll_degrees, weak=candidate.weak
    )


def _grouped(hits: Sequence[Sequence[int]]) -> list[tuple[Box, int]]:
    """Merge overlapping windows; returns the boxes and how many windows are in each."""
    # Each window twice, because OpenCV drops groups of one.
    boxes, counts = cv2.groupRectangles([*hits, *hits], 1, GROUP_EPS)
    return [(Box(*(float(value) for value in box)), int(count) // 2) for box, count in zip(boxes, counts, strict=True)]


def _may_continue(prediction: TrackPrediction, box: Box) -> bool:
    """Return whether a box may be a tracked face; the tracker decides."""
    ratio = box.width / prediction.box.width
    return prediction.box.may_match(box) and 1 / MAX_SIZE_RATIO <= ratio <= MAX_SIZE_RATIO
