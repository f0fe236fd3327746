"""The correspondents' part of a connection, beside the sensor's own topics."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

from edge.logs.outage import LogDeduplicator
from edge.messages.topics import matches
from edge.mqtt.connection import Connection
from edge.mqtt.handlers import MessageHandler, SendQueue

_LOG: Final = logging.getLogger(__name__)

_MOST_CUT_OFF: Final = 3
"""Connections in a row that end over a subscription. Some brokers answer one that they do not allow by
hanging up; from then on nothing is subscribed to, because events matter more than being asked."""

_OVERHEAD_BYTES: Final = 32
"""Packet type, lengths, id and property tags around topic and payload; fewer than that."""


class SubscriptionPolicy:
    """What outlasts a connection: whether it is worth to subscribe at the next one, and what was said of it."""

    def __init__(self) -> None:
        self.told = LogDeduplicator()
        self._cut_off = 0

    @property
    def left(self) -> bool:
        """False once connections in a row have ended over a subscription, until this process ends."""
        return self._cut_off < _MOST_CUT_OFF

    def ended(self, correspondence: "HandlerDispatcher") -> None:
        """A connection has ended."""
        if correspondence.answered:
            self._cut_off = 0
        elif correspondence.unanswered:
            self._cut_off += 1
            if not self.left:
                _LOG.warning("the broker hangs up whenever it is asked for a subscription: requests are not heard")


class HandlerDispatcher:
    """The correspondents' part in one conversation. `wake` interrupts the publisher's wait.

    Without `patience` nothing is subscribed to. Its methods raise ConnectionGoneError.
    """

    def __init__(
        self,
        connection: Connection,
        correspondents: Sequence[MessageHandler],
        wake: Callable[[], None],
        patience: SubscriptionPolicy,
    ) -> None:
        self._connection = connection
        self._correspondents = correspondents
        self._listen = patience.left
        self._box = SendQueue(wake)
        self._begun = False
        self._answers = 0
        self._asked: dict[int, list[str]] = {}  # subscriptions that the broker has not answered
        self._mids: dict[int, str] = {}  # topics of messages that it has not acknowledged
        self._told = patience.told

    @property
    def under_way(self) -> int:
        """Messages of QoS 1 that the broker has not acknowledged."""
        return len(self._mids)

    @property
    def unanswered(self) -> bool:
        """Whether the broker owes the answer to a subscription."""
        return bool(self._asked)

    @property
    def answered(self) -> bool:
        """Whether it has answered every one that there was."""
        return self._answers > 0 and not self._asked

    @property
    def seconds_to_next(self) -> float:
        """How long until there is something to send; infinite where nothing is waited for."""
        return self._box.seconds_to_next()

    def publish_next(self) -> bool:
        """Hand the next message to the connection; False where none is due."""
        message = self._box.take()
        if message is None:
            return False
        size = _OVERHEAD_BYTES + len(message.topic.encode()) + len(message.payload) + len(message.correlation or b"")
        largest = self._connection.packet_maximum
        if size > largest:
            self._report(f"a message of {size} bytes to {message.topic} is lost: the broker takes {largest}")
            return True
        mid = self._connection.publish(message)
        if message.qos:
            self._mids[mid] = message.topic
        return True

    def settled(self, mid: int, refusal: str | None) -> bool:
        """The broker answered for `mid`; False where that is no message of ours."""
        topic = self._mids.pop(mid, None)
        if topic is not None and refusal is not None:
            self._report(f"the broker refuses a message to {topic}: {refusal}")
        return topic is not None

    def attend(self) -> None:
        """Hand out what came, and hear what became of the subscriptions. The first call begins it all."""
        if not self._begun:
            self._begin()
        for answer in self._connection.take_subscribed():
            filters = self._asked.pop(answer.mid, [])
            self._answers += 1
            for name, refusal in zip(filters, answer.refusals, strict=False):
                if refusal is not None:
                    self._report(f"the broker refuses the subscription to {name}: {refusal}", name)
        for message in self._connection.take_received():
            for number, one in enumerate(self._correspondents):
                if any(matches(name, message.topic) for name in one.filters):
                    self._try(number, one.received, message, self._box.post)

    def end(self) -> None:
        """The connection is gone."""
        lost = self._box.close()
        if lost:
            _LOG.debug("%d message(s) besides the sensor's own topics were not sent", lost)

    def _begin(self) -> None:
        """Subscribe, and tell the correspondents that there is a connection."""
        self._begun = True
        for number, correspondent in enumerate(self._correspondents):
            filters = list(correspondent.filters) if self._listen else []
            if filters:
                self._asked[self._connection.ask_subscription(filters)] = filters
            self._try(number, correspondent.connected, self._box.post)

    def _try(self, number: int, work: Callable[..., None], *arguments: object) -> None:
        """Call a correspondent; one that fails is told of once an hour, and goes on."""
        try:
            work(*arguments)
        except Exception as error:  # noqa: BLE001 - no failure of theirs may cost an event
            name = type(self._correspondents[number]).__name__
            if self._told.new(f"{name} failed", time.monotonic()):
                _LOG.exception("%s failed; the sensor goes on without its answer", name)
            else:
                _LOG.debug("%s failed again: %s", name, error)

    def _report(self, sentence: str, what: str = "message") -> None:
        """Log the first loss of a kind within an hour as a warning: topics may be anybody's choice, and many."""
        news = self._told.new(what, time.monotonic())
        _LOG.log(logging.WARNING if news else logging.DEBUG, "%s", sentence)
