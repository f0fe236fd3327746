"""`make demo`: the real daemon on the scripted source, its events told as a person would like to read them.

With mosquitto installed a private one is started and the events come through it, as they would at
home; without, the daemon writes JSON Lines and those are told.
"""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Final, TextIO

import msgspec

from edge.commands.demo_broker import PrivateBroker, find_mosquitto
from edge.commands.watch import Malformed, Reader, decode, receive, subscribe
from edge.config.schema import MqttConfig
from edge.errors import EXIT_INTERRUPTED, BrokerError, EdgeError
from edge.messages.payloads import EventPayload
from edge.messages.text import clock
from edge.messages.topics import STATUS_WORDS, STOPPED, subscription
from edge.mqtt.connection import Connection, Connector
from edge.mqtt.errors import ConnectFailedError
from edge.mqtt.settings import broker_settings
from edge.mqtt.types import ConnectionLostError, ReceivedMessage

_SCRIPT: Final = "scripted:"
_LAST_WORDS_SECONDS: Final = 5.0
"""How long the broker may take to pass on the last messages once the daemon has ended."""

_STOP_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.1


class Tally:
    """What the demo sums up in the end."""

    def __init__(self) -> None:
        self._emotions: list[str] = []
        self._latencies_ms: list[float] = []
        self.events = 0

    def add(self, event: EventPayload) -> None:
        """Count an event."""
        self.events += 1
        self._latencies_ms.append(event.latency_ms)
        if event.emotion not in self._emotions:
            self._emotions.append(event.emotion)

    def __str__(self) -> str:
        """One line."""
        if not self.events:
            return "no events came"
        # The smallest latency that 99 % of the events stay within.
        ranked = sorted(self._latencies_ms)
        p99_ms = ranked[max(0, -(-len(ranked) * 99 // 100) - 1)]
        return f"{self.events} events, emotions: {', '.join(self._emotions)}; 99 % within {p99_ms:.0f} ms"


def demo(stream: TextIO, source: str = _SCRIPT) -> int:
    """Run the demo; returns 0 where the daemon ended well and events came, else a code that says no.

    Raises EdgeError where the private broker does not start.
    """
    tally = Tally()
    say = _Teller(stream)
    if find_mosquitto() is None:
        say("mosquitto is not installed, so there is no broker: the daemon writes its events as JSON Lines instead")
        code = _without_broker(source, tally, say)
    else:
        with PrivateBroker() as broker:
            say(f"a private mosquitto listens at {broker.url}; the daemon plays {source}")
            code = _with_broker(broker.url, source, tally, say)
    say(str(tally))
    return code or (0 if tally.events else 1)


class _Teller:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, line: str) -> None:
        self._stream.write(f"{line}\n")
        self._stream.flush()


def _with_broker(url: str, source: str, tally: Tally, say: Callable[[str], None]) -> int:
    mqtt = MqttConfig(url=url)
    dialler = Connector(broker_settings(mqtt), f"emotion-edge-demo-{secrets.token_hex(4)}")
    try:
        # Subscribed before the daemon starts: events are not retained.
        with subscribe(dialler, [subscription(mqtt.base_topic, kind) for kind in ("status", "event")]) as connection:
            daemon = _daemon(source, url)
            reader = Reader(mqtt.base_topic)
            try:
                for message in _until_stopped(connection, daemon):
                    _tell(message, reader, tally, say)
            finally:
                _end(daemon)
    except ConnectFailedError as error:
        raise BrokerError(str(error)) from error
    except ConnectionLostError as error:
        raise BrokerError(f"the connection to the private broker is gone: {error}") from error
    return daemon.returncode


def _until_stopped(connection: Connection, daemon: subprocess.Popen[str]) -> Iterator[ReceivedMessage]:
    """Messages until the daemon said `stopped`, or has been gone for a while without having said it."""
    give_up = float("inf")
    while time.monotonic() < give_up:
        for message in receive(connection, _POLL_SECONDS):
            yield message
            if message.payload == STOPPED.encode():
                return
        if daemon.poll() is not None:
            # Its last messages may still be on their way; a daemon that failed says no more.
            left = _LAST_WORDS_SECONDS if daemon.returncode == 0 else 2 * _POLL_SECONDS
            give_up = min(give_up, time.monotonic() + left)


def _tell(message: ReceivedMessage, reader: Reader, tally: Tally, say: Callable[[str], None]) -> None:
    if message.payload.decode(errors="replace") not in STATUS_WORDS:
        try:
            event = decode("event", message.payload)
        except Malformed:
            event = None
        if isinstance(event, EventPayload):
            tally.add(event)
    line = reader.line(message)
    if line is not None:
        say(line)


def _without_broker(source: str, tally: Tally, say: Callable[[str], None]) -> int:
    daemon = _daemon(source, None)
    reader = Reader("")
    try:
        for line in daemon.stdout or ():
            event = msgspec.json.decode(line, type=EventPayload)
            tally.add(event)
            say(f"{clock(event.time)} {reader.event(event)}")
        daemon.wait()
    finally:
        _end(daemon)
    return daemon.returncode


def _daemon(source: str, url: str | None) -> subprocess.Popen[str]:
    """Start the real daemon. What the environment configures stays out: a demo is the same everywhere."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EMOTION_EDGE_")}
    # Nothing of it is to be found later, and its events are nobody else's.
    environment["EMOTION_EDGE_MQTT_OUTBOX_DIRECTORY"] = "none"
    command = [sys.executable, "-m", "edge.cli", "run", "--log-level", "warning", "--source", source]
    if url is not None:
        command += ["--mqtt", url]
    return subprocess.Popen(  # noqa: S603 - this program itself
        command, stdout=None if url else subprocess.PIPE, text=True, env=environment
    )


def _end(daemon: subprocess.Popen[str]) -> None:
    if daemon.poll() is None:
        # It may be about to end by itself, having said its last word.
        try:
            daemon.wait(_STOP_SECONDS if sys.exc_info()[0] is None else 0)
        except subprocess.TimeoutExpired:
            daemon.terminate()
    try:
        daemon.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
    if daemon.stdout is not None:
        daemon.stdout.close()


def main() -> int:
    """Run as a command; returns the exit code."""
    try:
        return demo(sys.stdout)
    except EdgeError as error:
        sys.stderr.write(f"demo: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
