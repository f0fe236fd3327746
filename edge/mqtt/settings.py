"""Reads what a connection to the broker needs from the configuration: address, credentials, TLS, backoff."""

import os
import random
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edge.config.credentials import BrokerAddress, parse_broker_url, read_password
from edge.config.mqtt_schema import MqttConfig
from edge.errors import ConfigError
from edge.logs.outage import REMIND_SECONDS
from edge.pacing import Backoff
from edge.system.clock import SystemClock

CONNECT_SECONDS: Final = 5.0
"""Timeout for TCP and TLS, and again for CONNACK and SUBACK. A reachable broker takes milliseconds, one behind a bad
mobile link a second or two."""

FIRST_WAIT_SECONDS: Final = 5.0
"""Upper limit of the first wait before a reconnection. A broker that restarts is back within a second, and the waits of
its whole fleet end within this time: of 200 sensors at most 60 to 70 connect in any one second; with a limit of one
second all of them would."""

_STABLE_SECONDS: Final = 10.0
"""Duration from which a connection counts as stable. A broker that accepts a client and then disconnects it (two
devices with one id, for instance) must not be tried every second."""

if TYPE_CHECKING:
    from typing_extensions import Buffer  # collections.abc has it from Python 3.12 on


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """Parameters of a connection to the broker. The password is left out of `repr`, and so out of logs.

    `connect_seconds`: timeout of TCP and TLS, and again of each of CONNACK and SUBACK.
    """

    broker: BrokerAddress
    username: str | None
    password: str | None = field(repr=False)
    tls: ssl.SSLContext | None
    keepalive_seconds: int
    connect_seconds: float = CONNECT_SECONDS


@dataclass(frozen=True, slots=True)
class Timing:
    """Times of the MQTT sink, in seconds, that are not configurable.

    `connect_seconds`: see `BrokerSettings`. `first_wait_seconds`: upper limit of the first wait before a reconnection.
    `remind_seconds`: interval at which the log repeats that there is no connection. `clock`: the clocks of the machine.
    """

    connect_seconds: float = CONNECT_SECONDS
    first_wait_seconds: float = FIRST_WAIT_SECONDS
    remind_seconds: float = REMIND_SECONDS
    clock: SystemClock = field(default_factory=SystemClock)


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


def broker_settings(mqtt: MqttConfig, environ: Mapping[str, str] = os.environ) -> BrokerSettings:
    """Check and read all that `mqtt` refers to, without using the network.

    Raises ConfigError for a URL, password or certificate file that cannot be used.
    """
    broker = parse_broker_url(mqtt.url)
    if not broker.tls:
        _reject_certificates(mqtt)
    return BrokerSettings(
        broker=broker,
        username=mqtt.username or None,
        password=read_password(mqtt, environ),
        tls=_tls_context(mqtt) if broker.tls else None,
        keepalive_seconds=mqtt.keepalive_seconds,
    )


def _reject_certificates(mqtt: MqttConfig) -> None:
    # A configured certificate shows that encryption is expected: do not connect without it.
    for key in ("ca_file", "cert_file", "key_file"):
        if getattr(mqtt, key):
            msg = f"mqtt.{key} = {getattr(mqtt, key)!r} needs an mqtt.url that starts with mqtts://, not {mqtt.url!r}"
            raise ConfigError(msg)


def _tls_context(mqtt: MqttConfig) -> ssl.SSLContext:
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
