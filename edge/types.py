"""What the stages hand to each other. Plain data: no behaviour beyond geometry, no clock, no I/O."""

import enum
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

UNKNOWN = "unknown"
"""Stands for a label wherever confidence is below the threshold."""

SourceState = Literal["opening", "ok", "paused", "stalled", "lost", "ended"]
"""State of a source: `stalled` and `lost` last until the next opening gives a frame."""

Luma = NDArray[np.uint8]
"""Grey picture, uint8 (height, width)."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture with its times.

    `number` counts the frames that the source gave, from 0, over reopenings too. `seconds` is the
    time in the source since its first frame, and the only clock of the line after capture: a file's
    own time stamps, or the time since start for a camera; it never goes backwards.
    `captured_monotonic` (`time.monotonic()`) and `captured_unix` (`time.time()`) say when this
    process got the frame: the first for `latency_ms`, the second for the events' `time`.
    `bgr` is uint8 (height, width, 3) only where somebody asked for colour.
    """

    number: int
    seconds: float
    luma: Luma
    captured_monotonic: float
    captured_unix: float
    bgr: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the full frame; `x`, `y` is the top left corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def centre(self) -> tuple[float, float]:
        """Centre (x, y) in pixels."""
        return self.x + self.width / 2, self.y + self.height / 2

    def iou(self, other: "Box") -> float:
        """Intersection over union, 0 to 1."""
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        if width <= 0 or height <= 0:
            return 0.0
        shared = width * height
        return shared / (self.width * self.height + other.width * other.height - shared)

    def holds(self, point: tuple[float, float]) -> bool:
        """Tell whether a point (x, y) lies in it."""
        return self.x <= point[0] <= self.x + self.width and self.y <= point[1] <= self.y + self.height

    def may_be(self, other: "Box") -> bool:
        """Tell whether the centre of either box lies in the other: mostly the same face, at another size."""
        return self.holds(other.centre) or other.holds(self.centre)

    def scaled(self, factor: float) -> "Box":
        """Multiply every coordinate, as for a frame that was resized."""
        return Box(self.x * factor, self.y * factor, self.width * factor, self.height * factor)


@dataclass(frozen=True, slots=True)
class Detection:
    """What the cascade found.

    `hits`: overlapping windows that the search merged into it. `agreed`: the second cascade sees a
    face there too; None where it was not asked. Only agreed detections begin a track; any may continue
    one, because a face that is known to be there turns and blurs, and a phantom is one from its first
    frame. `serial`: the track that it was searched for, 0 where it was not.
    """

    box: Box
    hits: int
    verified: bool | None
    serial: int = 0


@dataclass(frozen=True, slots=True)
class TrackPrediction:
    """A track as the search needs it.

    `box`: where the face is expected in this frame. `latest`: where it was found last. `speed`: sides of
    the face that it is expected to have moved since. `missed`: frames since, 0 where it was found in the
    last one; `new`: sighted only once. `confirmed`: announced. `asked_seconds`: when the second cascade
    was last asked about it; `doubted`: that answer was no.
    """

    serial: int
    box: Box
    latest: Box
    speed: float
    missed: int
    new: bool
    confirmed: bool
    asked_seconds: float
    doubted: bool


@dataclass(frozen=True, slots=True)
class TrackedFace:
    """A confirmed face as it is now, smoothed over time.

    `probabilities` float32 (labels,), calibrated and smoothed; `label`: what is announced;
    `confidence`: smoothed probability of `label`, or of the best label where it is `unknown`. `prediction`:
    float32 (labels,), the network's last word on it, calibrated and not smoothed; None where it has none.
    """

    track_id: int
    box: Box
    label: str
    confidence: float
    probabilities: NDArray[np.float32]
    prediction: NDArray[np.float32] | None = None


class EventKind(enum.StrEnum):
    """What can be said about a face."""

    FACE_APPEARED = "face_appeared"
    EMOTION_CHANGED = "emotion_changed"
    FACE_LEFT = "face_left"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a face, before it has a number or an address.

    `previous` is the label announced before (None where there was none). `frame` is the frame on
    which it was decided.
    """

    kind: EventKind
    face: TrackedFace
    previous: str | None
    frame: Frame


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one frame led to.

    `stage_ms`: time spent, by stage name ("detect", "classify", "track"). `readings`: faces that the network read.
    """

    frame: Frame
    faces: tuple[TrackedFace, ...]
    events: tuple[Event, ...]
    stage_ms: dict[str, float] = field(default_factory=dict)
    predictions: int = 0
