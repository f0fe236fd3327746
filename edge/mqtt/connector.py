"""Opens connections to the first broker that can be used, with the newest version of MQTT that it supports."""

import logging
import socket
import time
from collections.abc import Callable, Sequence
from typing import Final

from edge.logs.outage import LogDeduplicator
from edge.mqtt.connection import Connection
from edge.mqtt.errors import ConnectFailedError
from edge.mqtt.settings import BrokerSettings
from edge.mqtt.types import OutgoingMessage, ProtocolVersion

_LOG: Final = logging.getLogger(__name__)


class Connector:
    """Opens connections to the brokers of `brokers`, tried in their order.

    The other parameters are those of `Connection`.
    """

    def __init__(
        self,
        brokers: Sequence[BrokerSettings],
        client_id: str,
        will: OutgoingMessage | None = None,
        *,
        largest_bytes: int | None = None,
    ) -> None:
        self.brokers = tuple(brokers)
        self._current = self.brokers[0]
        self._client_id = client_id
        self._will = will
        self._largest_bytes = largest_bytes
        self._skipped = LogDeduplicator()

    @property
    def settings(self) -> BrokerSettings:
        """Settings of the broker of the last connection; before the first, of the one tried first."""
        return self._current

    def connect(self, wake: socket.socket | None = None, abort: Callable[[], bool] = lambda: False) -> Connection:
        """Return an open connection; `wake` and `abort` as in `Connection.open`.

        Each call starts with the first broker and the newest version again: the broker may be back, or have been
        updated. `abort` is also called before each further broker. Raises ConnectFailedError where none can be used;
        it is permanent where each failure is.
        """
        failures: list[ConnectFailedError] = []
        for settings in self.brokers:
            if failures and abort():
                break
            try:
                connection = self._negotiate(settings, wake, abort)
            except ConnectFailedError as error:
                failures.append(error)
                continue
            self._current = settings
            self._log_skipped(failures, settings)
            return connection
        if len(failures) == 1:
            raise failures[0]
        sentence = "no broker can be used: " + "; ".join(str(failure) for failure in failures)
        raise ConnectFailedError(sentence, permanent=all(failure.permanent for failure in failures))

    def _log_skipped(self, failures: Sequence[ConnectFailedError], used: BrokerSettings) -> None:
        for failure in failures:
            if self._skipped.new(str(failure), time.monotonic()):
                _LOG.warning("%s; the broker at %s is used instead", failure, used.broker)

    def _negotiate(self, settings: BrokerSettings, wake: socket.socket | None, abort: Callable[[], bool]) -> Connection:
        """Return a connection with the newest version. Raises ConnectFailedError with the reason of the last tried."""
        *newer, last = ProtocolVersion
        for protocol in newer:
            try:
                return self._open(settings, protocol, wake, abort)
            except ConnectFailedError as error:
                if not error.protocol_refused:
                    raise
                _LOG.debug("%s", error)
        return self._open(settings, last, wake, abort)

    def _open(
        self,
        settings: BrokerSettings,
        protocol: ProtocolVersion,
        wake: socket.socket | None,
        abort: Callable[[], bool],
    ) -> Connection:
        connection = Connection(settings, self._client_id, self._will, protocol, largest_bytes=self._largest_bytes)
        try:
            connection.open(wake, abort)
        except BaseException:
            connection.__exit__()
            raise
        return connection
