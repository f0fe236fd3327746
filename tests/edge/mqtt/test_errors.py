import errno
import functools
import os
import re
import socket
import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config.mqtt_schema import MqttConfig
from edge.mqtt.errors import (
    Circumstances,
    ConnectFailedError,
    HttpFailure,
    closed_before_connack,
    connack_timed_out,
    connection_refused,
    transport_failed,
)
from edge.mqtt.failures import GROUPS, Failure
from edge.mqtt.reason_codes import reason_name
from edge.mqtt.settings import BrokerSettings, broker_settings
from edge.mqtt.types import ProtocolVersion
from support.resolver import gai_strerror

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "connection.md"
CLOCK = "1970-01-01 00:02 UTC"
HERE = Circumstances(CLOCK)
FIELDS = {
    "broker": "HOST:PORT",
    "host": "'HOST'",
    "key": "mqtt.url",
    "reason": "REASON",
    "clock": "DATE",
    "user": " as user 'NAME'",
    "plain": "mqtt://",
    "encrypted": "mqtts://",
    "bare": "mqtt://",
}


@functools.cache  # TLS reads the system's authorities
def settings(url: str = "mqtt://broker.example.org") -> BrokerSettings:
    return broker_settings(MqttConfig(url=url), {})[0]


MQTT, MQTTS, WS, WSS = map(settings, ("mqtt://h.example", "mqtts://h.example", "ws://h.example", "wss://h.example"))


def gaierror(code: int) -> socket.gaierror:
    return socket.gaierror(code, gai_strerror(code))


def os_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def certificate_error(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED]")
    error.reason, error.verify_code, error.verify_message = "CERTIFICATE_VERIFY_FAILED", code, f"verify code {code}"
    return error


def tls_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] text (_ssl.c:1000)")
    error.reason = reason
    return error


def of_name(host: str, code: int, *, has_network: bool = True) -> ConnectFailedError:
    return transport_failed(settings(f"mqtt://{host}"), gaierror(code), Circumstances(CLOCK, has_network))


def of_transport(error: OSError, used: BrokerSettings = MQTT) -> ConnectFailedError:
    return transport_failed(used, error, HERE)


def of_http(answer: int | HttpFailure, used: BrokerSettings = WS) -> ConnectFailedError:
    return transport_failed(used, ConnectionError("WebSocket handshake error"), Circumstances(CLOCK, http=answer))


def of_alert(name: str, *, late: bool = False) -> ConnectFailedError:
    if late:
        return closed_before_connack(MQTTS, f"[SSL: {name}] text (_ssl.c:2580)", HERE, speaks_mqtt=True)
    return of_transport(tls_error(name), MQTTS)


def of_unnamed_alert(text: str) -> ConnectFailedError:
    """Of an alert for which Python has no name."""
    error = ssl.SSLError(1, f"[SSL] {text} (_ssl.c:1006)")
    error.reason = None
    return of_transport(error, MQTTS)


def of_code(code: int, used: BrokerSettings = MQTT) -> ConnectFailedError:
    return connection_refused(used, ProtocolVersion.MQTT_5, code, reason_name(code))


WAITS = [
    # The network is not up yet, or the resolver is not.
    of_name("broker.example.org", socket.EAI_AGAIN),
    of_name("homeassistant.local", socket.EAI_AGAIN),
    of_name("broker.example.org", socket.EAI_FAIL),
    of_name("broker.example.org", socket.EAI_SYSTEM),
    of_name("broker.example.org", socket.EAI_MEMORY),
    of_name("broker.example.org", socket.EAI_NODATA),
    of_name("broker.example.org", socket.EAI_ADDRFAMILY),
    of_name("broker.example.org", -12345),
    # Without a network some resolvers call every name unknown.
    of_name("broker.example.org", socket.EAI_NONAME, has_network=False),
    of_name("no-such-host.invalid", socket.EAI_NONAME, has_network=False),
    # Known while its host is up: mDNS, and names that routers learn from DHCP.
    of_name("homeassistant.local", socket.EAI_NONAME),
    of_name("HomeAssistant.LOCAL.", socket.EAI_NONAME),
    of_name("broker", socket.EAI_NONAME),
    of_name("nas.lan", socket.EAI_NONAME),
    of_name("nas.home.arpa", socket.EAI_NONAME),
    of_name("nas.fritz.box", socket.EAI_NONAME),
    *map(
        of_transport,
        [
            os_error(number)
            for number in (
                *(errno.ECONNREFUSED, errno.ETIMEDOUT, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTUNREACH),
                *(errno.EHOSTDOWN, errno.EADDRNOTAVAIL, errno.ENONET, errno.EACCES, errno.EPERM, errno.ECONNRESET),
                *(errno.EPIPE, errno.ECONNABORTED, errno.EMFILE, errno.ENOMEM, errno.ENOBUFS, errno.EINVAL),
            )
        ],
    ),
    of_transport(TimeoutError("timed out")),
    of_transport(OSError("without a number")),
    of_transport(TimeoutError("_ssl.c:990: The handshake operation timed out"), MQTTS),
    of_transport(certificate_error(9), MQTTS),
    of_transport(certificate_error(10), MQTTS),
    of_transport(ssl.SSLEOFError(8, "EOF occurred"), MQTTS),
    of_transport(ssl.SSLZeroReturnError(6, "closed"), MQTTS),
    of_transport(os_error(errno.ECONNRESET), MQTTS),
    of_alert("SSLV3_ALERT_BAD_CERTIFICATE", late=True),
    of_alert("SSLV3_ALERT_CERTIFICATE_UNKNOWN", late=True),
    of_alert("TLSV1_ALERT_INTERNAL_ERROR"),
    of_alert("TLSV1_ALERT_OF_THE_FUTURE"),
    *map(of_http, (101, 408, 425, 429, 500, 502, 503, 504, 599)),
    of_http(HttpFailure("no answer", closed=True)),
    connack_timed_out(MQTT),
    closed_before_connack(MQTT, "", HERE, speaks_mqtt=True),
    closed_before_connack(MQTTS, "", HERE, speaks_mqtt=True),
    *map(of_code, (0x80, 0x83, 0x88, 0x89, 0x8A, 0x8B, 0x97, 0x9C, 0x9F, 0x8E, 0x98, 0xC5, 0xFF, 0x11)),
]
ENDS = [
    of_name("no-such-host.invalid", socket.EAI_NONAME),
    of_name("broker.example.org", socket.EAI_NONAME),
    of_name("local.example.org", socket.EAI_NONAME),
    of_transport(os_error(errno.EAFNOSUPPORT)),
    *[of_transport(certificate_error(code), MQTTS) for code in (2, 18, 19, 20, 21, 23, 24, 26, 62, 64, 66, 79, 0)],
    *[of_transport(tls_error(reason), MQTTS) for reason in ("WRONG_VERSION_NUMBER", "UNSUPPORTED_PROTOCOL", "NEW")],
    of_alert("TLSV13_ALERT_CERTIFICATE_REQUIRED", late=True),
    of_alert("TLSV1_ALERT_UNKNOWN_CA", late=True),
    of_alert("TLSV1_ALERT_UNKNOWN_CA"),
    of_alert("SSLV3_ALERT_CERTIFICATE_EXPIRED", late=True),
    of_alert("SSLV3_ALERT_CERTIFICATE_REVOKED", late=True),
    of_alert("TLSV1_ALERT_ACCESS_DENIED", late=True),
    of_alert("SSLV3_ALERT_HANDSHAKE_FAILURE"),
    of_alert("TLSV1_ALERT_PROTOCOL_VERSION"),
    of_alert("TLSV1_ALERT_INSUFFICIENT_SECURITY"),
    of_alert("TLSV1_UNRECOGNIZED_NAME"),
    of_alert("TLSV1_ALERT_NO_APPLICATION_PROTOCOL"),
    of_unnamed_alert("tlsv1 alert no application protocol"),
    of_unnamed_alert("ssl/tls alert handshake failure"),
    *map(of_http, (200, 204, 301, 302, 307, 308, 400, 401, 403, 404, 405, 407, 410, 426, 501, 505)),
    of_http(HttpFailure("another protocol", closed=False)),
    closed_before_connack(MQTT, "", HERE, speaks_mqtt=False),
    *map(of_code, (0x81, 0x82, 0x84, 0x85, 0x86, 0x87, 0x8C, 0x90, 0x95, 0x99, 0x9A, 0x9B, 0x9D)),
]


@pytest.mark.parametrize("failure", WAITS, ids=str)
def test_what_may_mend_itself_is_waited_for(failure: ConnectFailedError) -> None:
    assert not failure.permanent


@pytest.mark.parametrize("failure", ENDS, ids=str)
def test_what_cannot_mend_itself_ends_the_start(failure: ConnectFailedError) -> None:
    assert failure.permanent


def pattern(row: Failure) -> str:
    return re.sub(r"\\\{\w+\\\}", ".*", re.escape(row.sentence))


@pytest.mark.parametrize("row", [row for rows in GROUPS.values() for row in rows], ids=lambda row: row.what[:40])
def test_every_row_of_the_table_is_the_answer_to_something(row: Failure) -> None:
    answers = WAITS if row.waits else ENDS
    assert any(re.fullmatch(pattern(row), str(failure)) for failure in answers)


def test_documentation_has_the_rows_of_the_code() -> None:
    """To write the table anew: print what `expected` holds."""
    expected = [
        f"| {step} | {row.what} | {row.sentence.format_map(FIELDS)} | {'waits' if row.waits else '**ends**'} |"
        for step, rows in GROUPS.items()
        for row in rows
    ]
    lines = DOCUMENTATION.read_text(encoding="utf-8").splitlines()
    begin = lines.index("|---|---|---|---|") + 1
    assert lines[begin : begin + len(expected)] == expected
    assert not lines[begin + len(expected)].startswith("|")


def test_sentences_name_the_likely_cause() -> None:
    assert "network is probably not up" in str(of_name("homeassistant.local", socket.EAI_AGAIN))
    assert f"clock says {CLOCK}" in str(of_transport(certificate_error(9), MQTTS))
    assert f"clock says {CLOCK}" in str(of_transport(certificate_error(10), MQTTS))
    assert "mqtt.ca_file" in str(of_transport(certificate_error(20), MQTTS))
    assert "mqtt.client_id" in str(of_code(0x85))
    assert "HTTP 404 Not Found" in str(of_http(404))
    assert "mqtt.alpn must hold" in str(of_unnamed_alert("tlsv1 alert no application protocol"))
    assert "HTTP 599" in str(of_http(599))


def test_sentences_name_the_key_and_the_scheme_that_would_be_right() -> None:
    url, fallback = broker_settings(MqttConfig(url="wss://a.example/secret", fallback_urls=["mqtts://b.example"]), {})
    closed = ssl.SSLEOFError(8, "EOF occurred")
    assert "mqtt.url must start with ws://" in str(of_transport(closed, url))
    assert "mqtt.fallback_urls must start with mqtt://" in str(of_transport(closed, fallback))
    assert "mqtt.url must start with mqtts://" in str(of_http(HttpFailure("", closed=True), url))
    assert "mqtt.url must start with mqtt://" in str(of_http(HttpFailure("", closed=True), WS))


ERRORS = st.one_of(
    st.integers(-200, 200).map(gaierror),
    st.integers(0, 200).map(os_error),
    st.integers(0, 200).map(certificate_error),
    st.sampled_from(["TLSV1_ALERT_", "SSLV3_ALERT_", "TLSV13_ALERT_", ""])
    .flatmap(lambda prefix: st.from_regex("[A-Z_]{1,20}", fullmatch=True).map(lambda name: prefix + name))
    .map(tls_error),
    st.builds(OSError),
    st.builds(TimeoutError),
)
ANSWERS = st.none() | st.integers(100, 999) | st.builds(HttpFailure, st.just("no answer"), st.booleans())
SCHEMES = st.sampled_from(["mqtt", "mqtts", "ws", "wss"])
HOSTS = st.sampled_from(["h.example", "h", "[::1]"])


@given(ERRORS, ANSWERS, SCHEMES, HOSTS, st.booleans())
def test_every_error_has_one_sentence_that_names_the_broker(
    error: OSError,
    http: int | HttpFailure | None,
    scheme: str,
    host: str,
    has_network: bool,  # noqa: FBT001 - given by name or not, it is what it is
) -> None:
    used = settings(f"{scheme}://{host}")
    sentence = str(transport_failed(used, error, Circumstances(CLOCK, has_network, http)))
    assert used.broker.host in sentence
    assert "{" not in sentence
    assert len(sentence.splitlines()) == 1


@given(st.integers(1, 255), st.sampled_from(ProtocolVersion))
def test_every_reason_code_has_a_sentence(code: int, protocol: ProtocolVersion) -> None:
    failure = connection_refused(MQTT, protocol, code, reason_name(code))
    assert str(MQTT.broker) in str(failure)
    assert failure.protocol_refused is (code == 0x84)
