"""A face as the line saw it, up to the readings, and what the event rules make of these."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from convert.event_tuning.ground_truth import Announcement, Shown, index_at
from edge.config import EventsConfig, TrackerConfig
from edge.events import Expression
from edge.records import Detection
from edge.tracker import Tracker
from edge.turns import Readable, Turns

MakeExpression = Callable[[Sequence[str], EventsConfig, float], Expression]


@dataclass(frozen=True)
class Seen:
    """One frame: its time, the faces found, and the probabilities (labels,) read from each."""

    seconds: float
    detections: tuple[Detection, ...]
    readings: tuple[NDArray[np.float32], ...]


@dataclass(frozen=True)
class Followed:
    """One track and the truth about it.

    `seconds` (n,): frame times; `readings` float32 (n, labels): rows without meaning where `read` (n,) is
    False; `announced`: the row at which the face appears. `truth` is never empty.
    """

    name: str
    truth: tuple[Shown, ...]
    seconds: NDArray[np.float64]
    readings: NDArray[np.float32]
    read: NDArray[np.bool_]
    announced: int

    @property
    def end_seconds(self) -> float:
        """When it was last read."""
        return float(self.seconds[np.flatnonzero(self.read)[-1]])


def follow(
    name: str, frames: Sequence[Seen], truth_at: Callable[[float], tuple[Shown, ...]], labels: int
) -> list[Followed]:
    """Track the faces of a sequence as the pipeline does, with the default settings.

    `truth_at` gives the truth for a face whose centre is at that x, pixels. Tracks that were never
    confirmed are left out.
    """
    tracker = Tracker(TrackerConfig())
    rows: dict[int, list[tuple[float, NDArray[np.float32] | None, bool]]] = {}
    truths: dict[int, tuple[Shown, ...]] = {}
    for frame in frames:
        tracks, _ = tracker.update(frame.detections, frame.seconds)
        for track in tracks:
            reading = None
            if track.seen is not None:
                reading = frame.readings[[one is track.seen for one in frame.detections].index(True)]
            rows.setdefault(track.serial, []).append((frame.seconds, reading, track.confirmed))
            truths[track.serial] = truth_at(track.box.centre[0])
    empty = np.zeros(labels, dtype=np.float32)
    return [
        Followed(
            name,
            truths[serial],
            np.array([seconds for seconds, _, _ in steps]),
            np.array([empty if reading is None else reading for _, reading, _ in steps]),
            np.array([reading is not None for _, reading, _ in steps]),
            [confirmed for _, _, confirmed in steps].index(True),
        )
        for serial, steps in rows.items()
        if steps[-1][2]
    ]


def replay(
    face: Followed,
    labels: Sequence[str],
    config: EventsConfig,
    unknown_below: float,
    make: MakeExpression = Expression,
) -> list[Announcement]:
    """Return what would be announced: the label at the appearance, then the changes.

    Frames in which the face was not read decide nothing.
    """
    steps = _steps(face, make(labels, config, unknown_below))
    return [(step.seconds, step.label) for step in steps if step.told]


def in_turns(face: Followed, labels: Sequence[str], config: EventsConfig, unknown_below: float) -> Followed:
    """Return the face with only those readings that the device makes of it where it is alone."""
    expression, turns = Expression(labels, config, unknown_below), Turns(config.dwell_seconds)

    def has_turn(row: int, seconds: float) -> bool:
        urgent = row == face.announced or (row > face.announced and expression.in_doubt)
        return bool(turns.choose([Readable(1, 1.0, urgent)], seconds, 1))

    read = np.zeros_like(face.read)
    read[[step.row for step in _steps(face, expression, has_turn)]] = True
    return replace(face, read=read)


@dataclass(frozen=True)
class _Step:
    """A frame in which the face was read, what it is taken for since, and whether that was told then."""

    row: int
    seconds: float
    label: str
    told: bool


def _steps(
    face: Followed, expression: Expression, has_turn: Callable[[int, float], bool] = lambda _row, _seconds: True
) -> Iterator[_Step]:
    """Feed the rules as the pipeline does; `has_turn`: whether a row, of that time, is read at all."""
    for row in np.flatnonzero(face.read).tolist():
        seconds = float(face.seconds[row])
        if not has_turn(row, seconds):
            continue
        expression.read(face.readings[row], seconds)
        told = row == face.announced
        if told:
            expression.settle()
        elif row > face.announced:
            told = expression.decide() is not None
        yield _Step(row, seconds, expression.label, told)


def smoothed(
    face: Followed, labels: Sequence[str], smoothing_seconds: float, make: MakeExpression = Expression
) -> Followed:
    """Return the face with its readings smoothed already: a replay without smoothing then gives the same."""
    expression = make(labels, EventsConfig(smoothing_seconds=smoothing_seconds), 0.0)
    readings = face.readings.copy()
    for row in np.flatnonzero(face.read):
        expression.read(face.readings[row], float(face.seconds[row]))
        readings[row] = expression.probabilities
    return Followed(face.name, face.truth, face.seconds, readings, face.read, face.announced)


def read_right(faces: Sequence[Followed], labels: Sequence[str]) -> float:
    """Share of single readings whose most probable label is what is shown."""
    right: list[bool] = []
    for face in faces:
        for row in np.flatnonzero(face.read):
            shown = face.truth[index_at(face.truth, float(face.seconds[row]))].emotion
            right.append(labels[int(face.readings[row].argmax())] == shown)
    return float(np.mean(right))
