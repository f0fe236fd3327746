"""Turns messages of sensors into records for the archive. Pure: no client, no database, no clock.

What a later version adds to a payload is kept with the payload, and breaks nothing: only the fields that become columns
are read here.
"""

import datetime
from collections.abc import Callable
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw, Struct

from edge.messages.topics import STATUS_WORDS, DeviceTopic

_Name = Annotated[str, Meta(min_length=1, max_length=128)]
"""Part of a key of a table. An index of PostgreSQL holds 2,704 bytes, and ids of sensors have at most 64 characters."""
_Time = Annotated[datetime.datetime, Meta(tz=True)]
_Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Text = Annotated[str, Meta(max_length=1024)] | None

LONGEST_PAYLOAD_BYTES: Final = 256 * 1024
"""Longer messages are not kept: a sensor's longest, an `info` with many zones, has some tens of kilobytes."""


class MalformedMessageError(Exception):
    """A message that is not what its topic promises; the text is the reason."""


class EventRecord(Struct, frozen=True, kw_only=True):
    """An event. `zones`: names of the zones of its face. `payload`: the whole message, as JSON."""

    device: str
    boot_id: str
    seq: int
    time: datetime.datetime
    type: str
    track: int | None
    zones: list[str]
    emotion: str | None
    previous: str | None
    confidence: float | None
    valence: float | None
    latency_ms: float | None
    replayed: bool
    clock_synchronised: bool
    payload: Raw


class StateRecord(Struct, frozen=True, kw_only=True):
    """The faces in view at one moment."""

    device: str
    time: datetime.datetime
    present: bool
    paused: bool
    faces: int
    emotion: str | None
    confidence: float | None
    valence: float | None
    payload: Raw


class HealthRecord(Struct, frozen=True, kw_only=True):
    """The health of a sensor at one moment. `p99_ms`: 99th percentile of its latency."""

    device: str
    time: datetime.datetime
    source: str | None
    fps: float | None
    p99_ms: float | None
    budget_ms: float | None
    within_budget: bool | None
    level: str | None
    outbox_depth: int | None
    outbox_dropped: int | None
    temperature_c: float | None
    throttled: bool | None
    payload: Raw


class SummaryRecord(Struct, frozen=True, kw_only=True):
    """What a place saw in one hour or day. `time`: when the sensor said so; a later record takes its place."""

    device: str
    period: str
    start: datetime.datetime
    time: datetime.datetime
    local_start: str | None
    complete: bool
    looked_seconds: float | None
    present_seconds: float | None
    visits: int | None
    valence: float | None
    payload: Raw


class StatusRecord(Struct, frozen=True, kw_only=True):
    """A word of `edge.messages.topics.STATUS_WORDS`."""

    device: str
    status: str


class EndedBoot(Struct, frozen=True):
    """What a sensor knows of an earlier boot of its own: how many events it decided, and how many still wait."""

    boot_id: _Name
    events_decided: _Count
    events_waiting: _Count = 0


class InfoRecord(Struct, frozen=True, kw_only=True):
    """Who a sensor is. `live`: it was published now, not retained from before. `ended`: boots before this one."""

    device: str
    boot_id: str
    live: bool
    name: str | None
    version: str | None
    model: str | None
    source: str | None
    ended: list[EndedBoot]
    payload: Raw


Record = EventRecord | StateRecord | HealthRecord | SummaryRecord | StatusRecord | InfoRecord


class _Face(Struct):
    track: _Count | None = None
    zones: list[str] = []


class _Event(Struct):
    boot_id: _Name
    seq: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    time: _Time
    type: _Name
    face: _Face = msgspec.field(default_factory=_Face)
    emotion: _Text = None
    previous: _Text = None
    confidence: float | None = None
    valence: float | None = None
    latency_ms: float | None = None
    replayed: bool = False
    clock_synchronised: bool = False


class _State(Struct):
    time: _Time
    present: bool
    paused: bool = False
    faces: list[Raw] = []
    emotion: _Text = None
    confidence: float | None = None
    valence: float | None = None


class _Latency(Struct):
    p99: float | None = None


class _Budget(Struct):
    level: _Text = None


class _Health(Struct):
    time: _Time
    source: _Text = None
    fps: float | None = None
    latency_ms: _Latency | None = None
    budget_latency_ms: float | None = None
    within_budget: bool | None = None
    budget: _Budget = msgspec.field(default_factory=_Budget)
    outbox_depth: _Count | None = None
    outbox_dropped: _Count | None = None
    temperature_c: float | None = None
    throttled: bool | None = None


class _Period(Struct):
    start: _Time
    complete: bool
    local_start: _Text = None
    looked_seconds: float | None = None
    present_seconds: float | None = None
    visits: _Count | None = None
    valence: float | None = None


_NULL: Final = Raw(b"null")


class _Summary(Struct):
    time: _Time
    hour: Raw = _NULL
    day: Raw = _NULL
    last_hour: Raw = _NULL
    last_day: Raw = _NULL


class _Model(Struct):
    name: _Text = None


class _Info(Struct):
    boot_id: _Name
    name: _Text = None
    version: _Text = None
    model: _Model = msgspec.field(default_factory=_Model)
    source: _Text = None
    previous_boots: list[EndedBoot] = []


_PERIODS: Final = {"hour": "hour", "day": "day", "last_hour": "hour", "last_day": "day"}


def read_message(address: DeviceTopic, payload: bytes, *, retained: bool) -> list[Record]:
    """Return the records of a message to the topic of `address`; none where it only removes a retained message.

    Raises MalformedMessageError.
    """
    if not payload:
        return []
    device = address.device
    if len(device) > 128 or not device.isprintable():  # noqa: PLR2004 - as _Name
        raise MalformedMessageError("its topic has no id of a device")
    if len(payload) > LONGEST_PAYLOAD_BYTES:
        raise MalformedMessageError(f"it has {len(payload)} bytes, but at most {LONGEST_PAYLOAD_BYTES} are kept")
    if address.kind == "status":
        word = payload[:32].decode(errors="replace")
        if word not in STATUS_WORDS:
            raise MalformedMessageError(f"{word!r} is none of {', '.join(STATUS_WORDS)}")
        return [StatusRecord(device=device, status=word)]
    try:
        # The whole of it, because msgspec does not look into a text that it skips, and a database does.
        whole = msgspec.json.decode(payload)
        if b"\\u0000" in payload and _has_nul(whole):
            raise MalformedMessageError("it holds the character U+0000, which no text of PostgreSQL can hold")
        return _READERS[address.kind](device, payload, retained)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        raise MalformedMessageError(str(error)) from None


def _utc(time: datetime.datetime) -> datetime.datetime:
    """Return a time in UTC. Raises OverflowError where that lies beyond the years that a time can have."""
    return time.astimezone(datetime.UTC)


def _has_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_has_nul(key) or _has_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(map(_has_nul, value))


def _event(device: str, payload: bytes, _retained: bool) -> list[Record]:  # noqa: FBT001 - one signature for all kinds
    event = msgspec.json.decode(payload, type=_Event)
    return [
        EventRecord(
            device=device,
            boot_id=event.boot_id,
            seq=event.seq,
            time=_utc(event.time),
            type=event.type,
            track=event.face.track,
            zones=event.face.zones,
            emotion=event.emotion,
            previous=event.previous,
            confidence=event.confidence,
            valence=event.valence,
            latency_ms=event.latency_ms,
            replayed=event.replayed,
            clock_synchronised=event.clock_synchronised,
            payload=Raw(payload),
        )
    ]


def _state(device: str, payload: bytes, _retained: bool) -> list[Record]:  # noqa: FBT001 - as above
    state = msgspec.json.decode(payload, type=_State)
    return [
        StateRecord(
            device=device,
            time=_utc(state.time),
            present=state.present,
            paused=state.paused,
            faces=len(state.faces),
            emotion=state.emotion,
            confidence=state.confidence,
            valence=state.valence,
            payload=Raw(payload),
        )
    ]


def _health(device: str, payload: bytes, _retained: bool) -> list[Record]:  # noqa: FBT001 - as above
    health = msgspec.json.decode(payload, type=_Health)
    return [
        HealthRecord(
            device=device,
            time=_utc(health.time),
            source=health.source,
            fps=health.fps,
            p99_ms=health.latency_ms.p99 if health.latency_ms else None,
            budget_ms=health.budget_latency_ms,
            within_budget=health.within_budget,
            level=health.budget.level,
            outbox_depth=health.outbox_depth,
            outbox_dropped=health.outbox_dropped,
            temperature_c=health.temperature_c,
            throttled=health.throttled,
            payload=Raw(payload),
        )
    ]


def _summary(device: str, payload: bytes, _retained: bool) -> list[Record]:  # noqa: FBT001 - as above
    summary = msgspec.json.decode(payload, type=_Summary)
    records: list[Record] = []
    for key, period in _PERIODS.items():
        raw: Raw = getattr(summary, key)
        if raw == _NULL:
            continue
        part = msgspec.json.decode(raw, type=_Period)
        records.append(
            SummaryRecord(
                device=device,
                period=period,
                start=_utc(part.start),
                time=_utc(summary.time),
                local_start=part.local_start,
                complete=part.complete,
                looked_seconds=part.looked_seconds,
                present_seconds=part.present_seconds,
                visits=part.visits,
                valence=part.valence,
                payload=raw.copy(),
            )
        )
    return records


def _info(device: str, payload: bytes, retained: bool) -> list[Record]:  # noqa: FBT001 - as above
    info = msgspec.json.decode(payload, type=_Info)
    return [
        InfoRecord(
            device=device,
            boot_id=info.boot_id,
            live=not retained,
            name=info.name,
            version=info.version,
            model=info.model.name,
            source=info.source,
            ended=info.previous_boots,
            payload=Raw(payload),
        )
    ]


_READERS: Final[dict[str, Callable[[str, bytes, bool], list[Record]]]] = {
    "event": _event,
    "state": _state,
    "health": _health,
    "summary": _summary,
    "info": _info,
}
