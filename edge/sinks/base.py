"""Defines the interface of a sink: where the daemon sends events, state, health and info."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from msgspec import structs

from edge.messages.payloads import EventPayload, HealthPayload, InfoPayload, StatePayload

BrokerState = Literal["connected", "disconnected", "none"]

PublishedCallback = Callable[[bytes], None]
"""Takes an event's payload as it was handed over. Called from the thread that did so: it must not wait."""


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """State of a sink at one moment.

    `broker`: state of the connection; "none" where there is no broker in play. `outbox_depth`: events that are not
    acknowledged yet. `outbox_dropped`: events that will never arrive, because a full outbox dropped them or the
    broker refused them. `outbox_durable`: whether events that wait for the broker outlive this process; None where
    there is no broker in play. `outbox_problem`: why they do not, where that was not configured. `failure`: why
    nothing will be delivered any more; the daemon must end with a non-zero code. `beat_monotonic`: when the
    delivering thread last completed a turn of its loop (`time.monotonic()`); None where there is no such thread.
    `ended`: the reader is gone and the daemon should end cleanly, as at the end of a file.
    """

    broker: BrokerState = "none"
    outbox_depth: int = 0
    outbox_dropped: int = 0
    outbox_durable: bool | None = None
    outbox_problem: str | None = None
    failure: Exception | None = None
    beat_monotonic: float | None = None
    ended: bool = False


class Sink(Protocol):
    """Takes the results of the pipeline. Calls come from the pipeline's thread and never wait for a network."""

    def status(self) -> SinkStatus:
        """Return the state of the sink now."""

    def start(self) -> None:
        """Begin. May raise BrokerError or ConfigError."""

    def event(self, payload: EventPayload, captured_monotonic: float) -> None:
        """Send an event. Its `latency_ms` and `replayed` are stamped here, whatever they hold."""

    def info(self, payload: InfoPayload) -> None:
        """Say what this sensor is; the last word counts."""

    def state(self, payload: StatePayload) -> None:
        """Say who is in view; the last word counts."""

    def health(self, payload: HealthPayload) -> None:
        """Say how the sensor is doing; the last word counts."""

    def drained(self) -> bool:
        """True where every event is acknowledged, or gone for good."""

    def close(self, drain_seconds: float) -> bool:
        """End, waiting at most `drain_seconds` for acknowledgements; True if nothing is lost."""

    def abort(self) -> bool:
        """End without a good-bye, for a process that is about to fail; True if nothing is lost."""


def stamped(payload: EventPayload, captured_monotonic: float, *, replayed: bool) -> EventPayload:
    """`payload` as it goes out now: milliseconds since its frame was captured, and whether it is late."""
    # Two clocks' readings can differ by rounding; a negative latency would fit no schema.
    latency_ms = max(0.0, (time.monotonic() - captured_monotonic) * 1000)
    return structs.replace(payload, latency_ms=round(latency_ms, 2), replayed=replayed)
