"""What is said over one connection, from `online` to `stopped`."""

import logging
import math
import threading
import time
from collections.abc import Callable
from socket import socket
from typing import Final

from edge.messages.topics import STOPPED, Kind, Topics
from edge.mqtt.connection import Connection
from edge.mqtt.correspondence import HandlerDispatcher
from edge.mqtt.outbox.outbox import Outbox
from edge.mqtt.types import ConnectionGoneError, OutgoingMessage, PublishAck
from edge.pacing import TokenBucket

_LOG: Final = logging.getLogger(__name__)

_WINDOW: Final = 16
"""Messages of QoS 1 under way at once. Enough to fill a link with a long round trip, below the 20
that common brokers take, and few to come twice when a connection breaks."""

STOPPED_ACK_SECONDS: Final = 2.0
"""How long the acknowledgement of `stopped` may take, on top of the drain."""


class ShutdownDeadline:
    """When to stop: not at all at first, then once all is delivered or the time for it is up."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self._deadline = math.inf

    def begin(self, drain_seconds: float) -> None:
        """Stop within `drain_seconds`; a later call can only shorten the time."""
        self._deadline = min(self._deadline, time.monotonic() + drain_seconds)
        self.begun.set()

    @property
    def seconds_left(self) -> float:
        """Until the time is up, never negative; infinite as long as there is no limit."""
        return max(0.0, self._deadline - time.monotonic())

    @property
    def over(self) -> bool:
        """The time is up."""
        return self.seconds_left == 0


class PublishLoop:
    """Publishes what is `pending` over `connection`.

    Of a backlog `pending.replay_per_second` leave, after a first window full; once the end has begun only the
    window counts. `answered` is called with the kind of a message and what the broker says to it, None where it
    takes that, else a sentence, and may raise BrokerError to end it here. Once `online` is taken `correspondence`
    begins, and where something of its waits, one place of the window is kept for it.
    """

    def __init__(
        self,
        connection: Connection,
        topics: Topics,
        pending: Outbox,
        correspondence: HandlerDispatcher,
        answered: Callable[[Kind, str | None], None],
    ) -> None:
        self._connection = connection
        self._topics = topics
        self._pending = pending
        self._correspondence = correspondence
        self._answered = answered
        self._online = False  # the broker has taken our status
        self._window = max(1, min(_WINDOW, connection.receive_maximum))
        self._pacer = TokenBucket(pending.replay_per_second, self._window)
        self._paced = False  # the next event has to wait for its turn
        self._hurry = False
        self._retained_mids: dict[int, Kind] = {}
        self._event_mids: set[int] = set()
        self._all_retained_out = False

    def run(self, ending: ShutdownDeadline, wake: socket, turn: Callable[[], None]) -> None:
        """Talk until `ending`, then retain `stopped` and disconnect; `turn` is called at least once a second.

        Raises ConnectionGoneError, and BrokerError where the broker refuses our very status.
        """
        try:
            while True:
                turn()
                self._hurry = ending.begun.is_set()
                self._publish()
                if ending.begun.is_set() and (self._delivered() or ending.over):
                    break
                self._connection.poll(min(ending.seconds_left, self._seconds_to_turn()), wake)
                self._take_answers()
                if self._online:
                    self._correspondence.attend()
            self._say_stopped()
        finally:
            # An acknowledgement that came right before the end of the connection is one.
            self._take_answers()
            self._correspondence.end()
        self._connection.close()

    def _under_way(self) -> int:
        return len(self._retained_mids) + len(self._event_mids) + self._correspondence.under_way

    def _delivered(self) -> bool:
        settled = self._all_retained_out and not self._under_way() and self._pending.depth == 0
        return settled and self._correspondence.seconds_to_next > 0

    def _publish(self) -> None:
        self._all_retained_out = False
        while self._under_way() < self._window:
            retained = self._pending.take_retained()
            if retained is None:
                self._all_retained_out = True
                break
            self._publish_retained(*retained)
        # A post that is due finds a place, however many events there are; retained words go before it.
        kept_free = int(self._correspondence.seconds_to_next == 0)
        self._paced = False
        while self._under_way() < self._window - kept_free and self._pending.hand_next(
            self._publish_event, self._may_replay
        ):
            pass
        while self._all_retained_out and self._under_way() < self._window and self._correspondence.publish_next():
            pass

    def _may_replay(self) -> bool:
        self._paced = not self._hurry and not self._pacer.take()
        return not self._paced

    def _seconds_to_turn(self) -> float:
        seconds = self._pacer.seconds_to_next() if self._paced else math.inf
        # With the window full only an answer helps, and that ends the wait by itself.
        return min(seconds, self._correspondence.seconds_to_next if self._under_way() < self._window else math.inf)

    def _publish_retained(self, kind: Kind, payload: bytes) -> None:
        # Health is stale by the time it could be sent again: QoS 0.
        qos: Final = 0 if kind == "health" else 1
        mid = self._connection.publish(OutgoingMessage(self._topics.of(kind), payload, qos, retain=True))
        if qos:
            self._retained_mids[mid] = kind

    def _publish_event(self, payload: bytes) -> int:
        mid = self._connection.publish(OutgoingMessage(self._topics.event, payload, 1, retain=False))
        self._event_mids.add(mid)
        return mid

    def _take_answers(self) -> None:
        for answer in self._connection.take_answers():
            if answer.mid in self._event_mids:
                self._event_mids.remove(answer.mid)
                self._pending.settled(answer.mid, accepted=answer.refusal is None)
                self._report("event", answer)
            elif answer.mid in self._retained_mids:
                kind = self._retained_mids.pop(answer.mid)
                self._report(kind, answer)
            else:
                self._correspondence.settled(answer.mid, answer.refusal)

    def _report(self, kind: Kind, answer: PublishAck) -> None:
        refusal = answer.refusal
        sentence = None if refusal is None else f"the broker refuses messages to {self._topics.of(kind)}: {refusal}"
        if kind == "status":
            self._online = sentence is None
        self._answered(kind, sentence)

    def _say_stopped(self) -> None:
        farewell = OutgoingMessage(self._topics.status, STOPPED.encode(), 1, retain=True)
        mid = self._connection.publish(farewell)
        self._retained_mids[mid] = "status"
        until = time.monotonic() + STOPPED_ACK_SECONDS
        while mid in self._retained_mids:
            left = until - time.monotonic()
            if left <= 0:
                msg = "it did not acknowledge our good-bye"
                raise ConnectionGoneError(msg)
            self._connection.poll(left)
            self._take_answers()
