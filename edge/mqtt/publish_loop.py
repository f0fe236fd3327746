"""Publishes retained payloads, events and handlers' messages over one connection, from `online` to `stopped`."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from socket import socket
from typing import Final

from edge.messages.topics import STOPPED, Kind, Topics
from edge.mqtt.connection import Connection
from edge.mqtt.dispatcher import HandlerDispatcher
from edge.mqtt.outbox.outbox import Outbox
from edge.mqtt.outbox.retained import RetainedPayloads
from edge.mqtt.types import ConnectionLostError, OutgoingMessage, PublishAck
from edge.pacing import TokenBucket

_WINDOW: Final = 16
"""Messages of QoS 1 in flight at once. Enough to fill a link with a long round trip, below the 20 that common brokers
accept, and few to be sent twice when a connection breaks."""

STOPPED_ACK_SECONDS: Final = 2.0
"""Timeout for the acknowledgement of `stopped`, in addition to the drain."""


class ShutdownDeadline:
    """Deadline of publishing: none until `begin`, then the end of the drain; earlier once all is delivered."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self._deadline = math.inf

    def begin(self, drain_seconds: float) -> None:
        """Stop within `drain_seconds`; a later call can only shorten the time."""
        self._deadline = min(self._deadline, time.monotonic() + drain_seconds)
        self.begun.set()

    @property
    def seconds_left(self) -> float:
        """Seconds until the time is up, never negative; infinite as long as there is no limit."""
        return max(0.0, self._deadline - time.monotonic())

    @property
    def expired(self) -> bool:
        """Whether the time is up."""
        return self.seconds_left == 0


@dataclass(frozen=True, slots=True)
class SensorOutput:
    """All that a sensor publishes: events, the latest retained payloads, and the topics of both."""

    topics: Topics
    outbox: Outbox
    retained: RetainedPayloads


class PublishLoop:
    """Publishes `output` over `connection`.

    A backlog is sent at `replay_per_second` of the outbox after a first full window; during the shutdown only the
    window limits it. `acknowledged` is called with the kind of each acknowledged message and the broker's refusal as a
    sentence (None where it accepted the message); it may raise BrokerError to end the loop. Once `online` is
    acknowledged `dispatcher` starts, and while one of its messages is due, one place of the window is kept for it.
    """

    def __init__(
        self,
        connection: Connection,
        output: SensorOutput,
        dispatcher: HandlerDispatcher,
        acknowledged: Callable[[Kind, str | None], None],
    ) -> None:
        self._connection = connection
        self._topics = output.topics
        self._outbox = output.outbox
        self._retained = output.retained
        self._dispatcher = dispatcher
        self._acknowledged = acknowledged
        self._online = False  # the broker has acknowledged our status
        self._window = max(1, min(_WINDOW, connection.limits.receive_maximum))
        self._replay_rate = TokenBucket(output.outbox.replay_per_second, self._window)
        self._rate_limited = False  # the next event has to wait for a token
        self._draining = False
        self._retained_mids: dict[int, Kind] = {}
        self._event_mids: set[int] = set()
        self._all_retained_sent = False

    def run(self, deadline: ShutdownDeadline, wake: socket, progress: Callable[[], None]) -> None:
        """Publish until `deadline`, then retain `stopped` and disconnect; `progress` is called at least once a second.

        Raises ConnectionLostError, and BrokerError where the broker refuses the status of this sensor.
        """
        try:
            while True:
                progress()
                self._draining = deadline.begun.is_set()
                self._publish()
                if deadline.begun.is_set() and (self._all_delivered() or deadline.expired):
                    break
                self._connection.poll(min(deadline.seconds_left, self._seconds_to_next()), wake)
                self._take_acks()
                if self._online:
                    self._dispatcher.dispatch()
            self._publish_stopped()
        finally:
            # An acknowledgement that came right before the end of the connection counts.
            self._take_acks()
            self._dispatcher.close()
        self._connection.close()

    def _in_flight(self) -> int:
        return len(self._retained_mids) + len(self._event_mids) + self._dispatcher.in_flight

    def _all_delivered(self) -> bool:
        delivered = self._all_retained_sent and not self._in_flight() and self._outbox.depth == 0
        return delivered and self._dispatcher.seconds_to_next > 0

    def _publish(self) -> None:
        self._all_retained_sent = False
        while self._in_flight() < self._window:
            retained = self._retained.take_unsent()
            if retained is None:
                self._all_retained_sent = True
                break
            self._publish_retained(*retained)
        # A handler's message that is due finds a place, however many events wait; retained payloads go before it.
        reserved = int(self._dispatcher.seconds_to_next == 0)
        self._rate_limited = False
        while self._in_flight() < self._window - reserved and self._outbox.send_next(
            self._publish_event, self._may_replay
        ):
            pass
        while self._all_retained_sent and self._in_flight() < self._window and self._dispatcher.publish_next():
            pass

    def _may_replay(self) -> bool:
        self._rate_limited = not self._draining and not self._replay_rate.take()
        return not self._rate_limited

    def _seconds_to_next(self) -> float:
        seconds = self._replay_rate.seconds_to_next() if self._rate_limited else math.inf
        # With a full window only an acknowledgement helps, and its arrival ends the wait.
        return min(seconds, self._dispatcher.seconds_to_next if self._in_flight() < self._window else math.inf)

    def _publish_retained(self, kind: Kind, payload: bytes) -> None:
        # Health is out of date by the time it could be sent again: QoS 0.
        qos: Final = 0 if kind == "health" else 1
        mid = self._connection.publish(OutgoingMessage(self._topics.of(kind), payload, qos, retain=True))
        if qos:
            self._retained_mids[mid] = kind

    def _publish_event(self, payload: bytes) -> int:
        mid = self._connection.publish(OutgoingMessage(self._topics.event, payload, 1, retain=False))
        self._event_mids.add(mid)
        return mid

    def _take_acks(self) -> None:
        for ack in self._connection.take_publish_acks():
            if ack.mid in self._event_mids:
                self._event_mids.remove(ack.mid)
                self._outbox.acknowledged(ack.mid, accepted=ack.refusal is None)
                self._report("event", ack)
            elif ack.mid in self._retained_mids:
                kind = self._retained_mids.pop(ack.mid)
                self._report(kind, ack)
            else:
                self._dispatcher.acknowledged(ack.mid, ack.refusal)

    def _report(self, kind: Kind, ack: PublishAck) -> None:
        refusal = ack.refusal
        sentence = None if refusal is None else f"the broker refuses messages to {self._topics.of(kind)}: {refusal}"
        if kind == "status":
            self._online = sentence is None
        self._acknowledged(kind, sentence)

    def _publish_stopped(self) -> None:
        mid = self._connection.publish(OutgoingMessage(self._topics.status, STOPPED.encode(), 1, retain=True))
        self._retained_mids[mid] = "status"
        until = time.monotonic() + STOPPED_ACK_SECONDS
        while mid in self._retained_mids:
            left = until - time.monotonic()
            if left <= 0:
                msg = f"the broker did not acknowledge the status {STOPPED!r}"
                raise ConnectionLostError(msg)
            self._connection.poll(left)
            self._take_acks()
