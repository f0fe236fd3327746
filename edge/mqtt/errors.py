"""Why a connection did not come about, in one sentence for the person who set it up."""

import socket
import ssl
from typing import Final

from edge.mqtt.settings import BrokerSettings
from edge.mqtt.types import ProtocolVersion

_UNSUPPORTED_PROTOCOL: Final = 0x84
_MAY_PASS: Final = frozenset({0x80, 0x83, 0x88, 0x89, 0x97, 0x9F})
"""Refusals that waiting may cure: unspecified, implementation specific, server unavailable, server
busy, quota exceeded, connection rate exceeded. All others speak of who or what we are."""


class ConnectFailedError(Exception):
    """No connection came about; the message is one sentence.

    `permanent`: trying again without changing something gives the same answer. `protocol_refused`: the
    broker does not speak this version of MQTT (or seems not to).
    """

    def __init__(self, sentence: str, *, permanent: bool, protocol_refused: bool = False) -> None:
        super().__init__(sentence)
        self.permanent = permanent
        self.protocol_refused = protocol_refused


def unreachable(access: BrokerSettings, error: OSError) -> ConnectFailedError:
    """Sentence for a connection that broke off before a word of MQTT."""
    broker = access.broker
    match error:
        case socket.gaierror():
            return ConnectFailedError(
                f"the broker's host {broker.host!r} in mqtt.url cannot be found ({error.strerror})", permanent=True
            )
        case ssl.SSLCertVerificationError():
            msg = (
                f"the certificate of the broker at {broker} cannot be trusted ({error.verify_message}): "
                "mqtt.ca_file must hold the authority that signed it, and mqtt.url the name it was made for"
            )
            return ConnectFailedError(msg, permanent=True)
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError() | ConnectionResetError():
            # A broker that is starting or ending does this, and one that expects no TLS.
            doubt = "; if that port is without TLS, mqtt.url must start with mqtt://" if access.tls else ""
            return ConnectFailedError(f"the broker at {broker} broke off the handshake{doubt}", permanent=False)
        case ssl.SSLError():
            msg = f"TLS with the broker at {broker} fails ({error.reason or error}): is this an mqtts:// port?"
            return ConnectFailedError(msg, permanent=True)
        case TimeoutError():
            return ConnectFailedError(f"the broker at {broker} does not answer", permanent=False)
        case _:
            reason = error.strerror or str(error)
            return ConnectFailedError(f"the broker at {broker} cannot be reached ({reason})", permanent=False)


def refused(access: BrokerSettings, protocol: ProtocolVersion, code: int, reason: str) -> ConnectFailedError:
    """Sentence for a broker that answers with the reason `code`, in words `reason`."""
    broker = access.broker
    if code == _UNSUPPORTED_PROTOCOL:
        msg = f"the broker at {broker} does not speak {protocol.value}"
        return ConnectFailedError(msg, permanent=True, protocol_refused=True)
    who = f" as user {access.username!r}" if access.username else " without a user name"
    msg = f"the broker at {broker} refuses the connection{who}: {reason}"
    return ConnectFailedError(msg, permanent=code not in _MAY_PASS)


def cut_off(access: BrokerSettings, reason: str, *, speaks_mqtt: bool) -> ConnectFailedError:
    """Sentence for a connection that was taken, and ended before the broker's answer to CONNECT."""
    broker = access.broker
    if access.tls is not None and "ALERT" in reason:
        # With TLS 1.3 the server looks at our certificate only after our side of the handshake is done.
        msg = f"the broker at {broker} does not accept mqtt.cert_file ({reason}): it wants a certificate that it trusts"
        return ConnectFailedError(msg, permanent=True)
    if not speaks_mqtt:
        # paho does not tell a broker that refuses MQTT 3.1.1 from one that talks gibberish.
        msg = f"what answers at {broker} is no MQTT broker, or one that speaks neither MQTT 5 nor 3.1.1: see mqtt.url"
        return ConnectFailedError(msg, permanent=True)
    hint = "" if access.tls else "; if that port wants TLS, mqtt.url must start with mqtts://"
    msg = f"the broker at {broker} closed the connection without an answer{hint}"
    # Brokers of before MQTT 5 do this too, so the older version is worth a try.
    return ConnectFailedError(msg, permanent=False, protocol_refused=True)
