"""The line after capture: one frame in, faces and events out. No I/O, and no clock but the frames'."""

import time
from collections.abc import Callable
from itertools import pairwise

from edge.config.schema import Config
from edge.levels import LADDER, Level
from edge.types import Event, EventKind, Frame, StepResult, TrackedFace
from edge.vision.classification.classifier import Classifier
from edge.vision.classification.scheduler import InferenceCandidate, InferenceScheduler
from edge.vision.detection.detector import Detector
from edge.vision.expression import ExpressionFilter
from edge.vision.tracker import Track, Tracker


class Pipeline:
    """Detector, classifier, tracker and event rules for one stream of frames.

    The same frames, configuration and levels give the same events, whatever the machine's speed. `level` may
    be set between two frames.
    """

    def __init__(
        self,
        config: Config,
        detector: Detector,
        classifier: Classifier,
        *,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`timer`, in seconds, measures the stages; nothing is decided by it."""
        self._config = config
        self._detector = detector
        self._classifier = classifier
        self._tracker = Tracker(config.tracker)
        self._expressions: dict[int, ExpressionFilter] = {}
        self._announced: dict[int, TrackedFace] = {}
        self._turns = InferenceScheduler(config.events.dwell_seconds)
        self.level: Level = LADDER[0]
        self._timer = timer
        self._last_frame: Frame | None = None

    def configure(self, config: Config, detector: Detector | None = None) -> None:
        """Go on by another configuration, between two frames; with another detector where one is given.

        Who is in view stays in view: tracks, and what is known of each face, are kept.
        """
        self._config = config
        self._detector = detector or self._detector
        self._tracker.configure(config.tracker)
        self._turns.dwell_seconds = config.events.dwell_seconds
        for expression in self._expressions.values():
            expression.configure(config.events)

    def step(self, frame: Frame) -> StepResult:
        """Process one frame. Frames must come in the order of their `seconds`."""
        marks = [self._timer()]
        followed = self._tracker.followed(frame.seconds)
        detections = self._detector.search(frame.luma, frame.seconds, followed, self.level)
        marks.append(self._timer())
        tracks, lost = self._tracker.update(detections, frame.seconds)
        events = self._leave(lost, frame)
        marks.append(self._timer())
        predictions = self._read(tracks, frame)
        marks.append(self._timer())
        faces = []
        for track in tracks:
            if track.confirmed:
                face, event = self._decide(track, frame)
                faces.append(face)
                events += [event] if event else []
        marks.append(self._timer())
        self._forget(tracks)
        self._last_frame = frame
        spent = [1000 * (after - before) for before, after in pairwise(marks)]
        stage_ms = {"detect": spent[0], "classify": spent[2], "track": spent[1] + spent[3]}
        return StepResult(frame, tuple(faces), tuple(events), stage_ms, predictions)

    def finish(self) -> list[Event]:
        """Let every face leave, as of the last frame: the source has ended, or gives no more frames."""
        if self._last_frame is None:
            return []
        events = self._leave(self._tracker.clear(), self._last_frame)
        self._forget([])
        self._detector.restart()
        return events

    def _read(self, tracks: list[Track], frame: Frame) -> int:
        """Run the network on those faces of this frame whose turn it is; returns how many."""
        seen = [(track, track.seen.box) for track in tracks if track.seen is not None]
        most = min(self._config.model.max_faces, self.level.max_faces or self._config.model.max_faces)
        faces = [InferenceCandidate(track.serial, box.width, self._is_urgent(track)) for track, box in seen]
        chosen = self._turns.choose(faces, frame.seconds, most)
        read = [(track, box) for track, box in seen if track.serial in chosen]
        predictions = self._classifier.classify(frame, [box for _, box in read])
        for (track, _), probabilities in zip(read, predictions, strict=True):
            self._expression(track).read(probabilities, frame.seconds)
        return len(read)

    def _is_urgent(self, track: Track) -> bool:
        """Tell whether a face is about to be announced, or may have changed."""
        if not track.confirmed:
            return False
        return track.number not in self._announced or self._expression(track).in_doubt

    def _expression(self, track: Track) -> ExpressionFilter:
        if track.serial not in self._expressions:
            manifest = self._classifier.manifest
            unknown_below = manifest.thresholds.unknown_below
            self._expressions[track.serial] = ExpressionFilter(manifest.labels, self._config.events, unknown_below)
        return self._expressions[track.serial]

    def _decide(self, track: Track, frame: Frame) -> tuple[TrackedFace, Event | None]:
        expression = self._expression(track)
        appeared = track.number not in self._announced
        previous = None
        if appeared:
            expression.settle()
        else:
            previous = expression.decide()
        face = TrackedFace(
            track.number,
            track.box,
            expression.label,
            expression.confidence,
            expression.probabilities,
            expression.reading,
        )
        self._announced[track.number] = face
        if appeared:
            return face, Event(EventKind.FACE_APPEARED, face, None, frame)
        if previous is not None:
            return face, Event(EventKind.EMOTION_CHANGED, face, previous, frame)
        return face, None

    def _leave(self, lost: list[Track], frame: Frame) -> list[Event]:
        return [Event(EventKind.FACE_LEFT, self._announced.pop(track.number), None, frame) for track in lost]

    def _forget(self, tracks: list[Track]) -> None:
        alive = {track.serial for track in tracks}
        if self._expressions.keys() - alive:
            self._expressions = {key: value for key, value in self._expressions.items() if key in alive}
        self._turns.forget(alive)
