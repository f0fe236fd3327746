"""Where the line's results go: the interface that the daemon knows, and the sink for no broker at all."""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, Literal, Protocol, TextIO

from msgspec import structs

from edge.config.schema import MqttConfig
from edge.messages.payloads import EventPayload, HealthPayload, InfoPayload, StatePayload, encode
from edge.mqtt.handlers import Correspondent

_LOG: Final = logging.getLogger(__name__)

BrokerState = Literal["connected", "disconnected", "none"]

Heard = Callable[[bytes], None]
"""Takes an event's payload as it was handed over. Called from the thread that did so: it must not wait."""


class Sink(Protocol):
    """Takes what the pipeline found. Calls come from the pipeline's thread and never wait for a network."""

    @property
    def broker_state(self) -> BrokerState:
        """How the broker is; "none" where there is no broker in play."""

    @property
    def outbox_depth(self) -> int:
        """Events not acknowledged yet."""

    @property
    def outbox_dropped(self) -> int:
        """Events that will never arrive: a full outbox let them go, or the broker refused them."""

    @property
    def outbox_durable(self) -> bool | None:
        """Whether events that wait for the broker outlive this process; None where there is no broker in play."""

    @property
    def outbox_problem(self) -> str | None:
        """Why they do not, where that was not asked for."""

    @property
    def failure(self) -> Exception | None:
        """Why nothing will be delivered any more; the daemon must end with a non-zero code."""

    @property
    def beat_monotonic(self) -> float | None:
        """When whoever delivers last showed that it goes round; None where there is nobody who could hang."""

    @property
    def ended(self) -> bool:
        """True once nobody listens any more and the daemon should end cleanly, as at the end of a file."""

    def attach(self, correspondent: Correspondent) -> None:
        """Let somebody listen and speak on the sink's connection, where it has one. Only before `start`."""

    def start(self) -> None:
        """Begin. May raise BrokerError or ConfigError."""

    def event(self, payload: EventPayload, captured_monotonic: float) -> None:
        """Send an event. Its `latency_ms` and `replayed` are stamped here, whatever they hold."""

    def info(self, payload: InfoPayload) -> None:
        """Say what this sensor is; the last word counts."""

    def state(self, payload: StatePayload) -> None:
        """Say who is in view; the last word counts."""

    def health(self, payload: HealthPayload) -> None:
        """Say how the sensor is doing; the last word counts."""

    def drained(self) -> bool:
        """True where every event is acknowledged, or gone for good."""

    def close(self, drain_seconds: float) -> bool:
        """End, waiting at most `drain_seconds` for acknowledgements; True if nothing is lost."""

    def abort(self) -> bool:
        """End without a good-bye, for a process that is about to fail; True if nothing is lost."""


def stamped(payload: EventPayload, captured_monotonic: float, *, replayed: bool) -> EventPayload:
    """`payload` as it goes out now: milliseconds since its frame was captured, and whether it is late."""
    # Two clocks' readings can differ by rounding; a negative latency would fit no schema.
    latency_ms = max(0.0, (time.monotonic() - captured_monotonic) * 1000)
    return structs.replace(payload, latency_ms=round(latency_ms, 2), replayed=replayed)


class JsonLinesSink:
    """One line of JSON per event on `stream`, flushed at once: what `run` does where no broker is set.

    Only events: whoever pipes them into a program wants one kind of line, and `info`, `state` and
    `health` are there for a broker to retain. When the reader goes away (`emotion-edge run | head`)
    the sink has ended, which is no failure; any other error of the stream (a full disk) is one.
    Writing waits where the reader of a pipe does: there is nobody else to deliver to.
    """

    broker_state: Final[BrokerState] = "none"
    outbox_depth: Final = 0
    outbox_durable: Final = None
    outbox_problem: Final = None
    beat_monotonic: Final = None

    def __init__(self, stream: TextIO, published: Heard | None = None) -> None:
        """`published` is called with each line that was written, without its end."""
        self._stream = stream
        self._published = published
        self._lock = threading.Lock()
        self.outbox_dropped = 0
        self.failure: Exception | None = None
        self.ended = False

    def attach(self, correspondent: Correspondent) -> None:
        """Nobody can be heard here."""

    def start(self) -> None:
        """Nothing to begin."""

    def event(self, payload: EventPayload, captured_monotonic: float) -> None:
        """Write the event as one line."""
        with self._lock:
            if self.ended or self.failure is not None:
                self.outbox_dropped += 1
                return
            line = encode(stamped(payload, captured_monotonic, replayed=False))
            try:
                self._stream.write(f"{line.decode()}\n")
                self._stream.flush()
            except BrokenPipeError:
                self.outbox_dropped += 1
                self.ended = True
                _abandon(self._stream)
                _LOG.info("nobody reads the events any more")
            except OSError as error:
                self.outbox_dropped += 1
                self.failure = error
                _abandon(self._stream)
            else:
                if self._published is not None:
                    self._published(line)

    def info(self, payload: InfoPayload) -> None:
        """Leave it out."""

    def state(self, payload: StatePayload) -> None:
        """Leave it out."""

    def health(self, payload: HealthPayload) -> None:
        """Leave it out."""

    def drained(self) -> bool:
        """Each line is flushed as it is written."""
        return True

    def close(self, drain_seconds: float) -> bool:
        """Return whether every event was written; there is nothing to wait for."""
        _ = drain_seconds
        return self.outbox_dropped == 0

    def abort(self) -> bool:
        """Return whether every event was written."""
        return self.outbox_dropped == 0


def make_sink(
    mqtt: MqttConfig, device: str, stdout: TextIO, correspondents: Sequence[Correspondent], published: Heard | None
) -> Sink:
    """Build the sink that `mqtt` asks for; `correspondents` share its connection, `published` hears of each event."""
    if not mqtt.url:
        return JsonLinesSink(stdout, published)
    # Who has no broker waits for neither paho nor TLS at the start.
    from edge.mqtt.publisher import MqttSink  # noqa: PLC0415

    sink = MqttSink(mqtt, device, published)
    for correspondent in correspondents:
        sink.attach(correspondent)
    return sink


def _abandon(stream: TextIO) -> None:
    """Point a stream that cannot be written to at nothing.

    Its buffer still holds the line, and Python would fail once more, with a traceback and exit code
    120, when it flushes standard output at the end.
    """
    with contextlib.suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nothing, stream.fileno())
        finally:
            os.close(nothing)
