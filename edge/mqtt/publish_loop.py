"""Publishes retained payloads, events and handlers' messages over one connection, from `online` to `stopped`."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from socket import socket
from typing import Final

from edge.messages.topics import OFFLINE, STOPPED, Kind, Topics
from edge.mqtt.connection import Connection
from edge.mqtt.dispatcher import HandlerDispatcher
from edge.mqtt.outbox.outbox import Outbox
from edge.mqtt.outbox.retained import RetainedPayloads
from edge.mqtt.reason_codes import attempts
from edge.mqtt.send_window import LIVE_WINDOW, WINDOW, SendWindow, UndeliverableError
from edge.mqtt.types import ConnectionLostError, OutgoingMessage, PublishAck
from edge.pacing import TokenBucket

STOPPED_ACK_SECONDS: Final = 2.0
"""Timeout for the acknowledgement of `stopped`, in addition to the drain."""

_LEAVE_SECONDS: Final = 5.0
"""Longest wait for acknowledgements before a connection that works is left for another broker. What is not acknowledged
by then is published there, marked as replayed."""

_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 60.0
"""Pauses after an event that the broker refused for the moment; each refusal doubles the pause, and an accepted event
ends it. A quota is counted by the second, the minute or the hour."""


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
    """Publishes `output` over `connection`, within `window`.

    A backlog is sent at `replay_per_second` of the outbox after a first full window; during the shutdown only the
    window limits it. `report` is given each kind of message that was acknowledged, and why the broker does not take it
    as a sentence (None where it took it); it may raise BrokerError to end the loop. Once `online` is acknowledged
    `dispatcher` starts, and while one of its messages is due, one place of the window is kept for it.
    """

    def __init__(
        self,
        connection: Connection,
        window: SendWindow,
        output: SensorOutput,
        dispatcher: HandlerDispatcher,
        report: Callable[[Kind, str | None], None],
    ) -> None:
        self._connection = connection
        self._window = window
        self._topics = output.topics
        self._outbox = output.outbox
        self._retained = output.retained
        self._dispatcher = dispatcher
        self._report = report
        self._online = False  # the broker has acknowledged our status
        burst = max(1, min(WINDOW, connection.limits.receive_maximum))
        self._replay_rate = TokenBucket(output.outbox.replay_per_second, burst)
        self._rate_limited = False  # the next event has to wait for a token
        self._draining = False
        self._next_replayed = False  # whether the event that is being handed over is a replayed one
        self._kinds: dict[int, Kind] = {}  # messages in flight that are the sensor's own, by message id
        self._all_retained_sent = False
        self._pause_seconds = 0.0
        self._events_from_monotonic = 0.0  # no event is sent before

    def run(
        self,
        deadline: ShutdownDeadline,
        wake: socket,
        progress: Callable[[], None],
        leave: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Publish until `deadline`, then retain `stopped` and disconnect; `progress` is called at least once a second.

        Where `leave()` says so, it retains `offline` once all that is on its way is acknowledged, and disconnects:
        the sensor goes to another broker. Returns whether it ended so. Raises ConnectionLostError, and BrokerError
        where the broker refuses the status of this sensor.
        """
        last = STOPPED
        try:
            while True:
                progress()
                self._draining = deadline.begun.is_set()
                if self._online and not self._draining and leave():
                    last = OFFLINE
                    self._wait_for_acks(_LEAVE_SECONDS)
                    break
                self._publish()
                if deadline.begun.is_set() and (self._all_delivered() or deadline.expired):
                    break
                self._connection.poll(min(deadline.seconds_left, self._seconds_to_next()), wake)
                self._take_acks()
                self._window.serve()
                if self._online and (self._dispatcher.started or not self._window.cautious or self._window.room()):
                    self._dispatcher.dispatch()
            self._publish_status(last)
        finally:
            # An acknowledgement that came right before the end of the connection counts.
            self._take_acks()
            self._dispatcher.close()
        self._connection.close()
        return last == OFFLINE

    def _wait_for_acks(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while self._window.in_flight and (left := until - time.monotonic()) > 0:
            self._connection.poll(left)
            self._take_acks()
            self._window.serve()

    def _room(self, reserved: int = 0) -> bool:
        # In doubt a subscription is alone on its way as well, so that it is known over which the connection ends.
        return self._window.room(reserved) and not (self._window.cautious and self._dispatcher.subscription_pending)

    def _all_delivered(self) -> bool:
        delivered = self._all_retained_sent and not self._window.in_flight and self._outbox.depth == 0
        return delivered and self._dispatcher.seconds_to_next > 0

    def _publish(self) -> None:
        self._all_retained_sent = False
        while self._room():
            retained = self._retained.take_unsent()
            if retained is None:
                self._all_retained_sent = True
                break
            self._publish_retained(*retained)
        # A handler's message that is due finds a place, however many events wait; retained payloads go before it.
        reserved = int(self._dispatcher.seconds_to_next == 0)
        self._rate_limited = False
        while self._room(reserved) and self._outbox.send_next(self._publish_event, self._may_send):
            pass
        while self._all_retained_sent and self._room() and self._dispatcher.publish_next():
            pass

    def _may_send(self, replayed: bool) -> bool:  # noqa: FBT001 - the name states the meaning
        """Return whether an event may be sent now; the others behind it wait as well, so that their order is kept."""
        self._next_replayed = replayed
        if self._pause_seconds and (self._window.in_flight or time.monotonic() < self._events_from_monotonic):
            return False
        if not replayed:
            return self._window.live_events < LIVE_WINDOW
        self._rate_limited = not self._draining and not self._replay_rate.take()
        return not self._rate_limited

    def _seconds_to_next(self) -> float:
        seconds = min(
            self._replay_rate.seconds_to_next() if self._rate_limited else math.inf, self._window.seconds_to_next
        )
        if self._pause_seconds:
            seconds = min(seconds, max(0.0, self._events_from_monotonic - time.monotonic()) or math.inf)
        # With a full window only an acknowledgement helps, and its arrival ends the wait.
        return min(seconds, math.inf if self._window.full else self._dispatcher.seconds_to_next)

    def _publish_retained(self, kind: Kind, payload: bytes) -> None:
        # Health is out of date by the time it could be sent again: QoS 0, unless its length is new (`SendWindow`).
        qos: Final = 0 if kind == "health" else 1
        message = OutgoingMessage(self._topics.of(kind), payload, qos, retain=True)
        try:
            mid = self._window.publish(message)
        except UndeliverableError as error:
            self._report(kind, f"{kind} is not published: {error}")
            return
        if self._window.awaits(mid):
            self._kinds[mid] = kind
        if kind == "health" and not self._connection.limits.retain:
            self._retained.repeat()

    def _publish_event(self, payload: bytes, key: tuple[str, int]) -> int | None:
        message = OutgoingMessage(self._topics.event, payload, 1, retain=False)
        try:
            mid = self._window.publish(message, key, live=not self._next_replayed)
        except UndeliverableError as error:
            self._report("event", f"an event is dropped: {error}")
            return None
        self._kinds[mid] = "event"
        return mid

    def _take_acks(self) -> None:
        for ack in self._window.take_acks():
            kind = self._kinds.pop(ack.mid, None)
            if kind is None:
                self._dispatcher.acknowledged(ack.mid, ack.refusal)
                continue
            if kind == "event":
                self._event_acknowledged(ack)
            elif kind == "status":
                self._online = ack.refusal is None
            refusal = ack.refusal
            topic = self._topics.of(kind)
            self._report(kind, None if refusal is None else f"the broker refuses messages to {topic}: {refusal}")

    def _event_acknowledged(self, ack: PublishAck) -> None:
        if ack.refusal is None:
            self._outbox.acknowledged(ack.mid)
            self._pause_seconds = 0.0
        elif self._outbox.refused(ack.mid, attempts(ack.code)) is False:
            now = time.monotonic()
            if now >= self._events_from_monotonic:  # else it was in flight when another one was refused
                doubled = max(_FIRST_PAUSE_SECONDS, 2 * self._pause_seconds)
                self._pause_seconds = min(doubled, _LONGEST_PAUSE_SECONDS)
                self._events_from_monotonic = now + self._pause_seconds

    def _publish_status(self, word: str) -> None:
        message = OutgoingMessage(self._topics.status, word.encode(), 1, retain=True)
        try:
            mid = self._window.publish(message)
        except UndeliverableError as error:
            self._report("status", f"status is not published: {error}")
            return
        self._kinds[mid] = "status"
        until = time.monotonic() + STOPPED_ACK_SECONDS
        while mid in self._kinds:
            left = until - time.monotonic()
            if left <= 0:
                msg = f"the broker did not acknowledge the status {word!r}"
                raise ConnectionLostError(msg)
            self._connection.poll(left)
            self._take_acks()
