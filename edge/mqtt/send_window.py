"""Hands messages to one connection, few at once, and tracks them until they are acknowledged."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from edge.mqtt.ack_watch import AckTimes, AckWatch
from edge.mqtt.connection import Connection
from edge.mqtt.reason_codes import attempts
from edge.mqtt.suspicion import MessageKey, Unacknowledged, UndeliverableMessages
from edge.mqtt.types import ConnectionLostError, OutgoingMessage, PacketTooLargeError, PublishAck

WINDOW: Final = 16
"""Messages of QoS 1 in flight at once. Enough to fill a link with a long round trip, below the 20 that common brokers
accept, and few to be sent twice when a connection breaks."""

LIVE_WINDOW: Final = 4
"""Events in flight at once that are not marked as replayed. When a connection hangs, these may arrive late without a
mark, because what is in the socket cannot be changed. Four in a round trip of 200 ms are still 20 a second."""

_UNCONFIRMED_SECONDS: Final = 5.0
"""A message of QoS 0 over which a broker ends the connection is no longer the reason after this time."""


class UndeliverableError(Exception):
    """The broker can never take a message; the text is the reason, as a part of a sentence."""


@dataclass(slots=True)
class _InFlight:
    """A message that was handed over. `live`: it is an event that is not marked as replayed."""

    number: int
    message: Unacknowledged
    handed_monotonic: float
    live: bool


class SendWindow:
    """Hands messages to `connection`, of which there is one for each connection.

    `undeliverable` decides, over all connections, what is not sent and when each message is sent alone. `clock`: as
    `time.monotonic`. Methods that write raise ConnectionLostError.
    """

    def __init__(
        self,
        connection: Connection,
        undeliverable: UndeliverableMessages,
        times: AckTimes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._undeliverable = undeliverable
        self._clock = clock
        self._began = clock()
        self._watch = AckWatch(times)
        self._size = max(1, min(WINDOW, connection.limits.receive_maximum))
        self._count = 0
        self._in_flight: dict[int, _InFlight] = {}  # messages of QoS 1 by message id
        self._unconfirmed: list[_InFlight] = []  # messages of QoS 0
        self._longest_bytes: dict[str, int] = {}  # longest packet that was acknowledged, by topic
        self.taken = 0
        """Messages that the broker has acknowledged."""
        self.broker_lives = False
        """Whether the connection was given up although the broker answers pings."""

    @property
    def in_flight(self) -> int:
        """Messages that the broker has not acknowledged."""
        return len(self._in_flight)

    @property
    def live_events(self) -> int:
        """The part of `in_flight` that are events without the mark `replayed`."""
        return sum(entry.live for entry in self._in_flight.values())

    @property
    def cautious(self) -> bool:
        """Whether each message and each subscription is sent alone."""
        return self._undeliverable.cautious

    @property
    def seconds(self) -> float:
        """Seconds since the connection was made."""
        return self._clock() - self._began

    @property
    def served_seconds(self) -> float:
        """For how long the broker has served this connection: until the last that came from it.

        0 where it has acknowledged nothing of what waits for that. A broker that is overloaded accepts connections and
        then answers nothing; a fleet that came back each time after the shortest wait would keep it so.
        """
        if self._in_flight and not self.taken:
            return 0.0
        return max(0.0, self._connection.last_received_monotonic - self._began)

    def room(self, reserved: int = 0) -> bool:
        """Return whether a message may be handed over now, with `reserved` places kept for others."""
        now = self._clock()
        if self.cautious and self._count:
            return not self._in_flight and now - self._began >= self._undeliverable.settle_seconds
        return len(self._in_flight) < self._size - reserved and not self._watch.stalled(now)

    @property
    def full(self) -> bool:
        """Whether only an acknowledgement, or the end of the connection, makes room."""
        return bool(self._in_flight) and not self.room()

    @property
    def seconds_to_next(self) -> float:
        """Seconds until there may be room or something to do by time alone; infinite for never."""
        now = self._clock()
        seconds = self._watch.seconds_to_next(now)
        settled = self._began + self._undeliverable.settle_seconds
        return min(seconds, settled - now) if self.cautious and settled > now else seconds

    def publish(self, message: OutgoingMessage, key: MessageKey = None, *, live: bool = False) -> int:
        """Hand `message` to the connection and return its message id; `key` identifies it, by default its topic.

        A message of QoS 0 that is longer than any that the broker has acknowledged on its topic is sent with QoS 1: a
        broker throws one that is too long for it away without a word otherwise. Raises UndeliverableError where the
        broker can never take it.
        """
        if not message.qos:
            acknowledged = replace(message, qos=1)
            longest = self._longest_bytes.get(message.topic, 0)
            if self.cautious or self._connection.packet_bytes(acknowledged) > longest:
                message = acknowledged
        packet_bytes = self._connection.packet_bytes(message)
        sent = Unacknowledged(message.topic if key is None else key, message.topic, packet_bytes)
        reason = self._undeliverable.refusal(sent)
        if reason is not None:
            raise UndeliverableError(reason)
        self._count += 1
        entry = _InFlight(self._count, sent, self._clock(), live)
        try:
            mid = self._connection.publish(message)
        except PacketTooLargeError as error:
            raise UndeliverableError(str(error)) from None
        except ConnectionLostError:
            self._unconfirmed.append(entry)
            raise
        if message.qos:
            self._in_flight[mid] = entry
            self._watch.sent(mid, entry.handed_monotonic)
        else:
            self._unconfirmed.append(entry)
        return mid

    def awaits(self, mid: int) -> bool:
        """Return whether an acknowledgement of the message `mid` is to come."""
        return mid in self._in_flight

    def take_acks(self) -> list[PublishAck]:
        """Return the acknowledgements since the last call."""
        acks = self._connection.take_publish_acks()
        now = self._clock()
        for ack in acks:
            self._watch.acknowledged(ack.mid)
            entry = self._in_flight.pop(ack.mid, None)
            if entry is None:
                continue
            self.taken += 1
            if ack.refusal is None:
                self._undeliverable.acknowledged(entry.message)
                topic, packet_bytes = entry.message.topic, entry.message.packet_bytes
                self._longest_bytes[topic] = max(packet_bytes, self._longest_bytes.get(topic, 0))
            elif attempts(ack.code) == 1:
                self._undeliverable.refused(entry.message, ack.code)
            # The broker handles the packets of a connection in order.
            self._unconfirmed = [one for one in self._unconfirmed if one.number > entry.number]
        self._unconfirmed = [one for one in self._unconfirmed if now - one.handed_monotonic < _UNCONFIRMED_SECONDS]
        self._undeliverable.lasted(now - self._began)
        return acks

    def serve(self) -> None:
        """Ping the broker where acknowledgements are overdue, and give the connection up where it hangs."""
        now = self._clock()
        if self._watch.ping_due(now):
            self._connection.ping()
        problem = self._watch.problem(now, self._connection.last_received_monotonic)
        if problem is not None:
            reason, self.broker_lives = problem
            raise ConnectionLostError(reason)

    def unacknowledged(self) -> list[Unacknowledged]:
        """Return the messages that the broker may not have handled, in the order in which they were handed over."""
        entries = sorted([*self._in_flight.values(), *self._unconfirmed], key=lambda entry: entry.number)
        return [entry.message for entry in entries]
