"""Opens connections to the broker, with the newest version of MQTT that it supports."""

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
    """Opens connections with the newest version of MQTT that the broker supports.

    The parameters are those of `Connection`.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        client_id: str,
        will: OutgoingMessage | None = None,
        *,
        largest_bytes: int | None = None,
    ) -> None:
        self.settings = settings
        self._client_id = client_id
        self._will = will
        self._largest_bytes = largest_bytes

    def connect(self, wake: socket.socket | None = None, abort: Callable[[], bool] = lambda: False) -> Connection:
        """Return an open connection; `wake` and `abort` as in `Connection.open`.

        Raises ConnectFailedError with the reason of the last version tried. Each call starts with the newest version
        again: the broker may have been updated since.
        """
        *newer, last = ProtocolVersion
        for protocol in newer:
            try:
                return self._open(protocol, wake, abort)
            except ConnectFailedError as error:
                if not error.protocol_refused:
                    raise
                _LOG.debug("%s", error)
        return self._open(last, wake, abort)

    def _open(self, protocol: ProtocolVersion, wake: socket.socket | None, abort: Callable[[], bool]) -> Connection:
        connection = Connection(
            self.settings,
            self._client_id,
            self._will,
            protocol,
            largest_bytes=self._largest_bytes,
        )
        try:
            connection.open(wake, abort)
        except BaseException:
            connection.__exit__()
            raise
        return connection
