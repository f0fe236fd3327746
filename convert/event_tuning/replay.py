"""Records tracks with their predictions, and replays the event rules on them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from convert.event_tuning.ground_truth import Announcement, TrueExpression, index_at
from edge.config.schema import EventsConfig, TrackerConfig
from edge.types import Detection
from edge.vision.classification.scheduler import InferenceCandidate, InferenceScheduler
from edge.vision.expression import ExpressionFilter
from edge.vision.tracker import Tracker


@dataclass(frozen=True)
class RecordedFrame:
    """One frame: its time, the detections, and the probabilities (labels,) predicted for each."""

    seconds: float
    detections: tuple[Detection, ...]
    predictions: tuple[NDArray[np.float32], ...]


@dataclass(frozen=True)
class RecordedTrack:
    """One track with its predictions and its ground truth.

    `truth`: never empty. `seconds`: (n,), times of the frames. `predictions`: float32 (n, labels), without
    meaning where `classified` (n,) is False. `appearance`: index of the frame in which the face appears.
    """

    name: str
    truth: tuple[TrueExpression, ...]
    seconds: NDArray[np.float64]
    predictions: NDArray[np.float32]
    classified: NDArray[np.bool_]
    appearance: int

    @property
    def end_seconds(self) -> float:
        """Time of the last classified frame."""
        return float(self.seconds[np.flatnonzero(self.classified)[-1]])


def record_tracks(
    name: str,
    frames: Sequence[RecordedFrame],
    truth_at: Callable[[float], tuple[TrueExpression, ...]],
    labels: int,
) -> list[RecordedTrack]:
    """Track the faces of a sequence as the pipeline does, with the default settings.

    `truth_at`: returns the ground truth of the face whose centre has that x, pixels. Tracks that were never
    confirmed are left out.
    """
    tracker = Tracker(TrackerConfig())
    rows: dict[int, list[tuple[float, NDArray[np.float32] | None, bool]]] = {}
    truths: dict[int, tuple[TrueExpression, ...]] = {}
    for frame in frames:
        tracks, _ = tracker.update(frame.detections, frame.seconds)
        for track in tracks:
            prediction = None
            if track.detection is not None:
                index = [each is track.detection for each in frame.detections].index(True)
                prediction = frame.predictions[index]
            rows.setdefault(track.id, []).append((frame.seconds, prediction, track.confirmed))
            truths[track.id] = truth_at(track.box.centre[0])
    empty = np.zeros(labels, dtype=np.float32)
    return [
        RecordedTrack(
            name,
            truths[track_id],
            np.array([seconds for seconds, _, _ in steps]),
            np.array([empty if prediction is None else prediction for _, prediction, _ in steps]),
            np.array([prediction is not None for _, prediction, _ in steps]),
            [confirmed for _, _, confirmed in steps].index(True),
        )
        for track_id, steps in rows.items()
        if steps[-1][2]
    ]


def replay(
    track: RecordedTrack, labels: Sequence[str], config: EventsConfig, unknown_below: float
) -> list[Announcement]:
    """Return the announcements of a track: the label at the appearance, then the changes.

    Frames that were not classified change nothing.
    """
    steps = _steps(track, ExpressionFilter(labels, config, unknown_below))
    return [(step.seconds, step.label) for step in steps if step.announced]


def scheduled(track: RecordedTrack, labels: Sequence[str], config: EventsConfig, unknown_below: float) -> RecordedTrack:
    """Return the track with only those predictions that the device makes for a face that is alone."""
    expression, scheduler = ExpressionFilter(labels, config, unknown_below), InferenceScheduler(config.dwell_seconds)

    def is_classified(row: int, seconds: float) -> bool:
        urgent = row == track.appearance or (row > track.appearance and expression.change_pending)
        return bool(scheduler.select([InferenceCandidate(1, 1.0, urgent)], seconds, 1))

    classified = np.zeros_like(track.classified)
    classified[[step.row for step in _steps(track, expression, is_classified)]] = True
    return replace(track, classified=classified)


@dataclass(frozen=True)
class _Step:
    """A classified frame, the label since then, and whether that label was announced then."""

    row: int
    seconds: float
    label: str
    announced: bool


def _steps(
    track: RecordedTrack,
    expression: ExpressionFilter,
    is_classified: Callable[[int, float], bool] = lambda _row, _seconds: True,
) -> Iterator[_Step]:
    """Apply the event rules as the pipeline does; `is_classified`: whether a row, at its time, is classified."""
    for row in np.flatnonzero(track.classified).tolist():
        seconds = float(track.seconds[row])
        if not is_classified(row, seconds):
            continue
        expression.add_prediction(track.predictions[row], seconds)
        announced = row == track.appearance
        if announced:
            expression.initialise()
        elif row > track.appearance:
            announced = expression.update() is not None
        yield _Step(row, seconds, expression.label, announced)


def smoothed(track: RecordedTrack, labels: Sequence[str], smoothing_seconds: float) -> RecordedTrack:
    """Return the track with smoothed predictions: a replay without smoothing then gives the same events."""
    expression = ExpressionFilter(labels, EventsConfig(smoothing_seconds=smoothing_seconds), 0.0)
    predictions = track.predictions.copy()
    for row in np.flatnonzero(track.classified):
        expression.add_prediction(track.predictions[row], float(track.seconds[row]))
        predictions[row] = expression.probabilities
    return replace(track, predictions=predictions)


def prediction_accuracy(tracks: Sequence[RecordedTrack], labels: Sequence[str]) -> float:
    """Return the share of single predictions whose most probable label is the true one."""
    correct: list[bool] = []
    for track in tracks:
        for row in np.flatnonzero(track.classified):
            true = track.truth[index_at(track.truth, float(track.seconds[row]))].emotion
            correct.append(labels[int(track.predictions[row].argmax())] == true)
    return float(np.mean(correct))
