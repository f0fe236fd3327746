"""Finds out, beside a connection to a later broker, whether an earlier one accepts this sensor again."""

import logging
import random
import secrets
import threading
import time
from collections.abc import Callable
from typing import Final

from edge.mqtt.connector import Connector
from edge.mqtt.errors import ConnectFailedError
from edge.mqtt.settings import BrokerSettings

_LOG: Final = logging.getLogger(__name__)

_SPREAD: Final = 0.5
"""Share of the time by which it is lengthened at random: a fleet that lost a broker together goes back one by one."""


class BrokerReturn:
    """Tries the earlier brokers while a connection to a later one works.

    Each attempt is a whole connection, in a thread of its own, with a client id that begins with the sensor's and
    without a will, so that neither the sensor's connection nor its status is touched. `seconds`: time between two
    attempts, at least; 0: none is made. `clock`: as `time.monotonic`.
    """

    def __init__(self, connector: Connector, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._connector = connector
        self._seconds = seconds
        self._clock = clock
        self._due = 0.0
        self._earlier: tuple[BrokerSettings, ...] = ()
        self._thread: threading.Thread | None = None
        self._found: BrokerSettings | None = None
        self.attempts = 0
        """Attempts that have ended."""

    def connected(self) -> None:
        """Note that a connection was made."""
        brokers = self._connector.brokers
        used = self._connector.settings
        self._earlier = brokers[: brokers.index(used)] if self._seconds else ()
        self._found = None
        self._plan()

    def found(self) -> BrokerSettings | None:
        """Return an earlier broker that can be used; None where none is known. Starts an attempt where one is due."""
        if not self._earlier or (self._thread is not None and self._thread.is_alive()):
            return None
        if self._found is None and self._clock() >= self._due:
            self._plan()
            self._thread = threading.Thread(target=self._try, args=(self._earlier,), name="broker-return", daemon=True)
            self._thread.start()
            return None
        return self._found

    def _plan(self) -> None:
        self._due = self._clock() + self._seconds * random.uniform(1, 1 + _SPREAD)

    def _try(self, earlier: tuple[BrokerSettings, ...]) -> None:
        usable = self._first_usable(earlier)
        # A connection that was made meanwhile has other earlier brokers.
        if earlier is self._earlier:
            self._found = usable
        self.attempts += 1

    def _first_usable(self, earlier: tuple[BrokerSettings, ...]) -> BrokerSettings | None:
        for settings in earlier:
            client_id = f"{self._connector.client_id}-return-{secrets.token_hex(4)}"
            try:
                connection = self._connector.negotiator_beside(settings, client_id).connect(None, lambda: False)
            except ConnectFailedError as error:
                _LOG.debug("the earlier broker cannot be used yet: %s", error)
                continue
            with connection:
                connection.close()
            return settings
        return None
