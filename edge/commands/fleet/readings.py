"""Reads payloads of sensors of any version: fields that are missing or unknown are tolerated, malformed ones are not.

`edge.messages.payloads` are exact, because this version publishes them. A fleet has several versions at once, so only
the fields that `fleet` shows are read here, and none is required.
"""

from typing import Any, Final

import msgspec
from msgspec import Struct

from edge.messages.topics import STATUS_WORDS, Kind

_MOST_WORD_BYTES: Final = 32
"""Bytes of a status that are looked at."""


class UnreadableError(Exception):
    """A payload that cannot be read; the message names the reason."""


class ModelReading(Struct, frozen=True):
    """The model, as `info` has it."""

    name: str | None = None
    sha256: str | None = None


class DesiredReading(Struct, frozen=True):
    """How far the device has come with the fleet's document, as `info` has it."""

    document: str | None = None
    step: str | None = None
    reason: str | None = None


class InfoReading(Struct, frozen=True):
    """What is read of `info`."""

    version: str | None = None
    name: str | None = None
    model: ModelReading | None = None
    source: str | None = None
    health_interval_seconds: float | None = None
    settings_ignored: list[str] = []
    desired: DesiredReading | None = None


class LatencyReading(Struct, frozen=True):
    """Latency, as `health` has it."""

    p99: float | None = None


class LevelReading(Struct, frozen=True):
    """The ladder of levels, as `health` has it."""

    level: str | None = None
    level_index: int = 0
    reachable_ms: float | None = None


class HealthReading(Struct, frozen=True):
    """What is read of `health`. `source` is no list of words: a later version may have more."""

    time: str | None = None
    uptime_seconds: float | None = None
    source: str | None = None
    source_error: str | None = None
    fps: float | None = None
    source_fps: float | None = None
    faces: int | None = None
    latency_ms: LatencyReading | None = None
    budget_latency_ms: float | None = None
    within_budget: bool | None = None
    budget: LevelReading | None = None
    outbox_depth: int | None = None
    outbox_dropped: int = 0
    messages_refused: int = 0
    outbox_problem: str | None = None
    temperature_c: float | None = None
    throttled: bool | None = None


class StateReading(Struct, frozen=True):
    """What is read of `state`."""

    time: str | None = None
    paused: bool = False
    present: bool = False
    emotion: str | None = None
    faces: list[Any] = []


class EventReading(Struct, frozen=True):
    """What is read of `event`."""

    time: str | None = None
    type: str | None = None
    emotion: str | None = None
    seq: int | None = None
    replayed: bool = False


_READINGS: Final[dict[str, type[Struct]]] = {
    "info": InfoReading,
    "health": HealthReading,
    "state": StateReading,
    "event": EventReading,
}
READ_KINDS: Final[frozenset[str]] = frozenset({"status", *_READINGS})
"""Kinds of messages that `read` takes."""


def read(kind: Kind, payload: bytes) -> Any:  # noqa: ANN401 - the type follows from `kind`
    """Return the reading of a payload of a topic of `kind`, for `status` its word. Raises UnreadableError."""
    if kind == "status":
        word = payload[:_MOST_WORD_BYTES].decode(errors="replace")
        if word not in STATUS_WORDS:
            raise UnreadableError(f"{word!r} is none of {', '.join(STATUS_WORDS)}")
        return word
    try:
        return msgspec.json.decode(payload, type=_READINGS[kind])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        raise UnreadableError(str(error)) from None
