"""Parses the address of a broker and reads the password for it.

A password comes neither from a command line nor from a URL: both show in process lists, shell histories and logs.
"""

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from edge.config.mqtt_schema import MqttConfig
from edge.errors import ConfigError
from edge.redact import quoted_file, redacted

PASSWORD_VARIABLE: Final = "EMOTION_EDGE_MQTT_PASSWORD"  # noqa: S105 - the name of the variable
CREDENTIAL_NAME: Final = "mqtt-password"
SHARED_PREFIX: Final = "shared-"
"""Begins the names of the credentials that all instances of the service share (systemd/emotion-edge@.service). systemd
takes the last of two LoadCredential= lines with one name, also where its file is missing (252 and 257), so that a
second choice needs a name of its own."""


@dataclass(frozen=True, slots=True)
class _Scheme:
    """What the first part of an address means: the default port, TLS, and WebSocket in place of plain TCP."""

    port: int
    tls: bool = False
    websocket: bool = False


_MQTT, _MQTTS = _Scheme(1883), _Scheme(8883, tls=True)
_SCHEMES: Final = {
    "mqtt": _MQTT,
    "tcp": _MQTT,
    "mqtt+tcp": _MQTT,
    "mqtts": _MQTTS,
    "ssl": _MQTTS,
    "tls": _MQTTS,
    "mqtt+ssl": _MQTTS,
    "mqtt+tls": _MQTTS,
    "ws": _Scheme(80, websocket=True),
    "wss": _Scheme(443, tls=True, websocket=True),
}
"""The synonyms are those of common clients: `tcp` and `ssl` of Eclipse Paho, `tls` of MQTT.js, and forms with `mqtt+`.
Ports of MQTT: IANA; of WebSocket: RFC 6455, section 3."""

_DEFAULT_PATH: Final = "/mqtt"
"""Path of a WebSocket where the address has none: the default of EMQX, HiveMQ, VerneMQ, AWS IoT and of paho;
mosquitto takes any. An address that ends in `/` has the path `/`."""

_PUBLIC_PATHS: Final = frozenset({"", "/", "/mqtt", "/ws"})
"""Paths of a WebSocket that are shown; any other may hold a token."""

_FORMS: Final = (
    "mqtt://HOST:PORT, mqtts://HOST:PORT, ws://HOST:PORT/PATH or wss://HOST:PORT/PATH (the port is optional)"
)
_MAX_PASSWORD_BYTES: Final = 65_535  # the length field of the protocol has 16 bits
_AUTHORITY: Final = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>[^:]*))?")
_PATH_AND_QUERY: Final = re.compile(r"(/[!-\"$-~]*)?(\?[!-\"$-~]*)?")
"""Printable ASCII without space and `#`, which a request line of HTTP can hold."""


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Address of a broker. `host` is a name, an IPv4 address or an IPv6 address without brackets.

    `path`: path and query of a WebSocket, which may hold a token and so are left out of `repr`; None for plain MQTT.
    """

    host: str
    port: int
    tls: bool
    path: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """Return host and port for messages, an IPv6 address in brackets; never the path."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def scheme(self) -> str:
        """The first part of the address: mqtt, mqtts, ws or wss."""
        return ("mqtt" if self.path is None else "ws") + "s" * self.tls


def parse_broker_url(url: str, key: str = "mqtt.url") -> BrokerAddress:
    """Parse the address of a broker, which `key` of the configuration holds.

    Raises ConfigError, which names the key, the value and what would be right. The message for a URL that holds a
    user name or a password does not repeat the URL, because the message ends up in a log.
    """
    if "@" in url:
        msg = (
            f"{key} must hold neither user name nor password: the name belongs in mqtt.username, the password in "
            f"the file that mqtt.password_file names, in ${PASSWORD_VARIABLE} or in the credential {CREDENTIAL_NAME}"
        )
        raise ConfigError(msg)
    name, separator, rest = url.partition("://")
    scheme = _SCHEMES.get(name.lower())
    if not separator or scheme is None:
        raise _invalid_url(key, url, f"must be {_FORMS}")
    authority, path = (rest, None) if not scheme.websocket else _split_path(key, url, rest)
    if path is None:
        # A single slash at the end means nothing; browsers and people add it.
        authority = authority.removesuffix("/")
        if re.search(r"[/?#]", authority):
            raise _invalid_url(key, url, f"must end after the port, unless it is a WebSocket: {_FORMS}")
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        raise _invalid_url(key, url, f"must be {_FORMS}, an IPv6 address in brackets")
    host, port = _host(key, url, match["host"]), _port(key, url, match["port"], scheme.port)
    return BrokerAddress(host, port, scheme.tls, path)


def shown_broker_url(url: str) -> str:
    """Return the address of a broker as messages show it: without credentials, and `***` for the path of a WebSocket.

    A path that everyone knows, such as /mqtt, is shown.
    """
    scheme, _, rest = url.partition("://")
    known = _SCHEMES.get(scheme.lower())
    if known is not None and not known.websocket:
        return redacted(url)
    if "@" in rest.partition("/")[2]:
        # The slash may belong to a password: the path is what stands behind the host that is shown.
        return _without_path(redacted(url))
    # Hidden before it is decoded: behind an encoded @ it would be taken for the host.
    return redacted(_without_path(url))


def _without_path(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    authority, path, query = re.match(r"([^/?#]*)([^?#]*)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
    return f"{scheme}{separator}{authority}{path if path in _PUBLIC_PATHS else '/***'}{query}"


def _split_path(key: str, url: str, rest: str) -> tuple[str, str]:
    """Return host and port, and the path with its query, of the address of a WebSocket."""
    end = re.search(r"[/?#]", rest)
    authority, tail = (rest, "") if end is None else (rest[: end.start()], rest[end.start() :])
    match = _PATH_AND_QUERY.fullmatch(tail)
    if match is None:
        right = "must have a path of printable ASCII characters without # and space; write others as %20"
        raise _invalid_url(key, url, right)
    return authority, (match[1] or _DEFAULT_PATH) + (match[2] or "")


def _host(key: str, url: str, host: str) -> str:
    if not host:
        raise _invalid_url(key, url, f"names no host; it must be {_FORMS}")
    if host.startswith("["):
        try:
            return str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError:
            raise _invalid_url(key, url, "must have an IPv6 address between its brackets") from None
    try:
        # The resolver encodes the name too, but a label that is too long would end in a traceback there.
        host.encode("idna")
    except UnicodeError:
        raise _invalid_url(key, url, "must have a host name whose parts have 1 to 63 characters") from None
    if not re.fullmatch(r"[\w.-]+", host):
        raise _invalid_url(key, url, "must have a host name of letters, digits, dots and dashes")
    return host


def _port(key: str, url: str, text: str | None, default: int) -> int:
    if text is None:
        return default
    # Not int() alone: that takes "+1", "1_0" and digits of other scripts.
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65_535:  # noqa: PLR2004 - largest port
        raise _invalid_url(key, url, "must have a port from 1 to 65535")
    return int(text)


def _invalid_url(key: str, url: str, right: str) -> ConfigError:
    return ConfigError(f"{key} = {shown_broker_url(url)!r} {right}")


def read_password(mqtt: MqttConfig, environ: Mapping[str, str] = os.environ) -> str | None:
    """Read the password for the broker; return None where none is set.

    It comes from `mqtt.password_file`, else from the environment, else from the service manager's credentials
    directory: an instance's own, else the one that all instances share. Without a user name nobody wants the shared
    one. Raises ConfigError for a file that is missing, unreadable, empty or not text, and for any other password
    without a user name, which MQTT 3.1.1 cannot send.
    """
    if mqtt.password_file:
        password, origin = _read_password_file(Path(mqtt.password_file), "mqtt.password_file"), "mqtt.password_file"
    elif environ.get(PASSWORD_VARIABLE):
        password, origin = environ[PASSWORD_VARIABLE], f"${PASSWORD_VARIABLE}"
    else:
        file = find_credential(CREDENTIAL_NAME, environ)
        if file is None or (not mqtt.username and file.name.startswith(SHARED_PREFIX)):
            return None
        origin = f"credential {file.name}"
        password = _read_password_file(file, origin)
    if not mqtt.username:
        msg = f"mqtt.username is empty although {origin} gives a password: set the user name of that password"
        raise ConfigError(msg)
    return password


def find_credential(name: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file of a credential of the service manager, the service's own or the shared one; None without one.

    Raises ConfigError where the folder may not be searched.
    """
    folder = environ.get("CREDENTIALS_DIRECTORY")
    for file in (Path(folder, name), Path(folder, SHARED_PREFIX + name)) if folder else ():
        try:
            if file.exists():
                return file
        except OSError as error:
            # systemd hides the folder from other commands of the service, such as ExecReload.
            origin = quoted_file(f"credential {name}", str(file))
            raise ConfigError(f"{origin} cannot be found ({error.strerror}): its folder must be readable") from None
    return None


def _read_password_file(file: Path, origin: str) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(_MAX_PASSWORD_BYTES + 2)
    except OSError as error:
        right = "it must be a file that holds the password"
        if isinstance(error, PermissionError):
            # Root can read it, and so can a person's doctor; the service's user is another.
            right = "the user that runs the sensor must be able to read it; for the service, put the password into "
            right += f"/etc/credstore/emotion-edge.{CREDENTIAL_NAME} (for an instance, "
            right += f"emotion-edge-NAME.{CREDENTIAL_NAME}) and leave mqtt.password_file empty"
        raise ConfigError(f"{quoted_file(origin, str(file))} cannot be read ({error.strerror}): {right}") from None
    # Editors and echo end a file with a newline that is not part of the password.
    content = content.removesuffix(b"\n").removesuffix(b"\r")
    if not content or len(content) > _MAX_PASSWORD_BYTES:
        what = "too long" if content else "empty"
        msg = f"{quoted_file(origin, str(file))} is {what}: it must hold the password and nothing else"
        raise ConfigError(msg)
    try:
        return content.decode()
    except UnicodeDecodeError:
        msg = f"{quoted_file(origin, str(file))} is not UTF-8 text: it must hold the password and nothing else"
        raise ConfigError(msg) from None
