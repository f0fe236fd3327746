"""The report of a benchmark as data: `--json` writes it and `--compare` reads it."""

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
    """Base of all parts. Unknown fields are refused, so that a file of another version is an error."""


class Spread(_Data, frozen=True, kw_only=True):
    """Percentiles and maximum of the milliseconds of `frames` frames, without the first frame of each block."""

    frames: Count
    p50_ms: Amount
    p95_ms: Amount
    p99_ms: Amount
    max_ms: Amount


class Cost(_Data, frozen=True, kw_only=True):
    """Mean processor time per frame of the whole process, all its threads, in milliseconds.

    `capture`: reading a frame, the same for all variants. The others are the work on that frame: `line`, the
    sensor's pipeline; `plain`, the plain loop; `floor`, one run of the network.
    """

    capture: Amount
    line: Amount
    plain: Amount
    floor: Amount

    @property
    def work_ratio(self) -> float:
        """Cost of the pipeline as a share of the plain loop's."""
        return self.line / max(self.plain, 1e-9)

    @property
    def whole_ratio(self) -> float:
        """Cost of the pipeline as a share of the plain loop's, with reading the frame in both."""
        return (self.capture + self.line) / max(self.capture + self.plain, 1e-9)

    @property
    def floor_ratio(self) -> float:
        """Cost of reading a frame and the pipeline, as a multiple of reading it and one run of the network."""
        return (self.capture + self.line) / max(self.capture + self.floor, 1e-9)


class Verdict(_Data, frozen=True, kw_only=True):
    """Whether a run keeps the latency budget: 99 of 100 frames within `budget_ms`, from the frame in hand on.

    `further_faces`: how many more faces a frame has time for; null where no face was seen.
    """

    budget_ms: Amount
    p99_ms: Amount
    keeps_budget: bool
    further_faces: Count | None
    sentence: str


class Run(_Data, frozen=True, kw_only=True):
    """Results of one source with one number of threads.

    `stages`: by name; a stage counts the frames that gave it work (`classify`: a face to classify, `publish`: an
    event or a state to publish). `end_to_end`: from the frame in hand until its events are handed over;
    `end_to_end_cpu`: the processor time of that. All other spreads are wall-clock.
    `fps`: frames per second of capture and pipeline on one thread; for a camera at most its own rate. `verdict` is
    missing in reports of earlier versions.
    """

    threads: Annotated[int, Meta(ge=1, description="Threads of OpenCV's pool, and of the interpreter's.")]
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
    verdict: Verdict | None = None


class Program(_Data, frozen=True, kw_only=True):
    """Results of `emotion-edge run` as processes of their own.

    Seconds from its start until it is ready, and until its first event (null: none came within
    `patience_seconds`). Then one run over `frames` frames with `--fast`: processor time per frame without the cost
    of the start, and the peak of resident memory.
    """

    ready_seconds: list[Amount]
    first_event_seconds: list[Amount | None]
    patience_seconds: Amount
    frames: Count
    cpu_ms_per_frame: Amount
    peak_resident_mb: Amount | None


class Facts(_Data, frozen=True, kw_only=True):
    """Machine, software and model of a benchmark; null where the system does not report it."""

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
    """Load, clock and temperature of the machine at one moment; null where the machine does not report it."""

    load: Amount | None
    governor: str | None
    clock_mhz: Amount | None
    temperature_c: float | None
    throttled: bool | None


class Report(_Data, frozen=True, kw_only=True):
    """Everything that one `emotion-edge bench` measured."""

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
    invalid: Annotated[
        list[str], Meta(description="Reasons why the figures must not be used; empty: they may be used.")
    ]
    remarks: Annotated[list[str], Meta(description="Notes on how far to trust the figures.")]


def write_report(report: Report, path: Path) -> None:
    """Write a report as indented JSON. Raises ConfigError where the file cannot be written."""
    try:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    except OSError as error:
        raise ConfigError(f"--json {path} cannot be written: {error.strerror}") from error


def read_report(path: Path) -> Report:
    """Read a report. Raises ConfigError, naming the file and what is wrong in it."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Report)
    except OSError as error:
        raise ConfigError(f"--compare {path} cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"--compare {path} is not a report of this version's `emotion-edge bench --json`: {error}"
        ) from error
