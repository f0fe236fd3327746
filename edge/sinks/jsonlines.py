"""Writes events as JSON Lines, the sink where no broker is configured."""

import logging
import threading
from typing import Final, TextIO

from edge.messages.event_time import stamped
from edge.messages.payloads import EventPayload, HealthPayload, InfoPayload, StatePayload, encode
from edge.messages.summary import SummaryPayload
from edge.sinks.base import PublishedCallback, SinkStatus
from edge.system.clock import SystemClock
from edge.system.files import discard_stream

_LOG: Final = logging.getLogger(__name__)


class JsonLinesSink:
    """Writes each event as one line of JSON to `stream`, flushed at once: what `run` does without a broker.

    Only events: a program that reads them from a pipe gets one kind of line, and `info`, `state`, `health` and
    `summary` are for a broker to retain. When the reader closes the pipe (`emotion-edge run | head`) the sink has
    ended, which is no failure; any other error of the stream (a full disk) is one. Writing blocks while the reader of a
    pipe does not read: there is no other destination.

    `published` is called with each line that was written, without its newline.
    """

    def __init__(self, stream: TextIO, published: PublishedCallback | None = None) -> None:
        self._stream = stream
        self._clock = SystemClock()
        self._published = published
        self._lock = threading.Lock()
        self._dropped = 0
        self._failure: Exception | None = None
        self._ended = False

    def status(self) -> SinkStatus:
        """Return the state of the sink now; lines that could not be written count as dropped."""
        return SinkStatus(outbox_dropped=self._dropped, failure=self._failure, ended=self._ended)

    def start(self) -> None:
        """Do nothing: the stream is open."""

    def event(self, payload: EventPayload, captured_monotonic: float) -> None:
        """Write the event as one line."""
        with self._lock:
            if self._ended or self._failure is not None:
                self._dropped += 1
                return
            captured_boottime = self._clock.boottime_at(captured_monotonic)
            line = encode(stamped(payload, captured_boottime, self._clock.read(), replayed=False))
            try:
                self._stream.write(f"{line.decode()}\n")
                self._stream.flush()
            except BrokenPipeError:
                self._dropped += 1
                self._ended = True
                discard_stream(self._stream)
                _LOG.info("the reader of the events has closed the stream; the sensor ends")
            except OSError as error:
                self._dropped += 1
                self._failure = error
                discard_stream(self._stream)
            else:
                if self._published is not None:
                    self._published(line)

    def info(self, payload: InfoPayload) -> None:
        """Ignore the payload."""

    def state(self, payload: StatePayload) -> None:
        """Ignore the payload."""

    def health(self, payload: HealthPayload) -> None:
        """Ignore the payload."""

    def summary(self, payload: SummaryPayload) -> None:
        """Ignore the payload."""

    def drained(self) -> bool:
        """Return True: each line is flushed as it is written."""
        return True

    def close(self, drain_seconds: float) -> bool:
        """Return whether every event was written; there is nothing to wait for."""
        _ = drain_seconds
        return self._dropped == 0

    def abort(self) -> bool:
        """Return whether every event was written."""
        return self._dropped == 0
