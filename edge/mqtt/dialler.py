"""Opens connections to a broker."""

import logging
import socket
from collections.abc import Callable
from typing import Final

from edge.mqtt.connection import Connection
from edge.mqtt.errors import ConnectFailedError
from edge.mqtt.settings import BrokerSettings
from edge.mqtt.types import OutgoingMessage, ProtocolVersion

_LOG: Final = logging.getLogger(__name__)


class Connector:
    """Opens connections with the best version of MQTT that the broker speaks.

    `largest_bytes`: bound of what the broker may send us; see `Connection`.
    """

    def __init__(
        self,
        access: BrokerSettings,
        client_id: str,
        will: OutgoingMessage | None = None,
        *,
        largest_bytes: int | None = None,
    ) -> None:
        self.access = access
        self._client_id = client_id
        self._will = will
        self._largest_bytes = largest_bytes

    def connect(self, wake: socket.socket | None = None, abort: Callable[[], bool] = lambda: False) -> Connection:
        """Return an open connection. Raises ConnectFailedError with the reason of the last version tried.

        Each call starts with the best version again: a broker may have been updated since.
        """
        *better, last = ProtocolVersion
        for protocol in better:
            try:
                return self._open(protocol, wake, abort)
            except ConnectFailedError as error:
                if not error.protocol_refused:
                    raise
                _LOG.debug("%s", error)
        return self._open(last, wake, abort)

    def _open(self, protocol: ProtocolVersion, wake: socket.socket | None, abort: Callable[[], bool]) -> Connection:
        connection = Connection(self.access, self._client_id, self._will, protocol, largest_bytes=self._largest_bytes)
        try:
            connection.open(wake, abort)
        except BaseException:
            connection.__exit__()
            raise
        return connection
