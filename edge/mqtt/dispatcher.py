"""Serves the message handlers on a connection: subscribes, passes on what arrives, publishes their messages."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

from edge.logs.outage import LogDeduplicator
from edge.messages.topics import topic_matches
from edge.mqtt.connection import Connection
from edge.mqtt.handlers import MessageHandler, SendQueue, filters_within
from edge.mqtt.send_window import SendWindow, UndeliverableError
from edge.mqtt.types import PacketTooLargeError

_LOG: Final = logging.getLogger(__name__)

_MAX_LOST_OVER_SUBSCRIPTION: Final = 3
"""Connections in a row that end while a subscription is unacknowledged. Some brokers answer a subscription that they
do not allow by closing the connection; from then on nothing is subscribed to, because events matter more than
requests."""


class SubscriptionPolicy:
    """Decides, over all connections of a process, whether the next one subscribes.

    `deduplicator`: keeps the log lines of handlers and their messages to one an hour each.
    """

    def __init__(self) -> None:
        self.deduplicator = LogDeduplicator()
        self.messages_refused = 0
        """Messages of handlers that the broker did not take."""
        self._lost_in_a_row = 0

    @property
    def may_subscribe(self) -> bool:
        """False once several connections in a row have ended over a subscription, until this process ends."""
        return self._lost_in_a_row < _MAX_LOST_OVER_SUBSCRIPTION

    def connection_ended(self, *, acknowledged: bool, pending: bool) -> None:
        """Count a connection that ended.

        `acknowledged`: it had subscriptions, and the broker acknowledged all of them. `pending`: it had one that the
        broker did not acknowledge, and nothing else.
        """
        if acknowledged:
            self._lost_in_a_row = 0
        elif pending:
            self._lost_in_a_row += 1
            if not self.may_subscribe:
                _LOG.warning(
                    "the broker closed %d connections in a row after a subscription; nothing is subscribed to until "
                    "the next start, so requests are not received",
                    self._lost_in_a_row,
                )


class HandlerDispatcher:
    """Serves the handlers on one connection: subscriptions, received messages, messages to publish.

    `wake` interrupts the publisher's wait. Messages leave through `window`. Nothing is subscribed to where `policy`
    does not allow it. Its methods raise ConnectionLostError.
    """

    def __init__(
        self,
        connection: Connection,
        window: SendWindow,
        handlers: Sequence[MessageHandler],
        wake: Callable[[], None],
        policy: SubscriptionPolicy,
    ) -> None:
        self._connection = connection
        self._window = window
        self._handlers = handlers
        self._policy = policy
        self._may_subscribe = policy.may_subscribe
        self._deduplicator = policy.deduplicator
        self._queue = SendQueue(wake)
        self.started = False
        """Whether `dispatch` was called."""
        self._subscribe_acks = 0
        self._subscribing: dict[int, list[str]] = {}  # filters of unacknowledged subscriptions, by message id
        self._unacknowledged: dict[int, str] = {}  # topics of unacknowledged messages, by message id

    @property
    def subscription_pending(self) -> bool:
        """Whether a subscription is not acknowledged yet."""
        return bool(self._subscribing)

    @property
    def subscriptions_acknowledged(self) -> bool:
        """Whether there were subscriptions, and the broker has acknowledged all of them."""
        return self._subscribe_acks > 0 and not self._subscribing

    @property
    def seconds_to_next(self) -> float:
        """Seconds until there is a message to send; infinite where none waits."""
        return self._queue.seconds_to_next()

    def publish_next(self) -> bool:
        """Hand the next message to the connection; False where none is due."""
        message = self._queue.take()
        if message is None:
            return False
        try:
            mid = self._window.publish(message)
        except UndeliverableError as error:
            self._policy.messages_refused += 1
            self._warn(f"a message to {message.topic} is dropped: {error}")
            return True
        if message.qos:
            self._unacknowledged[mid] = message.topic
        return True

    def acknowledged(self, mid: int, refusal: str | None) -> bool:
        """Handle the acknowledgement of message `mid`; False where no handler published that one."""
        topic = self._unacknowledged.pop(mid, None)
        if topic is not None and refusal is not None:
            self._policy.messages_refused += 1
            self._warn(f"the broker refused a message to {topic}: {refusal}")
        return topic is not None

    def dispatch(self) -> None:
        """Handle acknowledged subscriptions and received messages. The first call subscribes and calls `connected`."""
        if not self.started:
            self._start()
        for ack in self._connection.take_subscribe_acks():
            filters = self._subscribing.pop(ack.mid, [])
            self._subscribe_acks += 1
            for name, refusal in zip(filters, ack.refusals, strict=False):
                if refusal is not None:
                    self._warn(f"the broker refused the subscription to {name}: {refusal}", name)
            if any(refusal is None and not qos for refusal, qos in zip(ack.refusals, ack.qos, strict=False)):
                _LOG.debug("the broker delivers %s with QoS 0: a message may be lost on the way", ", ".join(filters))
        for message in self._connection.take_received():
            for handler in self._handlers:
                if any(topic_matches(name, message.topic) for name in handler.filters):
                    self._call(handler, handler.received, message, self._queue.publish)

    def close(self) -> None:
        """Drop what waits: the connection has ended."""
        lost = self._queue.close()
        if lost:
            _LOG.debug("%d message(s) of handlers were not sent before the connection ended", lost)

    def _start(self) -> None:
        self.started = True
        for handler in self._handlers:
            filters = filters_within(handler, self._connection.limits) if self._may_subscribe else []
            if filters:
                try:
                    self._subscribing[self._connection.send_subscribe(filters)] = filters
                except PacketTooLargeError as error:
                    self._warn(f"nothing is subscribed to as {', '.join(filters)}: {error}", filters[0])
            self._call(handler, handler.connected, self._queue.publish)

    def _call(self, handler: MessageHandler, method: Callable[..., None], *arguments: object) -> None:
        """Call `method` of `handler`; a failure is logged once an hour, and the handler stays in use."""
        try:
            method(*arguments)
        except Exception as error:  # noqa: BLE001 - a failing handler must not cost an event
            name = type(handler).__name__
            if self._deduplicator.new(f"{name} failed", time.monotonic()):
                _LOG.exception("%s failed on a message or connection; events are still published", name)
            else:
                _LOG.debug("%s failed again: %s", name, error)

    def _warn(self, sentence: str, what: str = "message") -> None:
        """Log the first loss of each kind within an hour as a warning: clients may choose any number of topics."""
        news = self._deduplicator.new(what, time.monotonic())
        _LOG.log(logging.WARNING if news else logging.DEBUG, "%s", sentence)
