"""Opens connections to one broker, with the newest version of MQTT and the best will that it supports."""

import logging
import math
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from edge.mqtt.connection import Connection
from edge.mqtt.errors import ConnectFailedError
from edge.mqtt.learned_limits import LearnedLimits
from edge.mqtt.settings import BrokerSettings
from edge.mqtt.types import OutgoingMessage, ProtocolVersion, Session

_LOG: Final = logging.getLogger(__name__)

OLDER_SECONDS: Final = 3600.0
"""How long a broker that took only the oldest version is not asked for a newer one. Each such CONNECT is one more
connection, and costs RabbitMQ 3.10 a hundred lines in its log: after the loss of a node, 2,000 sensors kept the other
two busy with that. So long an updated broker is used as before."""

LONGEST_ANSWER_SECONDS: Final = 30.0
"""Longest wait for CONNACK; each that did not come in time doubles the next wait up to this. What is given up too soon
the broker has to do again: 2,000 sensors that gave RabbitMQ five seconds each time kept it from ever answering one."""


@dataclass(slots=True)
class OlderOnly:
    """Remembers, for all addresses of one client, that one of them took only the oldest version.

    They are mostly the nodes of one cluster. `until`: up to this time of the clock none is asked for a newer version,
    unless it has taken one before.
    """

    until: float = -math.inf


class Negotiator:
    """Opens connections to the broker of `settings`. The parameters are those of `Connection`.

    `learned` keeps what the broker has refused, for all later connections. `older` is shared with those of the
    other addresses. `clock`: as `time.monotonic`.
    """

    def __init__(  # noqa: PLR0913 - those of `Connection`, and two of its own
        self,
        settings: BrokerSettings,
        client_id: str,
        will: OutgoingMessage | None,
        *,
        largest_bytes: int | None,
        session: Session | None = None,
        older: OlderOnly | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.learned = LearnedLimits()
        self._client_id = client_id
        self._will = will
        self._largest_bytes = largest_bytes
        self._session = session
        self._clock = clock
        self._older = older or OlderOnly()
        self._answer_seconds = settings.connect_seconds
        self._takes_newer = False  # it is asked for a newer version, whatever the others take
        self._wake: socket.socket | None = None
        self._abort: Callable[[], bool] = lambda: False

    def connect(self, wake: socket.socket | None, abort: Callable[[], bool]) -> Connection:
        """Return an open connection; `wake` and `abort` as in `Connection.open`.

        Raises ConnectFailedError with the reason of the last version tried.
        """
        self._wake, self._abort = wake, abort
        try:
            return self._newest()
        except ConnectFailedError as error:
            # Brokers with MQTT 3.1.1 have no word for a will that they do not take: they close the connection.
            unexplained = error.protocol_refused and error.code is None
            if not unexplained or self.learned.will(self._will) is None or abort() or not self._learn_will():
                raise
        return self._newest()

    def _newest(self) -> Connection:
        *newer, last = ProtocolVersion
        if not self._takes_newer and self._clock() < self._older.until:
            try:
                return self._open(last)
            except ConnectFailedError as error:
                if error.protocol_refused:  # it is another broker by now; the next attempt asks for all versions
                    self._older.until = -math.inf
                raise
        for protocol in newer:
            try:
                connection = self._open(protocol)
            except ConnectFailedError as error:
                if not error.protocol_refused:
                    raise
                _LOG.debug("%s", error)
            else:
                self._takes_newer = True
                return connection
        connection = self._open(last)
        self._takes_newer = False
        self._older.until = self._clock() + OLDER_SECONDS
        return connection

    def _open(self, protocol: ProtocolVersion) -> Connection:
        """Open a connection, with a lesser will where CONNACK names the will as the reason of a refusal."""
        while True:
            will = self.learned.will(self._will)
            connection = Connection(
                replace(self.settings, connect_seconds=self._answer_seconds),
                self._client_id,
                will,
                protocol,
                largest_bytes=self._largest_bytes,
                session=self._session,
            )
            try:
                connection.open(self._wake, self._abort)
            except BaseException as error:
                connection.__exit__()
                if isinstance(error, ConnectFailedError) and error.unanswered:
                    longest = max(LONGEST_ANSWER_SECONDS, self.settings.connect_seconds)
                    self._answer_seconds = min(2 * self._answer_seconds, longest)
                if isinstance(error, ConnectFailedError) and self.learned.connect_refused(error.code, will):
                    _LOG.debug("%s; trying a lesser will", error)
                    continue
                raise
            self._answer_seconds = self.settings.connect_seconds
            connection.limits = connection.limits.and_also(self.learned.limits)
            return connection

    def _learn_will(self) -> bool:
        """Find out whether the broker closes connections over the will; False where it closes them without as well."""
        wanted, without, not_retained = self.learned, LearnedLimits(), LearnedLimits()
        without.limits = wanted.limits
        without.takes_will = False
        not_retained.limits = replace(wanted.limits, retain=False)
        if not self._opens(without):
            self.learned = wanted
            return False
        # The broker may only have been starting, so the best will is tried again.
        return self._opens(wanted) or self._opens(not_retained) or self._opens(without)

    def _opens(self, learned: LearnedLimits) -> bool:
        """Try a connection with `learned`, which stays in use."""
        self.learned = learned
        try:
            connection = self._newest()
        except ConnectFailedError:
            return False
        connection.close()
        connection.__exit__()
        return True
