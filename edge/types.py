"""Defines the records that pass between the packages: frames, boxes, detections, faces, events.

Plain data: no behaviour beyond geometry and counters, no clock, no input or output.
"""

import enum
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

UNKNOWN = "unknown"
"""Label of a face whose best probability is below the threshold."""

SourceState = Literal["opening", "ok", "paused", "stalled", "lost", "ended"]
"""State of a source. `stalled` and `lost` last until the reopened source gives a frame."""

Luma = NDArray[np.uint8]
"""Grey picture, uint8 (height, width)."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture with its times.

    `number`: counts the frames of the source from 0, across reopenings.
    `seconds`: time in the source since its first frame: the time stamps of a file, or the time since the
    start for a camera. It never goes backwards, and it is the only clock of the pipeline.
    `luma`: uint8 (height, width).
    `captured_monotonic`: `time.monotonic()` when this process received the frame, for `latency_ms`.
    `captured_unix`: `time.time()` at the same moment, for the `time` of events.
    `bgr`: uint8 (height, width, 3), or None where the source was opened without colour.
    `decode_colour`: decodes the same picture in colour when it is called, for what wants colour in few frames; returns
    None where it cannot be decoded. None where the source has no colour.
    `hidden`: bool (height, width), true where a mask has made the picture black; None without masks.
    """

    number: int
    seconds: float
    luma: Luma
    captured_monotonic: float
    captured_unix: float
    bgr: NDArray[np.uint8] | None = None
    decode_colour: Callable[[], NDArray[np.uint8] | None] | None = field(default=None, repr=False, compare=False)
    hidden: NDArray[np.bool_] | None = field(default=None, repr=False, compare=False)

    def hides(self, box: "Box") -> bool:
        """Return whether the centre of a box lies in a mask."""
        if self.hidden is None:
            return False
        x, y = box.centre
        height, width = self.hidden.shape
        return bool(self.hidden[min(max(int(y), 0), height - 1), min(max(int(x), 0), width - 1)])

    def in_colour(self) -> NDArray[np.uint8] | None:
        """Return the picture in colour, uint8 (height, width, 3) BGR; None where the source has none.

        Where `bgr` is None, each call decodes anew.
        """
        if self.bgr is not None or self.decode_colour is None:
            return self.bgr
        return self.decode_colour()


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the full frame. `x`, `y`: its top left corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def centre(self) -> tuple[float, float]:
        """Centre (x, y) in pixels."""
        return self.x + self.width / 2, self.y + self.height / 2

    def iou(self, other: "Box") -> float:
        """Return the intersection over union, 0 to 1."""
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        if width <= 0 or height <= 0:
            return 0.0
        shared = width * height
        return shared / (self.width * self.height + other.width * other.height - shared)

    def contains(self, point: tuple[float, float]) -> bool:
        """Return whether a point (x, y) lies inside or on the border."""
        return self.x <= point[0] <= self.x + self.width and self.y <= point[1] <= self.y + self.height

    def may_match(self, other: "Box") -> bool:
        """Return whether the centre of either box lies in the other: usually one face, found at two sizes."""
        return self.contains(other.centre) or other.contains(self.centre)

    def scaled(self, factor: float) -> "Box":
        """Return the box for a frame that was resized by a factor."""
        return Box(self.x * factor, self.y * factor, self.width * factor, self.height * factor)


@dataclass(frozen=True, slots=True)
class Detection:
    """A face found by the search cascade.

    `neighbours`: overlapping windows of the cascade that were merged into the box. `verified`: whether
    the second cascade found a face there too; None where verification was not run. Only verified
    detections start a track. Any detection may continue one, because a tracked face turns and blurs,
    while a phantom (a false positive that stays in one place) is one from its first frame.
    `searched_id`: `Track.id` of the track that was searched for, 0 for a search of the frame.
    `roll_degrees`: roll of the face, as `edge.vision.turned` defines it; 0 where it is about upright. `weak`: verified,
    but in few windows of the cascade: phantoms sometimes reach as many. `turn`: how far the face is turned to its left
    or right, from 0 (frontal) to 1 (profile); None without landmarks.
    """

    box: Box
    neighbours: int
    verified: bool | None
    searched_id: int = 0
    roll_degrees: float = 0.0
    weak: bool = False
    turn: float | None = None


@dataclass(slots=True)
class Verification:
    """Results of the second cascade for one track.

    `attempts`, `passes`: how often verification was run, and how often it passed; `strong_passes`: how often clearly.
    `last_seconds`,
    `last_pass_seconds`: frame times of the last attempt and of the last pass, -inf before the first.
    `failures`: attempts that failed since the last pass.
    """

    attempts: int = 0
    passes: int = 0
    strong_passes: int = 0
    failures: int = 0
    last_seconds: float = -math.inf
    last_pass_seconds: float = -math.inf

    def record(self, *, passed: bool, seconds: float, weak: bool = False) -> None:
        """Add the result of an attempt on the frame of that time; `weak`: as in `Detection`."""
        self.attempts += 1
        self.last_seconds = seconds
        self.failures = 0 if passed else self.failures + 1
        if passed:
            self.passes += 1
            self.strong_passes += not weak
            self.last_pass_seconds = seconds

    @property
    def last_failed(self) -> bool:
        """Whether the last attempt failed; False before the first."""
        return self.last_seconds > self.last_pass_seconds


@dataclass(frozen=True, slots=True)
class TrackPrediction:
    """A track as the detector needs it for the next frame.

    `id`: `Track.id`. `box`: predicted for this frame. `speed`: predicted movement since the last
    detection, in sides of the face. `misses`: frames since the last detection, 0 where the last frame
    had one. `new`: detected only once. `confirmed`: announced. `verification`: the track's own record,
    not a copy. `roll_degrees`: roll of the last detection.
    """

    id: int
    box: Box
    speed: float
    misses: int
    new: bool
    confirmed: bool
    verification: Verification
    roll_degrees: float = 0.0


@dataclass(frozen=True, slots=True)
class TrackedFace:
    """A confirmed face in the current frame, smoothed over time.

    `track_id`: number under which the face is published, from 1.
    `label`: the announced label, which is held while another one leads for less than the dwell or the
    margin. `confidence`: probability of `label` when it last led; for `unknown` the highest probability
    when that was last below the threshold. `probabilities`: float32 (labels,), of the last reading,
    calibrated and smoothed.
    `prediction`: float32 (labels,), the last output of the network for this face, calibrated but not
    smoothed; None where there is none.
    `leader`: the label with the highest of `probabilities`; None before the first reading.
    `roll_degrees`: roll of the face, clockwise in the picture.
    """

    track_id: int
    box: Box
    label: str
    confidence: float
    probabilities: NDArray[np.float32]
    prediction: NDArray[np.float32] | None = None
    leader: str | None = None
    roll_degrees: float = 0.0

    @property
    def leader_confidence(self) -> float | None:
        """Probability of the leader, the highest of `probabilities`; None without a leader."""
        return None if self.leader is None else float(self.probabilities.max())


class EventKind(enum.StrEnum):
    """Kinds of events about a face."""

    FACE_APPEARED = "face_appeared"
    EMOTION_CHANGED = "emotion_changed"
    FACE_LEFT = "face_left"


@dataclass(frozen=True, slots=True)
class Event:
    """A change of a face, before it gets an identifier and a topic.

    `previous`: the label announced before, None where there was none. `frame`: the frame on which the
    event was decided.
    """

    kind: EventKind
    face: TrackedFace
    previous: str | None
    frame: Frame


@dataclass(frozen=True, slots=True)
class StepResult:
    """Result of the pipeline for one frame.

    `stage_ms`: time spent by stage ("detect", "classify", "track"), milliseconds. `faces_classified`: faces
    on which the network ran.
    """

    frame: Frame
    faces: tuple[TrackedFace, ...]
    events: tuple[Event, ...]
    stage_ms: dict[str, float] = field(default_factory=dict)
    faces_classified: int = 0
