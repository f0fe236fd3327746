"""Lists every way in which a connection to a broker fails: what is logged, and whether the sensor waits or ends.

The table of `docs/connection.md` has the same rows. `edge.mqtt.errors` chooses the row of a failure.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Failure:
    """One way in which a connection fails.

    `what`: what happened, for the documentation. `sentence`: what is logged; its fields in braces are broker (host and
    port), host, key (of the configuration), reason, clock, user, and plain, encrypted and bare (first part of an
    address: without TLS, with TLS, without WebSocket).
    `waits`: it may mend itself, so a sensor that was never accepted tries again; otherwise such a sensor ends.
    """

    what: str
    sentence: str
    waits: bool


_CANNOT_REACH: Final = "the broker at {broker} cannot be reached ({reason}): "
_NO_NAME: Final = "the broker's host {host} in {key} cannot be found ({reason}): "
_UNTRUSTED: Final = "the certificate of the broker at {broker} cannot be trusted ({reason}): "
_NO_CLIENT_CERTIFICATE: Final = "the broker at {broker} does not accept mqtt.cert_file ({reason}): "
_TLS_REFUSED: Final = "the broker at {broker} refuses the TLS handshake ({reason}): "
_HANDSHAKE: Final = "the server at {broker} refuses the WebSocket ({reason}): "
_REFUSED: Final = "the broker at {broker} refuses the connection{user}: {reason}"

NAMES: Final[dict[str, Failure]] = {
    "no answer": Failure(
        "no name server answers, or it cannot at the moment (EAI_AGAIN, EAI_FAIL, EAI_SYSTEM and all others)",
        "the broker's host {host} in {key} cannot be resolved yet ({reason}): the network is probably not up, or its "
        "name server does not answer",
        waits=True,
    ),
    "no network": Failure(
        "the name is unknown (EAI_NONAME), and this machine has no route to any network",
        _NO_NAME + "this machine has no network yet, so no name server could be asked",
        waits=True,
    ),
    "local": Failure(
        "a name of the local network is unknown (EAI_NONAME): one without a dot, or below .local, .lan, .home, "
        ".home.arpa, .internal, .localdomain, .fritz.box",
        _NO_NAME + "a name of the local network is known only while its host is up; check host and name",
        waits=True,
    ),
    "no address": Failure(
        "the name has no address at the moment (EAI_NODATA, EAI_ADDRFAMILY)",
        _NO_NAME + "the name exists without an address; check that its host is up",
        waits=True,
    ),
    "unknown": Failure(
        "any other name is unknown (EAI_NONAME)",
        _NO_NAME + "check the name and the network's name resolution",
        waits=False,
    ),
}

TCP: Final[dict[str, Failure]] = {
    "refused": Failure(
        "TCP is refused (ECONNREFUSED)",
        _CANNOT_REACH + "no broker listens there; check that it runs, and the port in {key}",
        waits=True,
    ),
    "timeout": Failure(
        "TCP, or the answer to a WebSocket, takes longer than five seconds",
        "the broker at {broker} does not answer: check that it is up and that no firewall blocks the port",
        waits=True,
    ),
    "unreachable": Failure(
        "the network or the host is away (ENETUNREACH, ENETDOWN, EHOSTUNREACH, EHOSTDOWN, EADDRNOTAVAIL, ENONET)",
        _CANNOT_REACH + "the network is probably not up, or the broker's host is off",
        waits=True,
    ),
    "forbidden": Failure(
        "this machine forbids it (EACCES, EPERM): a firewall, a VPN that is not up, IPAddressDeny= of the service",
        _CANNOT_REACH + "a rule of this machine forbids it, such as a firewall",
        waits=True,
    ),
    "family": Failure(
        "this machine has no IPv6, or no IPv4 (EAFNOSUPPORT)",
        _CANNOT_REACH + "this machine does not support this kind of address",
        waits=False,
    ),
    "closed": Failure(
        "the server closes the connection at once (ECONNRESET, EPIPE)",
        "the broker at {broker} closed the connection at once ({reason}); it may be starting",
        waits=True,
    ),
    "other": Failure(
        "any other error of the operating system",
        _CANNOT_REACH + "trying again",
        waits=True,
    ),
}

TLS: Final[dict[str, Failure]] = {
    "not yet valid": Failure(
        "the broker's certificate, or its authority's, is not yet valid",
        _UNTRUSTED + "this machine's clock says {clock}, and is probably not set yet",
        waits=True,
    ),
    "expired": Failure(
        "the broker's certificate, or its authority's, has expired",
        _UNTRUSTED + "this machine's clock says {clock}; if that is right, the broker needs a new certificate",
        waits=True,
    ),
    "authority": Failure(
        "the authority of the broker's certificate is unknown, or the certificate is self-signed",
        _UNTRUSTED + "mqtt.ca_file must hold the certificate of the authority that signed it",
        waits=False,
    ),
    "host": Failure(
        "the broker's certificate is for another host",
        _UNTRUSTED + "{key} must name the host that it was issued for",
        waits=False,
    ),
    "untrusted": Failure(
        "the broker's certificate is unfit for another reason (revoked, weak, not for a server)",
        _UNTRUSTED + "the broker needs another certificate",
        waits=False,
    ),
    "closed": Failure(
        "the server closes the connection during the TLS handshake",
        "the broker at {broker} closed the connection during the TLS handshake; if this port is without TLS, {key} "
        "must start with {plain}",
        waits=True,
    ),
    "timeout": Failure(
        "the server does not answer the TLS handshake within five seconds",
        "the broker at {broker} does not answer the TLS handshake; if this port is without TLS, {key} must start with "
        "{plain}",
        waits=True,
    ),
    "no TLS": Failure(
        "the server answers with something that is not TLS, or not a version of it that is still allowed",
        "TLS with the broker at {broker} failed ({reason}): check that this port expects TLS; if it does not, {key} "
        "must start with {plain}",
        waits=False,
    ),
    "no client certificate": Failure(
        "the broker requires a client certificate (alert certificate required)",
        _NO_CLIENT_CERTIFICATE + "it requires a client certificate that it trusts",
        waits=False,
    ),
    "client authority": Failure(
        "the broker does not know the client certificate's authority (alert unknown CA)",
        _NO_CLIENT_CERTIFICATE + "it must be signed by an authority that the broker trusts",
        waits=False,
    ),
    "client expired": Failure(
        "the client certificate has expired, is revoked or of the wrong kind (alerts certificate expired, certificate "
        "revoked, unsupported certificate, access denied, decrypt error)",
        _NO_CLIENT_CERTIFICATE + "this sensor needs another certificate; this machine's clock says {clock}",
        waits=False,
    ),
    "client bad": Failure(
        "the broker calls the client certificate bad (alerts bad certificate, certificate unknown), as brokers also do "
        "while it is not yet valid by their clock",
        _NO_CLIENT_CERTIFICATE + "the broker's clock may not be set yet, or the certificate is damaged",
        waits=True,
    ),
    "ALPN": Failure(
        "no common protocol (alert no application protocol)",
        _TLS_REFUSED + "mqtt.alpn must hold a protocol name that it knows",
        waits=False,
    ),
    "refused": Failure(
        "no common version, cipher or server name (alerts handshake failure, protocol version, insufficient security, "
        "unrecognized name)",
        _TLS_REFUSED + "it requires a client certificate (mqtt.cert_file), another version of TLS or another host name",
        waits=False,
    ),
    "alert": Failure(
        "any other alert, such as internal error",
        _TLS_REFUSED + "trying again",
        waits=True,
    ),
}

WEBSOCKET: Final[dict[str, Failure]] = {
    "redirect": Failure(
        "HTTP 3xx: a redirect",
        _HANDSHAKE + "{key} must be the address that it redirects to",
        waits=False,
    ),
    "credentials": Failure(
        "HTTP 401, 403, 407",
        _HANDSHAKE + "check the token or the path in {key}; mqtt.username and the password are sent only later",
        waits=False,
    ),
    "busy": Failure(
        "HTTP 408, 425, 429, 5xx but 501 and 505",
        _HANDSHAKE + "the broker behind it is probably starting or busy",
        waits=True,
    ),
    "path": Failure(
        "any other answer of HTTP, such as 200, 400 and 404",
        _HANDSHAKE + "check port and path in {key}",
        waits=False,
    ),
    "not HTTP": Failure(
        "the answer is not HTTP",
        "the server at {broker} does not speak HTTP ({reason}): if this port is without WebSocket, {key} must start "
        "with {bare}",
        waits=False,
    ),
    "closed": Failure(
        "the server closes the connection without an answer",
        "the server at {broker} closed the connection during the WebSocket handshake; if this port is without "
        "WebSocket, {key} must start with {bare}",
        waits=True,
    ),
    "unsure": Failure(
        "the handshake fails, and succeeds when it is repeated",
        "the WebSocket handshake with the server at {broker} failed ({reason})",
        waits=True,
    ),
}

MQTT: Final[dict[str, Failure]] = {
    "no CONNACK": Failure(
        "TCP is accepted, and CONNECT is not answered within five seconds, the next time ten, and so on up to thirty",
        "the broker at {broker} accepted the TCP connection but did not answer the MQTT connection request",
        waits=True,
    ),
    "closed": Failure(
        "the connection is closed without CONNACK",
        "the broker at {broker} closed the connection without an answer; if this port requires TLS, {key} must start "
        "with {encrypted}",
        waits=True,
    ),
    "closed in TLS": Failure(
        "the connection is closed without CONNACK, with TLS",
        "the broker at {broker} closed the connection without an answer",
        waits=True,
    ),
    "no broker": Failure(
        "the answer is not MQTT, or MQTT 3.1.1 is refused as well",
        "the server at {broker} is no MQTT broker, or supports neither MQTT 5 nor 3.1.1: check host and port in {key}",
        waits=False,
    ),
}

REASON_CODES: Final[dict[tuple[int, ...], Failure]] = {
    (0x84,): Failure(
        "0x84 unsupported protocol version (3.1.1: 1); after MQTT 5 the sensor tries 3.1.1 at once",
        "the broker at {broker} does not support {reason}",
        waits=False,
    ),
    (0x85,): Failure(
        "0x85 client identifier not valid (3.1.1: 2)",
        _REFUSED + ": check mqtt.client_id and device.id",
        waits=False,
    ),
    (0x86, 0x87, 0x8C): Failure(
        "0x86 bad user name or password (3.1.1: 4), 0x87 not authorized (3.1.1: 5), 0x8C bad authentication method",
        _REFUSED + ": check mqtt.username and the password",
        waits=False,
    ),
    (0x88, 0x89, 0x8B): Failure(
        "0x88 server unavailable (3.1.1: 3), 0x89 server busy, 0x8B server shutting down",
        _REFUSED + ": the broker is probably starting or busy",
        waits=True,
    ),
    (0x8A,): Failure(
        "0x8A banned",
        _REFUSED
        + ": a ban may end by itself; brokers ban clients that connect too often, as two with one client id do",
        waits=True,
    ),
    (0x90,): Failure(
        "0x90 topic name invalid",
        _REFUSED + ": the broker does not take the topic of the will; check mqtt.base_topic",
        waits=False,
    ),
    (0x81, 0x82, 0x95, 0x99, 0x9A, 0x9B): Failure(
        "0x81 malformed packet, 0x82 protocol error, 0x95 packet too large, 0x99 payload format invalid, 0x9A retain "
        "not supported, 0x9B QoS not supported; where the will may be the reason, the sensor first tries a lesser one "
        "and none",
        _REFUSED + ": the broker does not take this sensor's connection request",
        waits=False,
    ),
    (0x97, 0x9F): Failure(
        "0x97 quota exceeded, 0x9F connection rate exceeded",
        _REFUSED + ": the broker limits its clients; it may have too many",
        waits=True,
    ),
    (0x9C,): Failure(
        "0x9C use another server; the sensor does not follow, because that would hand its credentials to any server "
        "that the answer names",
        _REFUSED + ": the broker asks for another server for now; name it in mqtt.urls",
        waits=True,
    ),
    (0x9D,): Failure(
        "0x9D server moved",
        _REFUSED + ": {key} must name the new server",
        waits=False,
    ),
}

OTHER_REASON_CODE: Final = Failure(
    "0x80 unspecified error, 0x83 implementation specific error, and every other code, of 3.1.1 too",
    _REFUSED,
    waits=True,
)

ALTERNATING: Final = frozenset(
    {
        *(row for row in TCP.values() if row.waits),
        *(TLS[name] for name in ("closed", "timeout")),
        *(WEBSOCKET[name] for name in ("closed", "unsure")),
        *(MQTT[name] for name in ("no CONNACK", "closed", "closed in TLS")),
    }
)
"""Failures between which a broker alternates while it starts, stops or is away: one of them is logged per outage. Any
other names a cause of its own, such as a clock that is not set once the network is up, and is logged as well."""

GROUPS: Final[dict[str, list[Failure]]] = {
    "Name": list(NAMES.values()),
    "TCP": list(TCP.values()),
    "TLS": list(TLS.values()),
    "WebSocket": list(WEBSOCKET.values()),
    "MQTT": list(MQTT.values()),
    "CONNACK": [*REASON_CODES.values(), OTHER_REASON_CODE],
}
"""All rows, in the order of the documentation, by the step that fails."""
