"""Explains, in one sentence for the person who set up the sensor, why no connection to the broker was made."""

import socket
import ssl
from typing import Final

from edge.mqtt.settings import BrokerSettings
from edge.mqtt.types import ProtocolVersion

_UNSUPPORTED_PROTOCOL: Final = 0x84
_AUTHENTICATION: Final = frozenset({0x86, 0x87})
"""Reason codes for bad user name or password, and not authorized."""
_TRANSIENT: Final = frozenset({0x80, 0x83, 0x88, 0x89, 0x97, 0x9F})
"""Reason codes of failures that may be temporary: unspecified error, implementation specific error, server
unavailable, server busy, quota exceeded, connection rate exceeded. All others concern this client's identity, rights
or protocol."""


class ConnectFailedError(Exception):
    """No connection was made; the message is one sentence.

    `permanent`: another attempt fails in the same way until a person changes something. `protocol_refused`: the
    broker does not support this version of MQTT, or behaves like one that does not.
    """

    def __init__(self, sentence: str, *, permanent: bool, protocol_refused: bool = False) -> None:
        super().__init__(sentence)
        self.permanent = permanent
        self.protocol_refused = protocol_refused


def transport_failed(settings: BrokerSettings, error: OSError) -> ConnectFailedError:
    """Explain a connection that failed before MQTT began: name resolution, TCP or TLS."""
    broker = settings.broker
    match error:
        case socket.gaierror():
            msg = (
                f"the broker's host {broker.host!r} in mqtt.url cannot be found ({error.strerror}): check the name and "
                "the network's name resolution"
            )
            return ConnectFailedError(msg, permanent=True)
        case ssl.SSLCertVerificationError():
            msg = (
                f"the certificate of the broker at {broker} cannot be trusted ({error.verify_message}): mqtt.ca_file "
                "must hold the certificate of the authority that signed it, and mqtt.url must name the host that it "
                "was issued for"
            )
            return ConnectFailedError(msg, permanent=True)
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError() | ConnectionResetError():
            # A broker that is starting or stopping does this, and one that expects no TLS.
            if settings.tls is None:
                return ConnectFailedError(f"the broker at {broker} closed the connection at once", permanent=False)
            msg = (
                f"the broker at {broker} closed the connection during the TLS handshake; if this port is without TLS, "
                "mqtt.url must start with mqtt://"
            )
            return ConnectFailedError(msg, permanent=False)
        case ssl.SSLError():
            msg = (
                f"TLS with the broker at {broker} failed ({error.reason or error}): check that this port expects TLS; "
                "if it does not, mqtt.url must start with mqtt://"
            )
            return ConnectFailedError(msg, permanent=True)
        case TimeoutError():
            msg = f"the broker at {broker} does not answer: check that it is up and that no firewall blocks the port"
            return ConnectFailedError(msg, permanent=False)
        case _:
            reason = error.strerror or str(error)
            return ConnectFailedError(f"the broker at {broker} cannot be reached ({reason})", permanent=False)


def connack_timed_out(settings: BrokerSettings) -> ConnectFailedError:
    """Explain a server that accepted the TCP connection but sent no CONNACK in time."""
    msg = f"the broker at {settings.broker} accepted the TCP connection but did not answer the MQTT connection request"
    return ConnectFailedError(msg, permanent=False)


def connection_refused(
    settings: BrokerSettings, protocol: ProtocolVersion, code: int, reason: str
) -> ConnectFailedError:
    """Explain a CONNACK with the reason code `code`, whose name is `reason`."""
    broker = settings.broker
    if code == _UNSUPPORTED_PROTOCOL:
        msg = f"the broker at {broker} does not support {protocol.value}"
        return ConnectFailedError(msg, permanent=True, protocol_refused=True)
    user = f" as user {settings.username!r}" if settings.username else " without a user name"
    hint = ": check mqtt.username and the password" if code in _AUTHENTICATION else ""
    msg = f"the broker at {broker} refuses the connection{user}: {reason}{hint}"
    return ConnectFailedError(msg, permanent=code not in _TRANSIENT)


def closed_before_connack(settings: BrokerSettings, reason: str, *, speaks_mqtt: bool) -> ConnectFailedError:
    """Explain a connection that the server accepted and closed without a CONNACK. `reason`: the last socket error."""
    broker = settings.broker
    if settings.tls is not None and "ALERT" in reason:
        # With TLS 1.3 the server checks our certificate only after our side of the handshake is done.
        msg = (
            f"the broker at {broker} does not accept mqtt.cert_file ({reason}): it requires a client certificate that "
            "it trusts"
        )
        return ConnectFailedError(msg, permanent=True)
    if not speaks_mqtt:
        # paho reports the same error for a broker that refuses MQTT 3.1.1 and for a server of another protocol.
        msg = (
            f"the server at {broker} is no MQTT broker, or supports neither MQTT 5 nor 3.1.1: check host and port in "
            "mqtt.url"
        )
        return ConnectFailedError(msg, permanent=True)
    hint = "" if settings.tls else "; if this port requires TLS, mqtt.url must start with mqtts://"
    msg = f"the broker at {broker} closed the connection without an answer{hint}"
    # Brokers from before MQTT 5 do this too, so the older version is worth an attempt.
    return ConnectFailedError(msg, permanent=False, protocol_refused=True)
