"""Writes events as JSON Lines, the sink where no broker is configured."""

import logging
import threading
from typing import Final, TextIO

from edge.messages.payloads import EventPayload, HealthPayload, InfoPayload, StatePayload, encode
from edge.sinks.base import PublishedCallback, SinkStatus, stamped
from edge.system.files import discard_stream

_LOG: Final = logging.getLogger(__name__)


class JsonLinesSink:
    """One line of JSON per event on `stream`, flushed at once: what `run` does where no broker is set.

    Only events: whoever pipes them into a program wants one kind of line, and `info`, `state` and
    `health` are there for a broker to retain. When the reader goes away (`emotion-edge run | head`)
    the sink has ended, which is no failure; any other error of the stream (a full disk) is one.
    Writing waits where the reader of a pipe does: there is nobody else to deliver to.
    """

    def __init__(self, stream: TextIO, published: PublishedCallback | None = None) -> None:
        """`published` is called with each line that was written, without its end."""
        self._stream = stream
        self._published = published
        self._lock = threading.Lock()
        self._dropped = 0
        self._failure: Exception | None = None
        self._ended = False

    def status(self) -> SinkStatus:
        """Return the state of the sink now; lines that could not be written count as dropped."""
        return SinkStatus(outbox_dropped=self._dropped, failure=self._failure, ended=self._ended)

    def start(self) -> None:
        """Nothing to begin."""

    def event(self, payload: EventPayload, captured_monotonic: float) -> None:
        """Write the event as one line."""
        with self._lock:
            if self._ended or self._failure is not None:
                self._dropped += 1
                return
            line = encode(stamped(payload, captured_monotonic, replayed=False))
            try:
                self._stream.write(f"{line.decode()}\n")
                self._stream.flush()
            except BrokenPipeError:
                self._dropped += 1
                self._ended = True
                discard_stream(self._stream)
                _LOG.info("nobody reads the events any more")
            except OSError as error:
                self._dropped += 1
                self._failure = error
                discard_stream(self._stream)
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
        return self._dropped == 0

    def abort(self) -> bool:
        """Return whether every event was written."""
        return self._dropped == 0
