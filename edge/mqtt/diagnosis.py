"""Finds out why a connection to a broker failed: reads the clock, looks for a route, repeats the WebSocket handshake.

`edge.mqtt.errors` draws the conclusion.
"""

import base64
import http.client
import os
import socket
import ssl
import time
from typing import Final

from edge.mqtt.errors import Circumstances, ConnectFailedError, HttpFailure, closed_before_connack, transport_failed
from edge.mqtt.settings import BrokerSettings

_ROUTE_PROBES: Final = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses for documentation (RFC 5737, RFC 3849). A datagram socket that connects to one only looks for a route; no
packet is sent."""


def diagnose_transport(settings: BrokerSettings, error: Exception) -> ConnectFailedError:
    """Explain why no MQTT connection could begin. `error`: what opening the socket raised."""
    refused_websocket = settings.broker.path is not None and _is_handshake_error(error)
    cause = error if isinstance(error, OSError) else OSError(str(error))
    answer = None
    if refused_websocket:
        try:
            answer = _request_websocket(settings)
        except ssl.SSLError as alert:  # such as one about our certificate, which paho has swallowed
            cause = alert
    has_network = not isinstance(error, socket.gaierror) or _has_route()
    return transport_failed(settings, cause, Circumstances(_clock(), has_network, answer))


def diagnose_closed(settings: BrokerSettings, reason: str, *, speaks_mqtt: bool) -> ConnectFailedError:
    """Explain a connection that the server closed without a CONNACK. `reason`: the last socket error."""
    return closed_before_connack(settings, reason, Circumstances(_clock()), speaks_mqtt=speaks_mqtt)


def _clock() -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())


def _has_route() -> bool:
    """Return whether this machine has a route beyond itself: without one, a resolver may call every name unknown."""
    for family, address in _ROUTE_PROBES:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((address, 9))
        except OSError:
            continue
        return True
    return False


def _is_handshake_error(error: Exception) -> bool:
    """Return whether the WebSocket handshake failed.

    paho raises an error without a number of the operating system for it, and any error of its parser.
    """
    return not isinstance(error, OSError) or (error.errno is None and not isinstance(error, TimeoutError))


def _request_websocket(settings: BrokerSettings) -> int | HttpFailure:
    """Ask for the WebSocket once more, and return the HTTP status: paho keeps it to itself. Raises ssl.SSLError."""
    broker = settings.broker
    timeout = settings.connect_seconds
    connection = (
        http.client.HTTPConnection(broker.host, broker.port, timeout=timeout)
        if settings.tls is None
        else http.client.HTTPSConnection(broker.host, broker.port, timeout=timeout, context=settings.tls)
    )
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": "mqtt",
    }
    try:
        connection.request("GET", broker.path or "/", headers=headers)
        return connection.getresponse().status
    except http.client.RemoteDisconnected:
        return HttpFailure("no answer", closed=True)
    except http.client.HTTPException:
        return HttpFailure("another protocol", closed=False)
    except ssl.SSLError:
        raise
    except OSError as error:
        return HttpFailure(error.strerror or str(error), closed=True)
    finally:
        connection.close()
