"""`emotion-edge watch`: what the sensors say, live."""

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TextIO

import msgspec

from edge.commands.verify import Verifier
from edge.config.schema import MqttConfig
from edge.errors import BrokerError, ConfigError
from edge.messages.payloads import TOPIC_PAYLOADS, EventPayload, HealthPayload, Payload, StatePayload
from edge.messages.text import clock, describe, describe_health, describe_state, printable
from edge.messages.topics import STATUS_WORDS, Kind, parse_topic, subscription
from edge.mqtt.connection import Connection, Connector
from edge.mqtt.errors import ConnectFailedError
from edge.mqtt.settings import broker_settings, reconnect_backoff
from edge.mqtt.types import ConnectionLostError, ReceivedMessage
from edge.pacing import Backoff

_KINDS: Final[tuple[Kind, ...]] = ("status", "state", "event", "health")
_STOP_CHECK_SECONDS: Final = 0.2
_FORGET_ABOVE: Final = 1_000
"""Faces remembered to say how long each was there: far more than can be in view, and not without end,
for those of a sensor that was switched off never leave."""


class Malformed(Exception):  # noqa: N818 - a finding about somebody else's message
    """A payload that is not what its topic promises; the message says why."""


def decode(kind: Kind, payload: bytes) -> Payload | str:
    """Payload of a topic of `kind`, a plain word for `status`. Raises Malformed."""
    if kind == "status":
        word = payload[:32].decode(errors="replace")
        if word not in STATUS_WORDS:
            msg = f"{word!r} is none of {', '.join(STATUS_WORDS)}"
            raise Malformed(msg)
        return word
    try:
        return msgspec.json.decode(payload, type=TOPIC_PAYLOADS[kind])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(str(error)) from None


class Reader:
    """Turns messages into lines for a person. Remembers who is in view, to tell only what is new."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._appeared: dict[tuple[str, str, int], float] = {}
        self._health: dict[str, str] = {}

    def line(self, message: ReceivedMessage) -> str | None:
        """One line about `message`; None where it tells nothing new."""
        address = parse_topic(self._base, message.topic)
        if address is None:
            return None
        now = time.strftime("%H:%M:%S")
        device = printable(address.device)
        try:
            payload = decode(address.kind, message.payload)
        except Malformed as error:
            return f"{now} {device}  {address.kind} cannot be read: {printable(str(error))}"
        match payload:
            case EventPayload():
                return f"{clock(payload.time)} {device}  {self.event(payload, address.device)}"
            case StatePayload() if message.retained:
                # Events tell of every change from here on; this one tells where they start.
                return f"{clock(payload.time)} {device}  {describe_state(payload)}"
            case HealthPayload():
                news = describe_health(payload)
                if self._health.get(address.device) == news:
                    return None
                self._health[address.device] = news
                return f"{clock(payload.time)} {device}  {news}"
            case str():
                return f"{now} {device}  {payload}"
        return None

    def event(self, event: EventPayload, device: str = "") -> str:
        """One line about an event of `device`; a face that left is told with how long it was there."""
        face = (device, event.boot_id, event.face.track)
        if event.type == "face_appeared":
            self._appeared[face] = event.source_seconds
            if len(self._appeared) > _FORGET_ABOVE:
                self._appeared.pop(next(iter(self._appeared)))
        began = self._appeared.pop(face, None) if event.type == "face_left" else None
        return describe(event, None if began is None else event.source_seconds - began)


def json_line(base: str, message: ReceivedMessage) -> str | None:
    """`message` as one line of JSON: device, kind, retained and payload, or error; None if not ours."""
    address = parse_topic(base, message.topic)
    if address is None:
        return None
    record = {"device": address.device, "kind": address.kind, "retained": message.retained}
    try:
        content = {"payload": decode(address.kind, message.payload)}
    except Malformed as error:
        content = {"error": str(error)}
    return msgspec.json.encode(record | content).decode()


def subscribe(dialler: Connector, filters: list[str]) -> Connection:
    """Connect and subscribe. Raises BrokerError for a refusal, ConnectFailedError, ConnectionLostError."""
    connection = dialler.connect()
    try:
        refusal = connection.subscribe(filters)
    except BaseException:
        connection.__exit__()
        raise
    if refusal is not None:
        connection.close()
        msg = f"the broker at {dialler.settings.broker} refuses the subscription to {', '.join(filters)}: {refusal}"
        raise BrokerError(msg)
    return connection


def receive(connection: Connection, timeout_seconds: float) -> Iterator[ReceivedMessage]:
    """Give what comes within one `poll`, also what came right before the end (ConnectionLostError)."""
    try:
        connection.poll(timeout_seconds)
    except ConnectionLostError:
        yield from connection.take_received()
        raise
    yield from connection.take_received()


@dataclass(frozen=True, slots=True)
class Options:
    """What to show. `device`: only this one. `json`: one object per line. `verify`: also what did not arrive."""

    device: str | None = None
    json: bool = False
    verify: bool = False


def watch(mqtt: MqttConfig, options: Options, stream: TextIO, stop: Callable[[], bool] = lambda: False) -> int:
    """Print what the sensors say, until `stop()` or interrupted; returns the exit code.

    With `verify` each gap, event out of order and duplicate without a mark is a line as well, a summary
    comes at the end, and the exit code is 1 where there was one.

    Raises ConfigError, and BrokerError where the broker cannot be reached or refuses us; once it has
    accepted us, a connection that breaks is made again.
    """
    device = options.device
    if not mqtt.url:
        msg = "mqtt.url is empty: say which broker to watch, as in --mqtt mqtt://HOST"
        raise ConfigError(msg)
    if device is not None and (not device or set(device) & set("+#/")):
        msg = f"device = {device!r} must be one device's id, without any of + # /"
        raise ConfigError(msg)
    # A random client id: two people watching must not throw each other out.
    dialler = Connector(broker_settings(mqtt), f"emotion-edge-watch-{secrets.token_hex(4)}")
    filters = [subscription(mqtt.base_topic, kind, device) for kind in _KINDS]
    printer = _Printer(mqtt.base_topic, options, stream)
    with contextlib.suppress(KeyboardInterrupt):
        for message in _messages(dialler, filters, reconnect_backoff(mqtt.reconnect_max_seconds), stop):
            printer(message)
    return printer.finish()


class _Printer:
    """Writes messages, remarks about the connection and, with `verify`, findings, each as one line."""

    def __init__(self, base: str, options: Options, stream: TextIO) -> None:
        self._base = base
        self._stream = stream
        self._json = options.json
        self._reader = Reader(base)
        self._verifier = Verifier() if options.verify else None

    def __call__(self, message: ReceivedMessage | str) -> None:
        if isinstance(message, str):
            if self._verifier is not None:
                self._verifier.interrupted()
            self._write(None if self._json else f"{time.strftime('%H:%M:%S')} {message}")
            return
        self._write(json_line(self._base, message) if self._json else self._reader.line(message))
        finding = self._finding(message)
        if finding is not None:
            self._say(finding)

    def finish(self) -> int:
        """Sum up; returns the exit code."""
        if self._verifier is None:
            return 0
        for line in self._verifier.summary():
            self._say(line)
        return 0 if self._verifier.faultless else 1

    def _finding(self, message: ReceivedMessage) -> str | None:
        address = parse_topic(self._base, message.topic)
        if self._verifier is None or address is None or address.kind != "event":
            return None
        try:
            event = decode("event", message.payload)
        except Malformed:
            return None  # the line before this one says so
        assert isinstance(event, EventPayload)  # noqa: S101 - what "event" is decoded to
        return self._verifier.event(address.device, event, duplicate=message.duplicate)

    def _say(self, finding: str) -> None:
        line = msgspec.json.encode({"verify": finding}).decode() if self._json else f"verify: {finding}"
        self._write(line)

    def _write(self, line: str | None) -> None:
        if line is not None:
            self._stream.write(f"{line}\n")
            self._stream.flush()


def _messages(
    dialler: Connector, filters: list[str], backoff: Backoff, stop: Callable[[], bool]
) -> Iterator[ReceivedMessage | str]:
    """Give messages, and remarks about the connection, for as long as `stop()` is false."""
    accepted = False
    silent = ""
    while not stop():
        began = time.monotonic()
        try:
            with subscribe(dialler, filters) as connection:
                if silent:
                    yield "the broker is back"
                accepted, silent = True, ""
                began = time.monotonic()
                while not stop():
                    yield from receive(connection, _STOP_CHECK_SECONDS)
                connection.close()
        except ConnectFailedError as error:
            if not accepted:
                raise BrokerError(str(error)) from error
        except ConnectionLostError as error:
            if not accepted:
                raise BrokerError(f"the connection to the broker is gone: {error}") from error
            backoff.attempt_ended(time.monotonic() - began)
            if not silent:
                silent = f"the connection to the broker is gone: {error}; trying again"
                yield silent
        until = time.monotonic() + backoff.next_seconds()
        while not stop() and time.monotonic() < until:
            time.sleep(_STOP_CHECK_SECONDS)
