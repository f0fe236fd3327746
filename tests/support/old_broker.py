"""A real mosquitto behind a proxy that refuses MQTT 5, as a broker with MQTT 3.1.1 does."""

import contextlib
import socket

from support.broker_proxy import BrokerProxy

_LEVEL_311 = 4
_CONNACK_UNACCEPTABLE = b"\x20\x02\x00\x01"


class OldBroker(BrokerProxy):
    """Forwards connections with MQTT 3.1.1 to the broker on `broker_port`, and refuses newer ones."""

    def handle(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            begin = b""
            while len(begin) < 9:  # a CONNECT of less than 128 bytes has the protocol level here
                begin = client.recv(9, socket.MSG_PEEK)
                if not begin:
                    return
            if begin[8] > _LEVEL_311:
                with client:
                    client.sendall(_CONNACK_UNACCEPTABLE)
                return
        super().handle(client)
