"""Corrects the time of an event where the clock was set after the event's frame was captured.

Pure: the clocks come in as a reading.
"""

import datetime
from typing import Final

from msgspec import structs

from edge.messages.payload_builder import timestamp
from edge.messages.payloads import EventPayload
from edge.system.clock import ClockReading

STEP_SECONDS: Final = 0.25
"""Difference from which a clock counts as set. systemd-timesyncd sets the clock where it is off by more than 0.4 s
(NTP_MAX_ADJUST) and chrony on Debian from 1 s on (makestep); less is made up for slowly, which the kernel's other
clocks follow. A thread that is stopped between reading two clocks makes a smaller difference."""


def clock_changed(before: ClockReading | None, now: ClockReading) -> bool:
    """Return whether the clock was set or synchronised between two readings; True where there is none before."""
    return before is None or abs(now.offset - before.offset) >= STEP_SECONDS or now.synchronised != before.synchronised


def corrected_time(unix: float, captured_boottime: float, offset: float) -> str | None:
    """Return when a frame was captured by the clock as it is set now; None where `unix` is right by it.

    `unix`: the time stamp by the clock as it was, in seconds since 1970. `captured_boottime`: the capture by the clock
    that no step changes. `offset`: see `ClockReading.offset`.
    """
    moment = offset + captured_boottime
    if abs(moment - unix) < STEP_SECONDS:
        return None
    try:
        return timestamp(moment)
    except (ValueError, OverflowError, OSError):
        return None  # the clock was set beyond the years that a time stamp can hold


def stamped(payload: EventPayload, captured_boottime: float, now: ClockReading, *, replayed: bool) -> EventPayload:
    """Return `payload` as it is sent at `now`: with its time corrected, its latency in milliseconds, and `replayed`."""
    time = corrected_time(_unix_seconds(payload.time), captured_boottime, now.offset)
    # Readings of two clocks can differ by rounding; the schema allows no negative latency.
    latency_ms = max(0.0, (now.boottime - captured_boottime) * 1000)
    return structs.replace(
        payload,
        time=time or payload.time,
        time_corrected=time is not None,
        clock_synchronised=now.synchronised,
        latency_ms=round(latency_ms, 2),
        replayed=replayed,
    )


def _unix_seconds(time: str) -> float:
    return datetime.datetime.fromisoformat(time).timestamp()
