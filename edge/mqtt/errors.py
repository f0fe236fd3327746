"""Explains, in one sentence for the person who set up the sensor, why no connection to the broker was made.

The sentences, and which failures end a sensor, are the table in `edge.mqtt.failures`. Reads no clock, does no I/O.
"""

import errno
import re
import socket
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from edge.mqtt.failures import ALTERNATING, MQTT, NAMES, OTHER_REASON_CODE, REASON_CODES, TCP, TLS, WEBSOCKET, Failure
from edge.mqtt.settings import BrokerSettings
from edge.mqtt.types import ProtocolVersion

_UNSUPPORTED_PROTOCOL: Final = 0x84

_LOCAL_SUFFIXES: Final = ("local", "lan", "home", "home.arpa", "internal", "localdomain", "fritz.box")
"""Domains that exist within one network only: mDNS (RFC 6762), RFC 8375, ICANN's .internal, and what routers use."""

_NO_ADDRESS: Final = frozenset(
    getattr(socket, name, None)
    for name in ("EAI_NODATA", "EAI_ADDRFAMILY")  # not every system has both
)
_TCP_ROWS: Final = {
    getattr(errno, name, None): row  # ENONET is Linux's
    for row, names in {
        "refused": ("ECONNREFUSED",),
        "timeout": ("ETIMEDOUT",),
        "unreachable": ("ENETUNREACH", "ENETDOWN", "EHOSTUNREACH", "EHOSTDOWN", "EADDRNOTAVAIL", "ENONET"),
        "forbidden": ("EACCES", "EPERM"),
        "family": ("EAFNOSUPPORT",),
        "closed": ("ECONNRESET", "EPIPE", "ECONNABORTED"),
    }.items()
    for name in names
}
_VERIFY_ROWS: Final = {
    9: "not yet valid",
    10: "expired",
    2: "authority",
    18: "authority",
    19: "authority",
    20: "authority",
    21: "authority",
    27: "authority",
    62: "host",
    64: "host",
}
"""By OpenSSL's X509_V_ERR codes (x509_vfy.h): not yet valid; expired; issuer unknown (here, self-signed, self-signed in
the chain, locally, leaf unverifiable, untrusted); host name and IP address do not match."""

_ALERT_ROWS: Final = {
    "CERTIFICATE_REQUIRED": "no client certificate",
    "UNKNOWN_CA": "client authority",
    "CERTIFICATE_EXPIRED": "client expired",
    "CERTIFICATE_REVOKED": "client expired",
    "UNSUPPORTED_CERTIFICATE": "client expired",
    "ACCESS_DENIED": "client expired",
    "DECRYPT_ERROR": "client expired",
    "BAD_CERTIFICATE": "client bad",
    "CERTIFICATE_UNKNOWN": "client bad",
    "NO_APPLICATION_PROTOCOL": "ALPN",
    "HANDSHAKE_FAILURE": "refused",
    "PROTOCOL_VERSION": "refused",
    "INSUFFICIENT_SECURITY": "refused",
    "UNRECOGNIZED_NAME": "refused",
}
_ALERT: Final = re.compile(r"ALERT_([A-Z_]*[A-Z])|(UNRECOGNIZED_NAME)")
"""An alert in OpenSSL's name for it, such as TLSV13_ALERT_CERTIFICATE_REQUIRED (one has no ALERT in it), or in its text
in capitals: Python has no name for some, such as no application protocol."""

_HTTP_ROWS: Final = {
    HTTPStatus.UNAUTHORIZED: "credentials",
    HTTPStatus.FORBIDDEN: "credentials",
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: "credentials",
    HTTPStatus.REQUEST_TIMEOUT: "busy",
    HTTPStatus.TOO_EARLY: "busy",
    HTTPStatus.TOO_MANY_REQUESTS: "busy",
    HTTPStatus.NOT_IMPLEMENTED: "path",
    HTTPStatus.HTTP_VERSION_NOT_SUPPORTED: "path",
}
_HTTP_CLASSES: Final = {3: "redirect", 5: "busy"}
"""Rows of the other statuses, by their first digit."""


class ConnectFailedError(Exception):
    """No connection was made; the message is one sentence.

    `permanent`: another attempt fails in the same way until a person changes something. `protocol_refused`: the
    broker does not support this version of MQTT, or behaves like one that does not. `code`: reason code of CONNACK,
    None where there was none. `cause`: what is the same at each attempt that fails for this cause; None for failures
    between which a broker alternates while it is away.
    """

    def __init__(
        self,
        sentence: str,
        *,
        permanent: bool,
        protocol_refused: bool = False,
        code: int | None = None,
        cause: str | None = None,
    ) -> None:
        super().__init__(sentence)
        self.permanent = permanent
        self.protocol_refused = protocol_refused
        self.code = code
        self.cause = cause
        self.unanswered = False
        """The server accepted the TCP connection, and sent no CONNACK in time."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known besides the error.

    `clock`: date and time of this machine. `has_network`: it has a route beyond itself. `http`: answer to the request
    for a WebSocket, a status or what came in its place; None where the failure is none of a WebSocket's handshake.
    """

    clock: str
    has_network: bool = True
    http: "int | HttpFailure | None" = None


@dataclass(frozen=True, slots=True)
class HttpFailure:
    """A request for a WebSocket without an answer of HTTP. `closed`: the connection ended without one."""

    reason: str
    closed: bool


def transport_failed(settings: BrokerSettings, error: OSError, circumstances: Circumstances) -> ConnectFailedError:
    """Explain a connection that failed before MQTT began: name resolution, TCP, TLS or WebSocket."""
    reason = _tls_reason(error) if isinstance(error, ssl.SSLError) else error.strerror or str(error)
    if isinstance(circumstances.http, int):
        reason = _http_reason(circumstances.http)
    elif circumstances.http is not None:
        reason = circumstances.http.reason
    return _failed(_row(settings, error, circumstances), settings, reason, clock=circumstances.clock)


def connack_timed_out(settings: BrokerSettings) -> ConnectFailedError:
    """Explain a server that accepted the TCP connection but sent no CONNACK in time."""
    failure = _failed(MQTT["no CONNACK"], settings)
    failure.unanswered = True
    return failure


def connection_refused(
    settings: BrokerSettings, protocol: ProtocolVersion, code: int, reason: str
) -> ConnectFailedError:
    """Explain a CONNACK with the reason code `code` of MQTT 5, whose name is `reason`."""
    row = next((row for codes, row in REASON_CODES.items() if code in codes), OTHER_REASON_CODE)
    failure = _failed(
        row,
        settings,
        protocol.value if code == _UNSUPPORTED_PROTOCOL else reason,
        protocol_refused=code == _UNSUPPORTED_PROTOCOL,
    )
    failure.code = code
    return failure


def closed_before_connack(
    settings: BrokerSettings, reason: str, circumstances: Circumstances, *, speaks_mqtt: bool
) -> ConnectFailedError:
    """Explain a connection that the server accepted and closed without a CONNACK. `reason`: the last socket error."""
    alert = _alert(reason) if settings.tls is not None else None
    if alert is not None:
        # With TLS 1.3 the server checks our certificate only after our side of the handshake is done.
        return _failed(_alert_row(alert), settings, _alert_reason(alert), clock=circumstances.clock)
    if not speaks_mqtt:
        # paho reports the same error for a broker that refuses MQTT 3.1.1 and for a server of another protocol.
        return _failed(MQTT["no broker"], settings)
    # Brokers from before MQTT 5 do this too, so the older version is worth an attempt.
    row = MQTT["closed" if settings.tls is None else "closed in TLS"]
    return _failed(row, settings, protocol_refused=True)


def _row(settings: BrokerSettings, error: OSError, circumstances: Circumstances) -> Failure:
    if circumstances.http is not None:
        return WEBSOCKET[_websocket_row(circumstances.http)]
    match error:
        case socket.gaierror():
            return NAMES[_name_row(settings.broker.host, error.errno, has_network=circumstances.has_network)]
        case ssl.SSLCertVerificationError():
            return TLS[_VERIFY_ROWS.get(getattr(error, "verify_code", 0), "untrusted")]
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError() | ConnectionResetError() if settings.tls is not None:
            # A broker that is starting or stopping does this, and one that expects no TLS.
            return TLS["closed"]
        case ssl.SSLError():
            alert = _alert(_text(error, "reason"))
            return TLS["no TLS"] if alert is None else _alert_row(alert)
        case TimeoutError():
            return TLS["timeout"] if "handshake" in str(error) else TCP["timeout"]
    return TCP[_TCP_ROWS.get(error.errno or 0, "other")]


def _name_row(host: str, code: int | None, *, has_network: bool) -> str:
    if code != socket.EAI_NONAME:
        return "no address" if code is not None and code in _NO_ADDRESS else "no answer"
    if not has_network:
        return "no network"
    name = host.rstrip(".").lower()
    local = "." not in name or any(name.endswith(f".{suffix}") for suffix in _LOCAL_SUFFIXES)
    return "local" if local else "unknown"


def _websocket_row(http: int | HttpFailure) -> str:
    if isinstance(http, HttpFailure):
        return "closed" if http.closed else "not HTTP"
    if http == HTTPStatus.SWITCHING_PROTOCOLS:
        return "unsure"
    return _HTTP_ROWS.get(http) or _HTTP_CLASSES.get(http // 100, "path")  # type: ignore[call-overload]


def _alert(text: str) -> str | None:
    """Return OpenSSL's name of the alert in an error's reason or text; None where there is none."""
    match = _ALERT.search(text.upper().replace(" ", "_"))
    return None if match is None else match[1] or match[2]


def _alert_row(name: str) -> Failure:
    return TLS[_ALERT_ROWS.get(name, "alert")]


def _alert_reason(name: str) -> str:
    return f"TLS alert {name.replace('_', ' ').lower()}"


def _tls_reason(error: ssl.SSLError) -> str:
    """Return what OpenSSL calls the failure; errors that Python itself raises have a text only."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _text(error, "verify_message")
    alert = _alert(_text(error, "reason"))
    return _text(error, "reason") if alert is None else _alert_reason(alert)


def _text(error: ssl.SSLError, attribute: str) -> str:
    return getattr(error, attribute, None) or str(error)


def _http_reason(status: int) -> str:
    try:
        return f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"


def _user(settings: BrokerSettings) -> str:
    if not settings.username:
        return " without a user name"
    return f" as user {settings.username!r}" + ("" if settings.password else ", without a password")


def _failed(
    row: Failure, settings: BrokerSettings, reason: str = "", *, clock: str = "", protocol_refused: bool = False
) -> ConnectFailedError:
    broker = settings.broker
    sentence = row.sentence.format(
        broker=broker,
        host=repr(broker.host),
        key=settings.key,
        reason=reason,
        clock=clock,
        user=_user(settings),
        plain="mqtt://" if broker.path is None else "ws://",
        encrypted="mqtts://" if broker.path is None else "wss://",
        bare="mqtt://" if settings.tls is None else "mqtts://",
    )
    cause = None if row in ALTERNATING else f"{broker}: {row.sentence} {reason}"
    return ConnectFailedError(sentence, permanent=not row.waits, protocol_refused=protocol_refused, cause=cause)
