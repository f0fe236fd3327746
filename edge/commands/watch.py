"""`emotion-edge watch`: prints the events, states and health of all sensors of a broker as they arrive."""

import argparse
import contextlib
import logging
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TextIO

import msgspec

from edge.commands.common import write_line
from edge.commands.interrupt import interrupt_once
from edge.commands.subscriber import receive_reconnecting
from edge.commands.verify import SequenceVerifier
from edge.commands.watch_silence import QUIET_SECONDS, Silence
from edge.config.credentials import PASSWORD_VARIABLE
from edge.config.mqtt_schema import MqttConfig
from edge.config.schema import Config
from edge.errors import ConfigError
from edge.logs.setup import is_terminal
from edge.messages.payloads import EventPayload, HealthPayload, InfoPayload, Payload, StatePayload
from edge.messages.text import clock, describe, describe_health, describe_state, mark_retained, printable
from edge.messages.topics import STATUS_WORDS, TOPIC_PAYLOADS, Kind, parse_topic, subscription
from edge.mqtt.connector import Connector
from edge.mqtt.settings import broker_settings, command_client_id, reconnect_backoff
from edge.mqtt.types import ReceivedMessage

_LOG: Final = logging.getLogger(__name__)

_KINDS: Final[tuple[Kind, ...]] = ("status", "state", "event", "health")
MOST_FACES: Final = 1_000
"""Faces whose time of appearance is remembered: far more than can be in view. There is a limit because the faces of
a sensor that was switched off never leave."""


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Watch until interrupted; returns the exit code."""
    interrupt_once()
    options = Options(
        device=arguments.device,
        json=arguments.json,
        verify=arguments.verify,
        # Signs of life are for a person who watches, not for a file.
        quiet_seconds=QUIET_SECONDS if is_terminal(sys.stderr) else math.inf,
    )
    return watch(config.mqtt, options, sys.stdout)


@dataclass(frozen=True, slots=True)
class Options:
    """What to print. `device`: only this one. `json`: one object per line. `verify`: also what did not arrive.

    `quiet_seconds`: after this time without a new line, the log has one on what the devices do.
    """

    device: str | None = None
    json: bool = False
    verify: bool = False
    quiet_seconds: float = math.inf


def watch(mqtt: MqttConfig, options: Options, stream: TextIO, stop: Callable[[], bool] = lambda: False) -> int:
    """Print what the sensors publish, until `stop()` or interrupted; returns the exit code.

    With `verify` each gap, event out of order and duplicate without a mark is a line as well, a summary comes at
    the end, and the exit code is 1 where there was one.

    Raises ConfigError, and BrokerError where the broker cannot be reached or refuses the connection. A connection
    that is lost later is made again.
    """
    device = options.device
    if not mqtt.url:
        raise ConfigError("mqtt.url is empty: name the broker to watch, as in --mqtt mqtt://HOST")
    if device is not None and (not device or set(device) & set("+#/")):
        raise ConfigError(f"--device is {device!r}, but must be the id of one device, without any of + # /")
    # A random client id: a broker ends the older of two connections with the same id.
    connector = Connector(broker_settings(mqtt), command_client_id(mqtt, "watch"))
    if connector.settings.username and not connector.settings.password:
        _LOG.warning(
            "no password for user %r is set here, and a command that you type cannot read the service's; "
            'to set it, type: read -rsp "Broker password: " %s && export %s',
            connector.settings.username,
            PASSWORD_VARIABLE,
            PASSWORD_VARIABLE,
        )
    kinds = (*_KINDS, "info") if options.verify else _KINDS
    filters = [subscription(mqtt.base_topic, kind, device) for kind in kinds]
    printer = _Printer(mqtt.base_topic, options, stream)
    if options.quiet_seconds < math.inf:
        _LOG.info("connecting to the broker at %s", connector.settings.broker)
    with contextlib.suppress(KeyboardInterrupt):
        for item in receive_reconnecting(connector, filters, reconnect_backoff(mqtt.reconnect_max_seconds), stop):
            if item is None:
                printer.idle(connector.settings.broker)
            elif isinstance(item, str):
                printer.connection(item)
            else:
                printer.message(item)
    return printer.finish()


class MalformedPayloadError(Exception):
    """A payload that does not fit its topic; the message names the reason."""


def decode(kind: Kind, payload: bytes) -> Payload | str:
    """Decode a payload of a topic of `kind`; a plain word for `status`. Raises MalformedPayloadError."""
    if kind == "status":
        word = payload[:32].decode(errors="replace")
        if word not in STATUS_WORDS:
            raise MalformedPayloadError(f"{word!r} is none of {', '.join(STATUS_WORDS)}")
        return word
    try:
        return msgspec.json.decode(payload, type=TOPIC_PAYLOADS[kind])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedPayloadError(str(error)) from None


class MessageFormatter:
    """Formats messages as lines of text. Remembers health and faces in view, to print only what is new.

    `most_faces`: faces whose time of appearance is remembered.
    """

    def __init__(self, base: str, *, most_faces: int = MOST_FACES) -> None:
        self._base = base
        self._most_faces = most_faces
        self._appeared_seconds: dict[tuple[str, str, int], float] = {}
        self._health: dict[str, str] = {}

    def format(self, message: ReceivedMessage) -> str | None:
        """Return one line about `message`; None where it holds nothing new."""
        address = parse_topic(self._base, message.topic)
        if address is None:
            return None
        now = time.strftime("%H:%M:%S")
        device = printable(address.device)
        try:
            payload = decode(address.kind, message.payload)
        except MalformedPayloadError as error:
            return f"{now} {device}  {address.kind} cannot be read: {printable(str(error))}{_mark(message, None)}"
        match payload:
            case EventPayload():
                return f"{clock(payload.time)} {device}  {self.format_event(payload, address.device)}"
            case StatePayload() if message.retained:
                # The first, retained state is where the events begin; later states repeat what the events report.
                return f"{clock(payload.time)} {device}  {describe_state(payload)}{_mark(message, payload.time)}"
            case HealthPayload():
                text = describe_health(payload)
                if self._health.get(address.device) == text:
                    return None
                if not message.retained:
                    self._health[address.device] = text
                return f"{clock(payload.time)} {device}  {text}{_mark(message, payload.time)}"
            case str():
                return f"{now} {device}  {payload}{_mark(message, None)}"
        return None

    def format_event(self, event: EventPayload, device: str = "") -> str:
        """Return one line about an event of `device`; for a face that left, with how long it was in view."""
        face = (device, event.boot_id, event.face.track)
        if event.type == "face_appeared":
            self._appeared_seconds[face] = event.source_seconds
            if len(self._appeared_seconds) > self._most_faces:
                self._appeared_seconds.pop(next(iter(self._appeared_seconds)))
        began = self._appeared_seconds.pop(face, None) if event.type == "face_left" else None
        return describe(event, None if began is None else event.source_seconds - began)


def _mark(message: ReceivedMessage, timestamp: str | None) -> str:
    """Return the mark of a retained message; nothing for one that was published just now."""
    return mark_retained(timestamp, time.time()) if message.retained else ""


def json_line(base: str, message: ReceivedMessage) -> str | None:
    """Return `message` as one line of JSON: device, kind, retained and payload, or error; None for another topic."""
    address = parse_topic(base, message.topic)
    if address is None:
        return None
    record = {"device": address.device, "kind": address.kind, "retained": message.retained}
    try:
        content = {"payload": decode(address.kind, message.payload)}
    except MalformedPayloadError as error:
        content = {"error": str(error)}
    return msgspec.json.encode(record | content).decode()


class _Printer:
    """Prints messages, changes of the connection and, with `verify`, findings, each as one line."""

    def __init__(self, base: str, options: Options, stream: TextIO) -> None:
        self._base = base
        self._stream = stream
        self._json = options.json
        self._formatter = MessageFormatter(base)
        self._verifier = SequenceVerifier() if options.verify else None
        self._options = options
        self._silence: Silence | None = None

    def idle(self, broker: object) -> None:
        """Log that there is a connection to `broker`, once, and what silence may mean."""
        now = time.monotonic()
        if self._silence is None:
            device = self._options.device
            self._silence = Silence(self._base, device, now, quiet_seconds=self._options.quiet_seconds)
            whom = "every sensor" if device is None else f"the sensor {printable(device)}"
            _LOG.info("connected to the broker at %s; waiting for messages of %s; Ctrl-C ends", broker, whom)
        line = self._silence.line(now)
        if line is not None:
            _LOG.info("%s", line)

    def message(self, message: ReceivedMessage) -> None:
        """Print a message, and what the verifier finds in it."""
        address = parse_topic(self._base, message.topic)
        if self._silence is not None and address is not None:
            with contextlib.suppress(MalformedPayloadError):
                payload = decode(address.kind, message.payload)
                self._silence.received(address.device, payload, retained=message.retained)
        self._write(json_line(self._base, message) if self._json else self._formatter.format(message))
        for finding in self._findings(message):
            self._write_finding(finding)

    def connection(self, text: str) -> None:
        """Print that the connection was lost or restored."""
        if self._verifier is not None:
            self._verifier.interrupted()
        self._write(None if self._json else f"{time.strftime('%H:%M:%S')} {text}")

    def finish(self) -> int:
        """Print the summary of the verifier; returns the exit code."""
        if self._verifier is None:
            return 0
        for line in self._verifier.summary():
            self._write_finding(line)
        return 0 if self._verifier.faultless else 1

    def _findings(self, message: ReceivedMessage) -> list[str]:
        address = parse_topic(self._base, message.topic)
        if self._verifier is None or address is None or address.kind not in ("event", "info"):
            return []
        try:
            payload = decode(address.kind, message.payload)
        except MalformedPayloadError:
            return []  # the line of the message has reported it
        if isinstance(payload, InfoPayload):
            return self._verifier.info(address.device, payload)
        assert isinstance(payload, EventPayload)  # noqa: S101 - what "event" is decoded to
        ends = self._verifier.before_event(address.device, payload.boot_id)
        finding = self._verifier.event(address.device, payload, duplicate=message.duplicate)
        return ends if finding is None else [*ends, finding]

    def _write_finding(self, finding: str) -> None:
        self._write(msgspec.json.encode({"verify": finding}).decode() if self._json else f"verify: {finding}")

    def _write(self, line: str | None) -> None:
        if line is not None:
            write_line(self._stream, line)
            if self._silence is not None:
                self._silence.printed(time.monotonic())
