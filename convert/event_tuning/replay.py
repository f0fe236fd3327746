"""Holds recorded tracks with their predictions, and replays the event rules on them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from convert.event_tuning.ground_truth import Announcement, TrueExpression, index_at
from edge.config.schema import EventsConfig
from edge.vision.classification.scheduler import InferenceCandidate, InferenceScheduler
from edge.vision.expression import ExpressionFilter


@dataclass(frozen=True)
class RecordedFace:
    """A tracked face in one frame.

    `id`: `Track.id`. `confirmed`: whether it may be announced. `x`: of its centre, pixels. `prediction`: probabilities
    (labels,), None where it was not detected. `readable`: whether the pipeline would read it.
    """

    id: int
    confirmed: bool
    x: float
    prediction: NDArray[np.float32] | None
    readable: bool


@dataclass(frozen=True)
class RecordedFrame:
    """One frame: its time, and the tracked faces."""

    seconds: float
    faces: tuple[RecordedFace, ...]


@dataclass(frozen=True)
class RecordedTrack:
    """One track with its predictions and its ground truth.

    `truth`: never empty. `seconds`: (n,), times of the frames. `predictions`: float32 (n, labels), without
    meaning where `classified` (n,) is False. `appearance`: index of the frame in which the face appears. `readable`:
    (n,), whether the pipeline reads the face, as `edge.vision.classification.readability` decides; None: always.
    """

    name: str
    truth: tuple[TrueExpression, ...]
    seconds: NDArray[np.float64]
    predictions: NDArray[np.float32]
    classified: NDArray[np.bool_]
    appearance: int
    readable: NDArray[np.bool_] | None = None

    @property
    def read(self) -> NDArray[np.bool_]:
        """Whether each frame (n,) counts: the face was classified in it, and could be read."""
        return self.classified if self.readable is None else self.classified & self.readable

    @property
    def end_seconds(self) -> float:
        """Time of the last classified frame."""
        return float(self.seconds[np.flatnonzero(self.classified)[-1]])


def record_tracks(
    name: str,
    frames: Iterable[RecordedFrame],
    truth_at: Callable[[float], tuple[TrueExpression, ...]],
    labels: int,
) -> list[RecordedTrack]:
    """Collect the tracks of a sequence.

    `truth_at`: returns the ground truth of the face whose centre has that x, pixels. Tracks that were never
    confirmed are left out.
    """
    rows: dict[int, list[tuple[float, RecordedFace]]] = {}
    for frame in frames:
        for face in frame.faces:
            rows.setdefault(face.id, []).append((frame.seconds, face))
    empty = np.zeros(labels, dtype=np.float32)
    return [
        RecordedTrack(
            name,
            truth_at(steps[-1][1].x),
            np.array([seconds for seconds, _ in steps]),
            np.array([empty if face.prediction is None else face.prediction for _, face in steps]),
            np.array([face.prediction is not None for _, face in steps]),
            [face.confirmed for _, face in steps].index(True),
            np.array([face.readable for _, face in steps]),
        )
        for steps in rows.values()
        if steps[-1][1].confirmed
    ]


def replay(
    track: RecordedTrack, labels: Sequence[str], config: EventsConfig, unknown_below: float
) -> list[Announcement]:
    """Return the announcements of a track: the label at the appearance, then the changes.

    Frames that were not classified change nothing, nor do those in which the face could not be read.
    """
    steps = _steps(track, ExpressionFilter(labels, config, unknown_below))
    return [(step.seconds, step.label) for step in steps if step.announced]


def every_reading(tracks: Sequence[RecordedTrack]) -> list[RecordedTrack]:
    """Return the tracks as they would be if each face counted as readable in each frame."""
    return [replace(track, readable=None) for track in tracks]


def scheduled(track: RecordedTrack, labels: Sequence[str], config: EventsConfig, unknown_below: float) -> RecordedTrack:
    """Return the track with only those predictions that the device makes for a face that is alone."""
    expression, scheduler = ExpressionFilter(labels, config, unknown_below), InferenceScheduler(config.dwell_seconds)

    def is_classified(row: int, seconds: float) -> bool:
        urgent = row == track.appearance or (row > track.appearance and expression.change_pending)
        return bool(scheduler.select([InferenceCandidate(1, 1.0, urgent)], seconds, 1))

    classified = np.zeros_like(track.classified)
    classified[[step.row for step in _steps(track, expression, is_classified)]] = True
    return replace(track, classified=classified & track.classified)


@dataclass(frozen=True)
class _Step:
    """A frame that was read or announced, the label since then, and whether that label was announced then."""

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
    read = track.read
    for row in range(len(read)):
        seconds, announced = float(track.seconds[row]), row == track.appearance
        if read[row] and is_classified(row, seconds):
            expression.add_prediction(track.predictions[row], seconds)
        elif not announced:
            continue
        if announced:
            expression.initialise()
        elif row > track.appearance:
            announced = expression.update() is not None
        yield _Step(row, seconds, expression.label, announced)


def smoothed(track: RecordedTrack, labels: Sequence[str], smoothing_seconds: float) -> RecordedTrack:
    """Return the track with smoothed predictions: a replay without smoothing then gives the same events."""
    expression = ExpressionFilter(labels, EventsConfig(smoothing_seconds=smoothing_seconds), 0.0)
    predictions = track.predictions.copy()
    for row in np.flatnonzero(track.read):
        expression.add_prediction(track.predictions[row], float(track.seconds[row]))
        predictions[row] = expression.probabilities
    return replace(track, predictions=predictions)


def prediction_accuracy(tracks: Sequence[RecordedTrack], labels: Sequence[str]) -> float:
    """Return the share of single predictions whose most probable label is the true one."""
    correct: list[bool] = []
    for track in tracks:
        for row in np.flatnonzero(track.read):
            true = track.truth[index_at(track.truth, float(track.seconds[row]))].emotion
            correct.append(labels[int(track.predictions[row].argmax())] == true)
    return float(np.mean(correct))
