"""Runs the vision pipeline: one frame in, faces and events out.

No input or output. Decisions depend on the times of the frames only.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.config.schema import Config
from edge.levels import LADDER, Level
from edge.types import Event, EventKind, Frame, StepResult, TrackedFace
from edge.vision.calm_face import CalmFaceLook, CalmShift
from edge.vision.classification.classifier import Classifier
from edge.vision.classification.readability import is_blurred, obstacle_of_place
from edge.vision.classification.scheduler import InferenceCandidate, InferenceScheduler
from edge.vision.detection.detector import Detector
from edge.vision.expression import ExpressionFilter
from edge.vision.tracker import Track, Tracker


class Pipeline:
    """Runs detector, tracker, classifier and event rules on one stream of frames.

    The same frames, configuration, levels and calm face give the same events, whatever the speed of the machine.
    `level`, `calm_face` and `look` may be set between two frames.
    """

    def __init__(
        self,
        config: Config,
        detector: Detector,
        classifier: Classifier,
        *,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`timer`: clock in seconds that measures the stages. No decision depends on it."""
        self._config = config
        self._detector = detector
        self._classifier = classifier
        self._tracker = Tracker(config.tracker)
        self._scheduler = InferenceScheduler(config.events.dwell_seconds)
        self._expressions: dict[int, ExpressionFilter] = {}
        """By `Track.id`."""
        self._announced: dict[int, TrackedFace] = {}
        """By `track_id`: each announced face as of its last frame."""
        self.level: Level = LADDER[0]
        self.calm_face: CalmShift | None = None
        """What is subtracted from each reading before anything else uses it; None: nothing."""
        self.look: CalmFaceLook | None = None
        """Gets the readings of each frame, before anything is subtracted."""
        self._read: dict[int, NDArray[np.float32]] = {}
        """By `Track.id`: the readings of the frame in hand, before anything is subtracted."""
        self._timer = timer
        self._last_frame: Frame | None = None

    def configure(self, config: Config, detector: Detector | None = None) -> None:
        """Apply another configuration, and another detector where one is given, from the next frame on.

        Tracks, labels and announced faces are kept.
        """
        self._config = config
        self._detector = detector or self._detector
        self._tracker.configure(config.tracker)
        self._scheduler.dwell_seconds = config.events.dwell_seconds
        for expression in self._expressions.values():
            expression.configure(config.events)

    def use(self, classifier: Classifier) -> list[Event]:
        """Classify with another model from the next frame on; returns `face_left` for every announced face.

        What was read of a face has the labels of the model before. So each appears anew in the next frame, under
        another number. Where it is stays known: to search a whole frame for it would hold up the frames behind.
        """
        left = list(self._announced.values())
        events = (
            []
            if self._last_frame is None
            else [Event(EventKind.FACE_LEFT, face, None, self._last_frame) for face in left]
        )
        self._announced = {}
        self._expressions = {}
        self._tracker.renumber()
        self._classifier = classifier
        return events

    def step(self, frame: Frame) -> StepResult:
        """Process one frame. Frames must come in the order of their `seconds`.

        A frame of another size than the last one begins a new stream: every track ends, with `face_left` as of the last
        frame, because boxes and what is known of the background are in pixels.
        """
        marks = [self._timer()]
        if self._classifier.wants_colour and frame.bgr is None:
            # The source was opened for a model that needed none. What has no colour was grey, as for `frame_from_bgr`.
            colour = frame.in_colour()
            grey = colour is None
            frame = replace(frame, bgr=np.asarray(cv2.cvtColor(frame.luma, cv2.COLOR_GRAY2BGR)) if grey else colour)
        last = self._last_frame
        ended = self.finish() if last is not None and last.luma.shape != frame.luma.shape else []
        predictions = self._tracker.predict(frame.seconds)
        found = self._detector.search(frame.luma, frame.seconds, predictions, self.level, frame.in_colour)
        # A face that sticks out of a mask may still be found.
        detections = found if frame.hidden is None else [one for one in found if not frame.hides(one.box)]
        marks.append(self._timer())
        tracks, lost = self._tracker.update(detections, frame.seconds)
        events = ended + self._announce_left(lost, frame)
        marks.append(self._timer())
        self._read_weak(frame)
        faces_classified = self._classify(tracks, frame)
        marks.append(self._timer())
        faces = []
        for track in tracks:
            if track.confirmed:
                face, event = self._update_face(track, frame)
                faces.append(face)
                events += [event] if event else []
        marks.append(self._timer())
        if self.look is not None:
            self.look.add(
                frame.seconds, [(each.track_id, self._read.get(each.id)) for each in tracks if each.confirmed]
            )
        self._retain(tracks)
        self._last_frame = frame
        spent = [1000 * (after - before) for before, after in pairwise(marks)]
        stage_ms = {"detect": spent[0], "classify": spent[2], "track": spent[1] + spent[3]}
        return StepResult(frame, tuple(faces), tuple(events), stage_ms, faces_classified)

    def search_limit(self, shape: tuple[int, ...]) -> str | None:
        """Return a sentence where smaller faces are asked for than can be found in frames of that shape, else None."""
        return self._detector.search_limit(shape)

    def finish(self) -> list[Event]:
        """End the stream: the source has ended, or gives no frames for now.

        Returns `face_left` for every announced face, as of the last frame.
        """
        if self._last_frame is None:
            return []
        events = self._announce_left(self._tracker.clear(), self._last_frame)
        self._retain([])
        self._detector.reset()
        return events

    def _classify(self, tracks: list[Track], frame: Frame) -> int:
        """Classify the faces that the scheduler selects, if they can be read; returns how many."""
        detected = [
            (track, track.detection)
            for track in tracks
            if track.detection is not None
            and obstacle_of_place(track.detection, frame.luma.shape, frame.hidden) is None
        ]
        limit = min(self._config.model.max_faces, self.level.max_faces or self._config.model.max_faces)
        candidates = [InferenceCandidate(track.id, face.box.width, self._is_urgent(track)) for track, face in detected]
        selected_ids = self._scheduler.select(candidates, frame.seconds, limit)
        selected = [
            (track, face) for track, face in detected if track.id in selected_ids and not is_blurred(frame.luma, face)
        ]
        boxes, rolls = [face.box for _, face in selected], [face.roll_degrees for _, face in selected]
        predictions = self._classifier.classify(frame, boxes, rolls)
        self._read = {track.id: reading for (track, _), reading in zip(selected, predictions, strict=True)}
        for track, _ in selected:
            reading = self._read[track.id]
            calm = reading if self.calm_face is None else self.calm_face.apply(reading)
            self._expression(track).add_prediction(calm, frame.seconds)
        return len(selected)

    def _read_weak(self, frame: Frame) -> None:
        """Read the largest face that was verified weakly: the network decides whether it may be announced."""
        track = self._tracker.track_to_read()
        if track is not None:
            clarity = self._classifier.clarity(frame, track.detected_box, track.roll_degrees)
            self._tracker.add_reading(track, clarity, frame.seconds)

    def _is_urgent(self, track: Track) -> bool:
        """Return whether a face is about to be announced, or a change of its label is pending."""
        if not track.confirmed:
            return False
        return track.track_id not in self._announced or self._expression(track).change_pending

    def _expression(self, track: Track) -> ExpressionFilter:
        if track.id not in self._expressions:
            manifest = self._classifier.manifest
            unknown_below = manifest.thresholds.unknown_below
            self._expressions[track.id] = ExpressionFilter(manifest.labels, self._config.events, unknown_below)
        return self._expressions[track.id]

    def _update_face(self, track: Track, frame: Frame) -> tuple[TrackedFace, Event | None]:
        expression = self._expression(track)
        appeared = track.track_id not in self._announced
        previous = None
        if appeared:
            expression.initialise()
        else:
            previous = expression.update()
        face = TrackedFace(
            track.track_id,
            # Between two detections beside a mask, the smoothed box may lie in it.
            track.detected_box if frame.hides(track.box) else track.box,
            expression.label,
            expression.confidence,
            expression.probabilities,
            expression.prediction,
            expression.leader,
            track.roll_degrees,
        )
        self._announced[track.track_id] = face
        if appeared:
            return face, Event(EventKind.FACE_APPEARED, face, None, frame)
        if previous is not None:
            return face, Event(EventKind.EMOTION_CHANGED, face, previous, frame)
        return face, None

    def _announce_left(self, lost: list[Track], frame: Frame) -> list[Event]:
        # A face that is lost before the first frame after `use` has left already, and never appeared anew.
        left = [self._announced.pop(track.track_id) for track in lost if track.track_id in self._announced]
        return [Event(EventKind.FACE_LEFT, face, None, frame) for face in left]

    def _retain(self, tracks: list[Track]) -> None:
        """Forget the state of all tracks but these."""
        ids = {track.id for track in tracks}
        if self._expressions.keys() - ids:
            self._expressions = {key: value for key, value in self._expressions.items() if key in ids}
        self._scheduler.retain(ids)
