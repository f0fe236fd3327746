"""Decides what to subscribe to, and when all that a broker keeps has arrived. Pure: the time comes in as an argument.

A broker sends all retained messages of a subscription at once, and drops those for which its queue has no room:
mosquitto 2.0.11 with its defaults sends the first 1,020 of 20,000 with QoS 1, and 12,600 with QoS 0, whose queue begins
where the socket is full. Others, as RabbitMQ, send none at all for a filter with a wildcard. So this asks for one kind
of message after another, and then for each topic of which nothing came, by its name, a few at a time.
"""

from collections.abc import Iterable
from typing import Final

from edge.commands.fleet.devices import Device
from edge.messages.topics import Kind, subscription

QUIET_SECONDS: Final = 1.0
"""Time without a retained message after which all have arrived."""
MOST_SECONDS: Final = 30.0
"""Longest time to collect: a broker that still sends then is shown as far as it has come."""
_STEPS_PER_QUIET: Final = 3
"""In so many parts of that time the next is asked for already: what comes later is taken as well."""
_TOPICS_AT_ONCE: Final = 250
"""Topics that are asked for by name at once: a quarter of the queue that mosquitto has by default."""
KEPT_KINDS: Final[tuple[Kind, ...]] = ("status", "info", "health", "state")
"""What is asked for, the shortest first: it names all devices."""


class Collection:
    """Follows what arrives on one connection.

    `now` is in seconds on one clock that does not go backwards. `least_seconds`, `most_seconds`: how long to collect.
    `quiet_seconds`: see QUIET_SECONDS.
    """

    def __init__(
        self,
        base: str,
        now: float,
        *,
        least_seconds: float = 0.0,
        most_seconds: float = MOST_SECONDS,
        quiet_seconds: float = QUIET_SECONDS,
    ) -> None:
        self._base = base
        self._least_seconds = least_seconds
        self._most_seconds = max(most_seconds, least_seconds)
        self._quiet_seconds = quiet_seconds
        self._step_seconds = quiet_seconds / _STEPS_PER_QUIET
        self.restart(now)

    @property
    def first_filters(self) -> list[str]:
        """What to subscribe to at the beginning of a connection."""
        return [subscription(self._base, KEPT_KINDS[0])]

    def restart(self, now: float) -> None:
        """Begin again, on a new connection."""
        self._began = self._moved = now
        self._kinds = list(KEPT_KINDS[1:])
        self._looked: float | None = None
        self._to_ask: list[str] = []
        self._asked: set[str] = set()
        self._outstanding: set[str] = set()

    def received(self, topic: str, now: float, *, retained: bool) -> None:
        """Record a message. Those that are published meanwhile never end, and do not count."""
        if retained:
            self._moved = now
            self._outstanding.discard(topic)

    def next_filters(self, devices: Iterable[Device], now: float) -> list[str]:
        """Return what to subscribe to now; nothing while what was asked for still arrives."""
        answered = bool(self._to_ask) and not self._outstanding
        if not answered and now - self._moved < self._step_seconds:
            return []
        if self._kinds:
            self._moved = now
            return [subscription(self._base, self._kinds.pop(0))]
        if not self._to_ask and (self._looked is None or now - self._looked >= self._step_seconds):
            # Again and again: a device may have shown itself meanwhile.
            self._looked, self._to_ask = now, self._missing(devices)
        if not self._to_ask:
            return []
        asked, self._to_ask = self._to_ask[:_TOPICS_AT_ONCE], self._to_ask[_TOPICS_AT_ONCE:]
        self._moved, self._outstanding = now, set(asked)
        self._asked.update(asked)
        return asked

    def complete(self, now: float) -> bool:
        """Return whether nothing more is waited for."""
        return now - self._began >= self._most_seconds or self.all_arrived(now)

    def all_arrived(self, now: float) -> bool:
        """Return whether nothing more is expected; false where the time was over before."""
        asked = self._looked is not None and not self._to_ask
        return asked and now - self._began >= self._least_seconds and now - self._moved >= self._quiet_seconds

    def _missing(self, devices: Iterable[Device]) -> list[str]:
        """Return the topics of which nothing came, and which were not asked for by name on this connection."""
        return [
            topic
            for device in devices
            for kind in KEPT_KINDS
            if kind not in device.received and (topic := f"{self._base}/{device.name}/{kind}") not in self._asked
        ]
