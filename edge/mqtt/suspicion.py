"""Finds the message over which a broker ends the connection, and the second client that takes it over. Pure.

MQTT 3.1.1 has no word for "too long" or "not allowed": a broker closes the connection. Sent again over each new one,
such a message would block all others for ever. So after a connection that ended over unacknowledged messages each of
them is sent alone, and one over which several connections in a row end is never sent again.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

from edge.mqtt.reason_codes import PACKET_TOO_LARGE

STRIKES: Final = 3
"""Connections in a row that must end over a message that was sent alone. On a network that breaks by chance a message
is unacknowledged for milliseconds, so three times in a row is no chance."""

SETTLE_SECONDS: Final = 1.0
"""A connection must have lasted this long before anything but the status is sent alone on it, so that a broker which
throws out every client at once is not taken for one that throws out a message."""

_TRUST_SECONDS: Final = 30.0
"""A connection that lasts this long ends the suspicion, whatever became of the messages."""

_TAKEOVERS: Final = 3
"""Short connections in a row, closed by the broker without a reason, after which a second client is likely."""

_SHORT_SECONDS: Final = 60.0
"""Two clients with one id throw each other out within the waits before they connect again, which are shorter."""

MessageKey = Hashable
"""Identity of a message over all connections: (boot id, seq) of an event, else its topic."""


@dataclass(frozen=True, slots=True)
class Unacknowledged:
    """A message that the broker has not acknowledged; `packet_bytes`: length of its packet."""

    key: MessageKey
    topic: str
    packet_bytes: int


class UndeliverableMessages:
    """Decides, over all connections of a process, how carefully messages are sent and which are sent no more.

    `settle_seconds`: see `SETTLE_SECONDS`.
    """

    def __init__(self, settle_seconds: float = SETTLE_SECONDS) -> None:
        self.settle_seconds = settle_seconds
        self._suspects: set[MessageKey] = set()
        self._strikes: dict[MessageKey, int] = {}
        self._shortest_refused: dict[str, int] = {}  # packet length by topic
        self._longest_taken: dict[str, int] = {}  # packet length by topic
        self._refused_keys: set[MessageKey] = set()
        self._refused_topics: set[str] = set()
        self._refused_now: set[str] = set()  # topics that the broker has refused on this connection

    @property
    def cautious(self) -> bool:
        """Whether each message is sent alone, and the next only after its acknowledgement."""
        return bool(self._suspects)

    @property
    def nearly_sure(self) -> bool:
        """Whether one more connection decides."""
        return STRIKES - 1 in self._strikes.values()

    def refusal(self, message: Unacknowledged) -> str | None:
        """Return why `message` is not to be sent, as a part of a sentence; None where it may be."""
        if message.key in self._refused_keys and message.key != message.topic:
            return f"the broker ends the connection over this message to {message.topic}"
        if message.topic in self._refused_topics or message.key in self._refused_keys:
            return f"the broker ends the connection over messages to {message.topic}"
        limit = self._shortest_refused.get(message.topic)
        if limit is not None and message.packet_bytes >= limit:
            return f"the broker does not take a packet of {limit} bytes to {message.topic}"
        return None

    def acknowledged(self, message: Unacknowledged) -> None:
        """Record that the broker took `message`."""
        self._suspects.discard(message.key)
        self._strikes.pop(message.key, None)
        longest = self._longest_taken.get(message.topic, 0)
        self._longest_taken[message.topic] = max(longest, message.packet_bytes)

    def refused(self, message: Unacknowledged, code: int) -> None:
        """Record that the broker has refused `message` for good, with the reason code `code`."""
        self._suspects.discard(message.key)
        self._strikes.pop(message.key, None)
        if code == PACKET_TOO_LARGE:
            self._limit_length(message)
        else:
            self._refused_now.add(message.topic)

    def lasted(self, connected_seconds: float) -> None:
        """Record that a connection has lasted for this long."""
        if self._suspects and connected_seconds >= _TRUST_SECONDS:
            self._suspects.clear()
            self._strikes.clear()

    def connection_ended(  # noqa: PLR0913 - each is a circumstance of one end
        self,
        unacknowledged: Sequence[Unacknowledged],
        *,
        by_broker: bool,
        code: int | None = None,
        subscription_pending: bool = False,
        others_taken: bool = True,
        silent: bool = False,
    ) -> Unacknowledged | None:
        """Handle the end of a connection; returns the message that is sent no more from here on, None where none is.

        `by_broker`: the broker ended it, or lived and did not acknowledge; an end by the network proves nothing.
        `code`: reason code of the broker's DISCONNECT. `subscription_pending`: a subscription was unacknowledged,
        too. `others_taken`: the broker had acknowledged another message on this connection; without, it may be one
        that takes nothing at present. `silent`: it lived and did not acknowledge. Some brokers hold acknowledgements
        back while their storage is down, so that counts only against a message longer than any that was taken.
        """
        refused, self._refused_now = self._refused_now, set()
        if by_broker:
            # mosquitto 2.0 refuses a message for lack of rights, and then ends the connection as well.
            self._refused_topics |= refused - self._longest_taken.keys()
        if not by_broker or not unacknowledged:
            return None
        if code == PACKET_TOO_LARGE:
            culprit = max(unacknowledged, key=lambda message: message.packet_bytes)
            self._refuse(culprit, too_long=True)
            return culprit
        self._suspects.update(message.key for message in unacknowledged)
        if len(unacknowledged) > 1 or subscription_pending:
            self._strikes.clear()
            return None
        (only,) = unacknowledged
        longest = self._longest_taken.get(only.topic, 0)
        if not others_taken or (silent and not 0 < longest < only.packet_bytes):
            return None
        strikes = self._strikes.get(only.key, 0) + 1
        self._strikes = {only.key: strikes}
        if strikes < STRIKES:
            return None
        self._refuse(only, too_long=only.packet_bytes > longest)
        return only

    def _refuse(self, message: Unacknowledged, *, too_long: bool) -> None:
        self._suspects.discard(message.key)
        self._strikes.pop(message.key, None)
        if not too_long or message.key != message.topic:
            # Also where it is too long: its length is another one with each time of sending.
            self._refused_keys.add(message.key)
        if not too_long:
            return
        if message.topic in self._shortest_refused and message.topic not in self._longest_taken:
            # A second one, and none was ever taken: the length is not the reason.
            self._refused_topics.add(message.topic)
        self._limit_length(message)

    def _limit_length(self, message: Unacknowledged) -> None:
        shortest = self._shortest_refused.get(message.topic, message.packet_bytes)
        self._shortest_refused[message.topic] = min(shortest, message.packet_bytes)


class TakeoverSuspicion:
    """Counts connections that a broker with MQTT 3.1.1 closes for no visible reason, as it does for a second client."""

    def __init__(self) -> None:
        self._in_a_row = 0

    def connection_ended(self, seconds: float, *, by_broker: bool, explained: bool) -> bool:
        """Count a connection that ended after `seconds`; returns whether a second client with the id is likely.

        `explained`: the broker gave a reason, or a message or subscription was unacknowledged.
        """
        if not by_broker or explained or seconds > _SHORT_SECONDS:
            self._in_a_row = 0
            return False
        self._in_a_row += 1
        return self._in_a_row >= _TAKEOVERS
