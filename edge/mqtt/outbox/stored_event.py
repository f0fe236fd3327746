"""Represents an event of an earlier run, as the outbox file holds it: the payload, ready to be sent late."""

import datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from edge.messages.event_time import corrected_time
from edge.system.clock import ClockReading

_ADDED_SINCE: Final[dict[str, object]] = {
    "leader": None,
    "leader_group": None,
    "leader_confidence": None,
    "time_corrected": False,
    "clock_synchronised": False,
}
"""Fields that an event of an earlier version may lack, with the values that say so: each event sent has all fields."""
_ADDED_TO_FACE: Final[dict[str, object]] = {"roll_degrees": None}
"""The same for the face of an event."""


class NotAnEventError(Exception):
    """Stored bytes are no event payload."""


class _Essentials(Struct):
    """The fields that every version of an event has; all others are sent as they were stored."""

    boot_id: Annotated[str, Meta(min_length=1)]
    seq: Annotated[int, Meta(ge=1)]
    time: datetime.datetime


class StoredEvent:
    """An event of an earlier run, possibly of another version of this program.

    It is not decoded and encoded as an `EventPayload`: a field that this version does not know, or knows no longer,
    reaches the subscriber as it was stored.

    Raises NotAnEventError where `json` is no event payload.
    """

    __slots__ = ("_time", "boot_id", "json", "seq")

    def __init__(self, json: bytes) -> None:
        try:
            essentials = msgspec.json.decode(json, type=_Essentials)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise NotAnEventError(str(error)) from None
        if essentials.time.tzinfo is None:
            msg = f"{essentials.time} is in no time zone"
            raise NotAnEventError(msg)
        self.json = json
        self._time = essentials.time
        self.boot_id = essentials.boot_id
        self.seq = essentials.seq

    def at_offset(self, captured_boottime: float, offset: float, *, synchronised: bool) -> "StoredEvent":
        """Return the event with its time by a clock with `offset`, for a start of the machine that is over.

        `synchronised`: whether that clock was known to be right.
        """
        record: dict[str, Any] = msgspec.json.decode(self.json)
        self._set_time(record, captured_boottime, offset, synchronised=synchronised)
        return StoredEvent(msgspec.json.encode(record))

    def replay_payload(self, now: ClockReading, captured_boottime: float | None = None) -> bytes:
        """Return the payload to publish at `now`: `replayed`, with its latency in milliseconds.

        `captured_boottime`: the capture by the clock that no step changes; None for an event from before the machine
        started. No such clock covers an earlier start of the machine. So the latency is by the wall clock then: where
        that was set back since, it is 0 rather than negative.
        """
        record: dict[str, Any] = msgspec.json.decode(self.json)
        if captured_boottime is None:
            latency_seconds = now.unix - self._time.timestamp()
        else:
            latency_seconds = now.boottime - captured_boottime
        record["latency_ms"] = round(max(0.0, latency_seconds) * 1000, 2)
        record["replayed"] = True
        if captured_boottime is not None:
            self._set_time(record, captured_boottime, now.offset, synchronised=now.synchronised)
        # An event of an older version has none of these. Its confidence was the present share of its emotion.
        for field, value in _ADDED_SINCE.items():
            record.setdefault(field, value)
        if isinstance(face := record.get("face"), dict):
            for field, value in _ADDED_TO_FACE.items():
                face.setdefault(field, value)
        return msgspec.json.encode(record)

    def _set_time(self, record: dict[str, Any], captured_boottime: float, offset: float, *, synchronised: bool) -> None:
        time = corrected_time(self._time.timestamp(), captured_boottime, offset)
        if time is not None:
            record["time"] = time
        record["time_corrected"] = time is not None or record.get("time_corrected") is True
        record["clock_synchronised"] = synchronised
