"""`make demo`: runs the real daemon on the built-in actor and prints its events as readable lines.

Where mosquitto is installed, the events travel through a private broker, as in a real installation. Otherwise the
daemon writes JSON Lines, which are printed as the same readable lines.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Final, TextIO

import msgspec

from edge.capture.scripted.script import source_in_words
from edge.commands.child_process import close_pipes, end_process
from edge.commands.common import write_line
from edge.commands.demo_broker import PrivateBroker, find_mosquitto
from edge.commands.subscriber import receive, subscribe
from edge.commands.watch import MalformedPayloadError, MessageFormatter, decode
from edge.config.mqtt_schema import MqttConfig
from edge.errors import EXIT_INTERRUPTED, BrokerError, EdgeError
from edge.messages.payloads import EventPayload
from edge.messages.text import clock
from edge.messages.topics import STATUS_WORDS, STOPPED, subscription
from edge.mqtt.connection import Connection
from edge.mqtt.connector import Connector
from edge.mqtt.errors import ConnectFailedError
from edge.mqtt.settings import broker_settings, command_client_id
from edge.mqtt.types import ConnectionLostError, ReceivedMessage

_SCRIPT: Final = "scripted:"
_LAST_MESSAGES_SECONDS: Final = 5.0
"""How long the broker may take to deliver the last messages once the daemon has ended."""

_STOP_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.1


class EventSummary:
    """Counts events, emotions and latencies for the last line of the demo."""

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
        """Return the summary as one line."""
        if not self.events:
            return "no events received"
        # The smallest latency that 99 % of the events stay within.
        ranked = sorted(self._latencies_ms)
        p99_ms = ranked[max(0, -(-len(ranked) * 99 // 100) - 1)]
        emotions = ", ".join(self._emotions)
        return f"{self.events} events, emotions: {emotions}; 99 % of them within {p99_ms:.0f} ms of their frame"


def demo(stream: TextIO, source: str = _SCRIPT) -> int:
    """Run the demo; returns 0 where the daemon succeeded and events arrived, else the daemon's exit code or 1.

    Raises EdgeError where the private broker does not start.
    """
    summary = EventSummary()
    shown = f"{source_in_words(source)} for some twenty seconds" if source == _SCRIPT else source_in_words(source)
    if find_mosquitto() is None:
        write_line(stream, f"the sensor watches {shown}; without a broker, because mosquitto is not installed here")
        code = _without_broker(source, summary, stream)
    else:
        with PrivateBroker() as broker:
            write_line(stream, f"the sensor watches {shown}; its events come through a private broker, {broker.url}")
            code = _with_broker(broker.url, source, summary, stream)
    write_line(stream, str(summary))
    return code or (0 if summary.events else 1)


def _with_broker(url: str, source: str, summary: EventSummary, stream: TextIO) -> int:
    mqtt = MqttConfig(url=url)
    connector = Connector(broker_settings(mqtt), command_client_id(mqtt, "demo"))
    try:
        # Subscribe before the daemon starts, because events are not retained.
        with subscribe(connector, [subscription(mqtt.base_topic, kind) for kind in ("status", "event")]) as connection:
            daemon = _start_daemon(source, url)
            formatter = MessageFormatter(mqtt.base_topic)
            try:
                for message in _until_stopped(connection, daemon):
                    _show(message, formatter, summary, stream)
            finally:
                _end(daemon)
    except ConnectFailedError as error:
        raise BrokerError(str(error)) from error
    except ConnectionLostError as error:
        raise BrokerError(f"the connection to the private broker is lost: {error}") from error
    return daemon.returncode


def _until_stopped(connection: Connection, daemon: subprocess.Popen[str]) -> Iterator[ReceivedMessage]:
    """Yield messages until the daemon publishes `stopped`, or for a while after it ended without doing so."""
    deadline = float("inf")
    while time.monotonic() < deadline:
        for message in receive(connection, _POLL_SECONDS):
            yield message
            if message.payload == STOPPED.encode():
                return
        if daemon.poll() is not None:
            # The broker may still hold its last messages. A daemon that failed published none.
            wait_seconds = _LAST_MESSAGES_SECONDS if daemon.returncode == 0 else 2 * _POLL_SECONDS
            deadline = min(deadline, time.monotonic() + wait_seconds)


def _show(message: ReceivedMessage, formatter: MessageFormatter, summary: EventSummary, stream: TextIO) -> None:
    if message.payload.decode(errors="replace") not in STATUS_WORDS:
        try:
            event = decode("event", message.payload)
        except MalformedPayloadError:
            event = None
        if isinstance(event, EventPayload):
            summary.add(event)
    line = formatter.format(message)
    if line is not None:
        write_line(stream, line)


def _without_broker(source: str, summary: EventSummary, stream: TextIO) -> int:
    daemon = _start_daemon(source, None)
    formatter = MessageFormatter("")
    try:
        for line in daemon.stdout or ():
            event = msgspec.json.decode(line, type=EventPayload)
            summary.add(event)
            write_line(stream, f"{clock(event.time)} {formatter.format_event(event)}")
        daemon.wait()
    finally:
        _end(daemon)
    return daemon.returncode


def _start_daemon(source: str, url: str | None) -> subprocess.Popen[str]:
    """Start the real daemon, without what the environment configures: the demo is the same everywhere."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EMOTION_EDGE_")}
    # The demo leaves no file behind.
    environment["EMOTION_EDGE_MQTT_OUTBOX_DIRECTORY"] = "none"
    command = [sys.executable, "-m", "edge.cli", "run", "--log-level", "warning", "--source", source]
    if url is not None:
        command += ["--mqtt", url]
    return subprocess.Popen(  # noqa: S603 - this program itself
        command, stdout=None if url else subprocess.PIPE, text=True, env=environment
    )


def _end(daemon: subprocess.Popen[str]) -> None:
    if daemon.poll() is None:
        # After `stopped` it ends by itself.
        with contextlib.suppress(subprocess.TimeoutExpired):
            daemon.wait(_STOP_SECONDS if sys.exc_info()[0] is None else 0)
    end_process(daemon, _STOP_SECONDS)
    close_pipes(daemon)


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
