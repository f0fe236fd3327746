"""Represents an event of an earlier run, as the outbox file holds it: the payload, ready to be sent late."""

import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct


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

    def replay_payload(self, now_unix: float) -> bytes:
        """Return the payload to publish at `now_unix` (seconds): `replayed`, with its latency in milliseconds.

        No monotonic clock covers an earlier run, so the latency is by the wall clock. Where that was set back since,
        the latency is 0 rather than negative.
        """
        record: dict[str, Any] = msgspec.json.decode(self.json)
        record["latency_ms"] = round(max(0.0, now_unix - self._time.timestamp()) * 1000, 2)
        record["replayed"] = True
        return msgspec.json.encode(record)
