"""A benchmark's results as data: what `--json` writes and `--compare` reads."""

from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from edge.errors import ConfigError

SCHEMA_VERSION: Final = 1
KIND: Final = "emotion-edge bench"

Amount = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=0)]


class _Data(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Written and read strictly: a file of another version says so instead of being half understood."""


class Spread(_Data, frozen=True, kw_only=True):
    """Milliseconds of each of `frames` frames: their percentiles and the most. Without the first of each block."""

    frames: Count
    p50_ms: Amount
    p95_ms: Amount
    p99_ms: Amount
    max_ms: Amount


class Cost(_Data, frozen=True, kw_only=True):
    """Mean processor time per frame of the whole process, all its threads, in milliseconds.

    `capture`: reading a frame, the same for all. The others are what is done with that frame: `line`,
    the sensor's own; `plain`, the loop that everybody writes first; `floor`, one run of the network.
    """

    capture: Amount
    line: Amount
    plain: Amount
    floor: Amount

    @property
    def work_ratio(self) -> float:
        """The line's work as a share of the plain loop's."""
        return self.line / max(self.plain, 1e-9)

    @property
    def whole_ratio(self) -> float:
        """The same with reading the frame in both."""
        return (self.capture + self.line) / max(self.capture + self.plain, 1e-9)

    @property
    def floor_ratio(self) -> float:
        """The line with reading the frame, as a multiple of reading it and one run of the network."""
        return (self.capture + self.line) / max(self.capture + self.floor, 1e-9)


class Run(_Data, frozen=True, kw_only=True):
    """One source, played with a number of threads.

    `stages`: by name; a stage is counted on the frames that gave it work (`classify`: a face in view,
    `publish`: something to say). `end_to_end`: from the frame in hand to its events handed over, and
    `end_to_end_cpu` the processor time of that. All other spreads are wall-clock.
    `fps`: frames a second of capture and line on one thread; of a camera at most its own rate.
    """

    threads: Annotated[int, Meta(ge=1, description="Of OpenCV's pool, and of the interpreter's.")]
    frames: Count
    frames_with_face: Count
    faces_per_frame: Amount
    plain_faces_per_frame: Amount
    capture: Spread
    stages: dict[str, Spread]
    end_to_end: Spread
    end_to_end_cpu: Spread
    plain: Spread
    floor: Spread
    fps: Amount
    cpu_ms: Cost


class Program(_Data, frozen=True, kw_only=True):
    """The real command `emotion-edge run` in processes of its own.

    Seconds from its start until it watches, and until its first event (null: none came within
    `patience_seconds`); then one run over `frames` frames as quickly as it can: processor time per
    frame without what the start costs, and the most memory that was resident.
    """

    ready_seconds: list[Amount]
    first_event_seconds: list[Amount | None]
    patience_seconds: Amount
    frames: Count
    cpu_ms_per_frame: Amount
    peak_resident_mb: Amount | None


class Facts(_Data, frozen=True, kw_only=True):
    """What it ran on and with; null where the system does not tell."""

    board: str | None
    processor: str
    processors: Count
    memory_mb: Count | None
    os: str
    kernel: str
    machine: str
    python: str
    numpy: str
    opencv: str
    interpreter: str
    emotion_edge: str
    model: str
    model_sha256: str
    model_input: str


class Conditions(_Data, frozen=True, kw_only=True):
    """How the machine was at one moment; null where it does not tell."""

    load: Amount | None
    governor: str | None
    clock_mhz: Amount | None
    temperature_c: float | None
    throttled: bool | None


class Report(_Data, frozen=True, kw_only=True):
    """All of one `emotion-edge bench`."""

    schema: Literal[1] = SCHEMA_VERSION
    kind: Literal["emotion-edge bench"] = KIND
    time: str
    facts: Facts
    source: str
    width: Count
    height: Count
    published_to: str
    before: Conditions
    after: Conditions
    runs: list[Run]
    program: Program | None
    invalid: Annotated[list[str], Meta(description="Why the figures must not be used; empty: they may.")]
    remarks: Annotated[list[str], Meta(description="What to know about them.")]


def write(report: Report, path: Path) -> None:
    """Write as JSON, indented. Raises ConfigError where the file cannot be written."""
    try:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    except OSError as error:
        raise ConfigError(f"--json {path} cannot be written: {error.strerror}") from error


def read(path: Path) -> Report:
    """Read what `write` wrote. Raises ConfigError, naming the file and what is wrong in it."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Report)
    except OSError as error:
        raise ConfigError(f"--compare {path} cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"--compare {path} is not what this version's `emotion-edge bench --json` writes: {error}"
        ) from error
