"""From configuration to all that it takes to knock at a broker: address, credentials, certificates."""

import os
import random
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edge.config.credentials import BrokerAddress, parse_broker_url, read_password
from edge.config.schema import MqttConfig
from edge.errors import ConfigError
from edge.pacing import Backoff

_FIRST_WAIT_SECONDS: Final = 5.0
"""Limit of the first wait before a reconnection. A broker that restarts is back within a second, and the waits of its
whole fleet end within this time: of 200 sensors at most 60 to 70 come in any one second, where with a limit of one
second all of them would."""
_STABLE_SECONDS: Final = 10.0
"""Age from which a connection counts as stable. A broker that accepts a client and then disconnects it (two devices
with one id, for instance) must not be tried every second."""

if TYPE_CHECKING:
    from typing_extensions import Buffer  # collections.abc has it from Python 3.12 on


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """What a connection needs. The password stays out of `repr`, and so out of logs."""

    broker: BrokerAddress
    username: str | None
    password: str | None = field(repr=False)
    tls: ssl.SSLContext | None
    keepalive_seconds: int


class _TellingSocket(ssl.SSLSocket):
    """Raises the server's own reason where a write fails because the server has hung up.

    With TLS 1.3 a server judges our certificate after our side of the handshake is done. By then CONNECT
    is being written, into a connection that is closed already, and the alert that says why would stay
    unread (seven times out of eight, on a loopback).
    """

    def send(self, data: "Buffer", flags: int = 0) -> int:
        """Send as any socket does."""
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
    """Check and read everything that `mqtt` refers to, before any network is touched.

    Raises ConfigError for a URL, password or certificate file that cannot be used.
    """
    broker = parse_broker_url(mqtt.url)
    if not broker.tls:
        _refuse_certificates(mqtt)
    return BrokerSettings(
        broker=broker,
        username=mqtt.username or None,
        password=read_password(mqtt, environ),
        tls=_tls(mqtt) if broker.tls else None,
        keepalive_seconds=mqtt.keepalive_seconds,
    )


def _refuse_certificates(mqtt: MqttConfig) -> None:
    # Whoever sets a certificate expects encryption; going on in the clear would betray that.
    for key in ("ca_file", "cert_file", "key_file"):
        if getattr(mqtt, key):
            msg = f"mqtt.{key} = {getattr(mqtt, key)!r} needs an mqtt.url that starts with mqtts://, not {mqtt.url!r}"
            raise ConfigError(msg)


def _tls(mqtt: MqttConfig) -> ssl.SSLContext:
    if mqtt.key_file and not mqtt.cert_file:
        msg = f"mqtt.key_file = {mqtt.key_file!r} needs mqtt.cert_file, the certificate that belongs to the key"
        raise ConfigError(msg)
    for key in ("ca_file", "cert_file", "key_file"):
        _check_readable(f"mqtt.{key}", getattr(mqtt, key))
    try:
        context = ssl.create_default_context(cafile=mqtt.ca_file or None)
    except ssl.SSLError:
        msg = f"mqtt.ca_file = {mqtt.ca_file!r} holds no certificate: it must be a PEM file of authorities"
        raise ConfigError(msg) from None
    context.sslsocket_class = _TellingSocket
    if mqtt.cert_file:
        try:
            # An empty password: without one OpenSSL would ask for it on the terminal.
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


def reconnect_backoff(max_seconds: float, rng: random.Random | None = None) -> Backoff:
    """Return the waits between two attempts to connect; `max_seconds` as in `mqtt.reconnect_max_seconds`."""
    return Backoff(_FIRST_WAIT_SECONDS, max_seconds, stable_seconds=_STABLE_SECONDS, rng=rng)
