"""An event as the disk keeps it: the JSON that goes out, but for how late it is."""

import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct


class NotAnEventError(Exception):
    """What was kept is no event of ours."""


class _Essentials(Struct):
    """What every version of an event has; the rest goes out as it came in."""

    boot_id: Annotated[str, Meta(min_length=1)]
    seq: Annotated[int, Meta(ge=1)]
    time: datetime.datetime


class StoredEvent:
    """An event of an earlier run, and maybe of an earlier version of this program.

    So it is not taken apart and put together again: a field that this version does not know, or no
    longer knows, reaches the subscriber as it was written.

    Raises NotAnEventError where `json` is none.
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

    def resent(self, now_unix: float) -> bytes:
        """The event as it goes out at `now_unix`: replayed, and how late.

        No monotonic clock reaches back into an earlier run, so the wall clock says how late; where that
        was set back since, the event is not late at all, rather than early.
        """
        record: dict[str, Any] = msgspec.json.decode(self.json)
        record["latency_ms"] = round(max(0.0, now_unix - self._time.timestamp()) * 1000, 2)
        record["replayed"] = True
        return msgspec.json.encode(record)
