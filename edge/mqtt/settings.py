"""Reads what a connection to the broker needs from the configuration: address, credentials, TLS, backoff."""

import os
import random
import secrets
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edge.config.credentials import BrokerAddress, parse_broker_url, read_password, shown_broker_url
from edge.config.mqtt_schema import MqttConfig
from edge.errors import ConfigError
from edge.logs.outage import REMIND_SECONDS
from edge.mqtt.ack_watch import AckTimes
from edge.mqtt.suspicion import SETTLE_SECONDS
from edge.pacing import Backoff
from edge.system.clock import SystemClock

CONNECT_SECONDS: Final = 5.0
"""Timeout for TCP and TLS, and again for CONNACK and SUBACK. A reachable broker takes milliseconds, one behind a bad
mobile link a second or two."""

FIRST_WAIT_SECONDS: Final = 5.0
"""Upper limit of the first wait before a reconnection. A broker that restarts is back within a second, and the waits of
its whole fleet end within this time: of 200 sensors at most 60 to 70 connect in any one second; with a limit of one
second all of them would."""

URL_KEY: Final = "mqtt.url"
URLS_KEY: Final = "mqtt.urls"
FALLBACK_KEY: Final = "mqtt.fallback_urls"

LATE_SECONDS: Final = 2.0
"""Age from which an event that is handed to the connection is marked as replayed: it could not be sent when it
happened. A connection that works takes it within milliseconds."""

_STABLE_SECONDS: Final = 10.0
"""Duration from which a connection counts as stable. A broker that accepts a client and then disconnects it (two
devices with one id, for instance) must not be tried every second."""

if TYPE_CHECKING:
    from typing_extensions import Buffer  # collections.abc has it from Python 3.12 on


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """Parameters of a connection to one broker. The password is left out of `repr`, and so out of logs.

    `connect_seconds`: timeout of TCP and TLS, and again of each of CONNACK and SUBACK. `key`: the configuration key
    that holds the address, for messages.
    """

    broker: BrokerAddress
    username: str | None
    password: str | None = field(repr=False)
    tls: ssl.SSLContext | None
    keepalive_seconds: int
    connect_seconds: float = CONNECT_SECONDS
    key: str = URL_KEY


@dataclass(frozen=True, slots=True)
class Timing:
    """Times of the MQTT sink, in seconds, that are not configurable.

    `connect_seconds`: see `BrokerSettings`. `first_wait_seconds`: upper limit of the first wait before a reconnection.
    `remind_seconds`: interval at which the log repeats that there is no connection. `clock`: the clocks of the machine.
    `ack`: see `AckTimes`. `settle_seconds`: see `UndeliverableMessages`. `late_seconds`: see `LATE_SECONDS`.
    """

    connect_seconds: float = CONNECT_SECONDS
    first_wait_seconds: float = FIRST_WAIT_SECONDS
    remind_seconds: float = REMIND_SECONDS
    clock: SystemClock = field(default_factory=SystemClock)
    ack: AckTimes = field(default_factory=AckTimes)
    settle_seconds: float = SETTLE_SECONDS
    late_seconds: float = LATE_SECONDS


class _AlertReadingSocket(ssl.SSLSocket):
    """Raises the server's TLS alert where a write fails because the server has closed the connection.

    With TLS 1.3 a server checks the client's certificate after the client's side of the handshake is done. By then
    CONNECT is being written to a connection that is already closed, and the alert with the reason would stay unread
    (seven times out of eight, on a loopback).
    """

    def send(self, data: "Buffer", flags: int = 0) -> int:
        """Send `data`. Raises the alert (ssl.SSLError) that arrived before the connection closed, else the error."""
        try:
            return super().send(data, flags)
        except (ssl.SSLEOFError, ConnectionError) as error:
            try:
                self.recv(1)
            except ssl.SSLError as alert:
                if "ALERT" in (alert.reason or ""):
                    raise alert from error
            except OSError:
                pass
            raise


def broker_settings(mqtt: MqttConfig, environ: Mapping[str, str] = os.environ) -> tuple[BrokerSettings, ...]:
    """Check and read all that `mqtt` refers to, without using the network.

    Returns the settings of each address in the order in which they are tried: `mqtt.urls`, or `mqtt.url` and then
    `mqtt.fallback_urls`.
    Raises ConfigError for a URL, password or certificate file that cannot be used.
    """
    urls = broker_urls(mqtt)
    # An @ is refused first, without the address: a comma in a password has cut it in two, and no half may be repeated.
    for key, url in urls:
        if "@" in url:
            parse_broker_url(url, key)
    addresses = [(key, parse_broker_url(url, key)) for key, url in urls]
    brokers = [broker for _, broker in addresses]
    _reject_unused_tls(mqtt, brokers)
    password = read_password(mqtt, environ)
    # Names of ALPN choose a protocol beside HTTP on the port of a web server; a WebSocket is HTTP.
    contexts = {
        websocket: _tls_context(mqtt, [] if websocket else mqtt.alpn)
        for websocket in {broker.path is not None for broker in brokers if broker.tls}
    }
    return tuple(
        BrokerSettings(
            broker=broker,
            username=mqtt.username or None,
            password=password,
            tls=contexts[broker.path is not None] if broker.tls else None,
            keepalive_seconds=mqtt.keepalive_seconds,
            key=key,
        )
        for key, broker in addresses
    )


def broker_urls(mqtt: MqttConfig) -> list[tuple[str, str]]:
    """Return the addresses of the brokers in the order in which they are tried, each behind the key that holds it."""
    first, others = (URLS_KEY, URLS_KEY) if mqtt.urls else (URL_KEY, FALLBACK_KEY)
    return [(first, mqtt.url), *((others, url) for url in mqtt.fallback_urls)]


def sensor_client_id(mqtt: MqttConfig, device: str) -> str:
    """Return the client id of the sensor `device` at the broker."""
    return mqtt.client_id or f"emotion-edge-{device}"


def command_client_id(mqtt: MqttConfig, command: str) -> str:
    """Return a client id for a command beside the sensor, with a random part.

    A broker ends the older of two connections with the same client id. The id begins with that of the sensor, for
    brokers that allow clients by the first part of their id.
    """
    return f"{mqtt.client_id or 'emotion-edge'}-{command}-{secrets.token_hex(4)}"


def _reject_unused_tls(mqtt: MqttConfig, brokers: Sequence[BrokerAddress]) -> None:
    # A configured certificate shows that encryption is expected: do not connect without it.
    urls = f"{shown_broker_url(mqtt.url)!r}" if len(brokers) == 1 else "any of its addresses"
    if not any(broker.tls for broker in brokers):
        for key in ("ca_file", "cert_file", "key_file"):
            if getattr(mqtt, key):
                value = getattr(mqtt, key)
                msg = f"mqtt.{key} = {value!r} needs an mqtt.url that starts with mqtts:// or wss://, not {urls}"
                raise ConfigError(msg)
    if mqtt.alpn and not any(broker.scheme == "mqtts" for broker in brokers):
        msg = f"mqtt.alpn = {mqtt.alpn!r} needs an mqtt.url that starts with mqtts://, not {urls}"
        raise ConfigError(msg)


def _tls_context(mqtt: MqttConfig, alpn: Sequence[str]) -> ssl.SSLContext:
    if mqtt.key_file and not mqtt.cert_file:
        msg = f"mqtt.key_file = {mqtt.key_file!r} needs mqtt.cert_file, the certificate that belongs to the key"
        raise ConfigError(msg)
    for key in ("ca_file", "cert_file", "key_file"):
        _check_readable(f"mqtt.{key}", getattr(mqtt, key))
    try:
        context = ssl.create_default_context(cafile=mqtt.ca_file or None)
    except ssl.SSLError:
        msg = f"mqtt.ca_file = {mqtt.ca_file!r} holds no certificate: it must be a PEM file of CA certificates"
        raise ConfigError(msg) from None
    context.sslsocket_class = _AlertReadingSocket
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if mqtt.cert_file:
        try:
            # An empty password: without one OpenSSL would prompt for it on the terminal.
            context.load_cert_chain(mqtt.cert_file, mqtt.key_file or None, password="")
        except ssl.SSLError as error:
            msg = (
                f"mqtt.cert_file = {mqtt.cert_file!r} and mqtt.key_file = {mqtt.key_file!r} cannot be used "
                f"({error.reason or error}): they must be PEM files of a certificate and its unencrypted key"
            )
            raise ConfigError(msg) from None
    return context


def _check_readable(key: str, file: str) -> None:
    if not file:
        return
    try:
        with Path(file).open("rb") as stream:
            stream.read(1)
    except OSError as error:
        msg = f"{key} = {file!r} cannot be read ({error.strerror}): it must be a PEM file"
        raise ConfigError(msg) from None


def reconnect_backoff(
    max_seconds: float, rng: random.Random | None = None, *, first_seconds: float = FIRST_WAIT_SECONDS
) -> Backoff:
    """Return the backoff between attempts to connect; `max_seconds` as `mqtt.reconnect_max_seconds`."""
    return Backoff(first_seconds, max_seconds, stable_seconds=_STABLE_SECONDS, rng=rng)
