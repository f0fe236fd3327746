"""Defines the interface of a sink: where the daemon sends events, state, health and info."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from edge.messages.payloads import EventPayload, HealthPayload, InfoPayload, StatePayload
from edge.messages.summary import SummaryPayload

BrokerState = Literal["connected", "disconnected", "none"]

PublishedCallback = Callable[[bytes], None]
"""Called with each event payload that was published, by the thread that published it: it must not block."""


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """State of a sink at one moment.

    `broker`: state of the connection; "none" where no broker is used. `outbox_depth`: events that are not acknowledged
    yet. `outbox_dropped`: events that will never be delivered, because a full outbox dropped them or the broker refused
    them. `messages_refused`: other messages that the broker did not take. `outbox_durable`: whether events that wait
    for the broker outlive this process; None where no broker is used. `outbox_problem`: why they do not, where that was
    not configured. `failure`: why nothing will be delivered any more; the daemon must end with a non-zero exit code.
    `beat_monotonic`: when the delivering thread last completed an iteration of its loop (`time.monotonic()`); None
    where there is no such thread. `ended`: the reader has closed the stream, and the daemon should end cleanly, as at
    the end of a file.
    """

    broker: BrokerState = "none"
    outbox_depth: int = 0
    outbox_dropped: int = 0
    messages_refused: int = 0
    outbox_durable: bool | None = None
    outbox_problem: str | None = None
    failure: Exception | None = None
    beat_monotonic: float | None = None
    ended: bool = False


class Sink(Protocol):
    """Delivers the results of the pipeline. The pipeline's thread calls it; no call waits for a network."""

    def status(self) -> SinkStatus:
        """Return the state of the sink now."""

    def start(self) -> None:
        """Start to deliver. May raise BrokerError or ConfigError."""

    def event(self, payload: EventPayload, captured_monotonic: float) -> None:
        """Deliver an event. The sink sets all that is known only on sending: see `edge.messages.event_time`."""

    def info(self, payload: InfoPayload) -> None:
        """Publish the description of this sensor; the latest one counts."""

    def state(self, payload: StatePayload) -> None:
        """Publish the faces in view; the latest state counts."""

    def health(self, payload: HealthPayload) -> None:
        """Publish the health of the sensor; the latest one counts."""

    def summary(self, payload: SummaryPayload) -> None:
        """Publish the summary of hour and day; the latest one counts."""

    def drained(self) -> bool:
        """Return whether every event is acknowledged or dropped."""

    def close(self, drain_seconds: float) -> bool:
        """End; wait at most `drain_seconds` for acknowledgements. True if nothing is lost."""

    def abort(self) -> bool:
        """End without the status `stopped`, for a process that is about to fail. True if nothing is lost."""
