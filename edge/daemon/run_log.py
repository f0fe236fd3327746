"""Logs what the sensor does and what became of it, for the person at the terminal where it runs.

In the journal there are two of these lines, one at the start and one at the end: signs of life are for those who watch.
"""

import logging
import shlex
from dataclasses import dataclass
from typing import Final

from edge.capture.scripted.script import source_in_words
from edge.config.mqtt_schema import MqttConfig
from edge.config.schema import Config
from edge.messages.text import count
from edge.messages.topics import Topics
from edge.redact import redacted
from edge.sinks.base import SinkStatus
from edge.types import SourceState

log = logging.getLogger(__name__)

STATUS_SECONDS: Final = 10.0
"""Interval of the signs of life on a terminal: after 15 s without one people ask whether the program hangs."""
_SLOW_FPS: Final = 1.0
"""Rate below which one decimal says too little."""


@dataclass(frozen=True, slots=True)
class RunFigures:
    """Figures of one run: frames processed, faces in view, events decided, the state of source and sink."""

    frames: int
    faces: int
    events: int
    source: SourceState
    source_error: str | None
    sink: SinkStatus


class RunLog:
    """Logs the start, the signs of life and the end of one run. Reads no clock: `now` is in seconds, monotonic.

    `terminal`: a person reads the log as it is written. `source_given`: a source is named; without one the built-in
    actor plays, which is logged everywhere, because its events look like those of a camera.
    """

    def __init__(self, *, terminal: bool, source_given: bool, interval_seconds: float = STATUS_SECONDS) -> None:
        self._terminal = terminal
        self._source_given = source_given
        self._interval_seconds = interval_seconds
        self._logged_at: float | None = None
        self._frames = 0

    def starting(self, config: Config) -> None:
        """Log what is started, on a terminal: loading the model and opening a camera can take seconds."""
        if self._terminal:
            broker = redacted(config.mqtt.url) or "none"
            source, model = source_in_words(redacted(config.source.uri)), config.model.name
            log.info("starting: source %s, model %s, broker %s", source, model, broker)

    def started(self, config: Config, device: str, model: str, now: float) -> None:
        """Log that the sensor runs, where no source is named what plays instead, and on a terminal where events go."""
        self._logged_at = now
        source, kind = source_in_words(redacted(config.source.uri)), config.detector.kind
        detector = "" if kind == "haar" else f", detector {kind}"
        log.info("sensor started: source %s, model %s%s", source, model, detector)
        if not self._source_given:
            log.warning(
                "no source set: playing the built-in actor, not a camera; set source.uri in the configuration or pass "
                "--source, as in --source picamera:0"
            )
        if not self._terminal:
            return
        if config.mqtt.url:
            topic = Topics(config.mqtt.base_topic, device).event
            log.info("events are published on %s; %s", topic, _how_to_watch(config.mqtt))
        else:
            log.info("no broker set: events are written to standard output as JSON Lines; --mqtt sets one")
        log.info("Ctrl-C stops the sensor")

    def due(self, now: float) -> bool:
        """Return whether it is time for a sign of life; never outside a terminal."""
        return self._terminal and self._logged_at is not None and now - self._logged_at >= self._interval_seconds

    def running(self, figures: RunFigures, now: float) -> None:
        """Log that the sensor runs, with the frames per second since the last such line."""
        seconds = max(now - (self._logged_at or 0.0), 1e-6)
        rate = (figures.frames - self._frames) / seconds
        self._logged_at, self._frames = now, figures.frames
        broker = "" if figures.sink.broker == "none" else f", broker {figures.sink.broker}"
        waiting = figures.sink.outbox_depth
        waits = f", {count(waiting, 'event')} waiting" if waiting else ""
        log.info("running: %s, %s so far%s%s", _source(figures, rate), count(figures.events, "event"), broker, waits)

    def waiting(self, sink: SinkStatus, now: float) -> None:
        """Log, after the end of the source, that the sensor waits for the broker."""
        self._logged_at = now
        kept = "; Ctrl-C ends the wait, and they are kept for the next start" if sink.outbox_durable else ""
        log.info("waiting for the broker to acknowledge %s%s", count(sink.outbox_depth, "event"), kept)

    def ended(self, cause: str, figures: RunFigures) -> None:
        """Log what ended the run, and what became of its events. `cause`: a clause, as in "stopped by Ctrl-C"."""
        log.info("%s: %s, %s", cause, count(figures.frames, "frame"), _fate(figures))


def _source(figures: RunFigures, rate: float) -> str:
    match figures.source:
        case "paused":
            return "capture paused by request"
        case "opening":
            return "the source is being opened"
        case "stalled" | "lost":
            reason = f" ({figures.source_error})" if figures.source_error else ""
            return f"the source is {figures.source}{reason}"
    shown = f"{rate:.1f}" if rate >= _SLOW_FPS else f"{rate:.2f}"
    return f"{count(figures.frames, 'frame')}, {shown} a second, {count(figures.faces, 'face')} in view"


def _fate(figures: RunFigures) -> str:
    """Return the events of a run, and whether they were delivered."""
    sink, events = figures.sink, count(figures.events, "event")
    to_broker = sink.broker != "none"
    parts = []
    if sink.outbox_depth:
        kept = "kept on disk for the next start" if sink.outbox_durable else "not acknowledged and lost"
        parts.append(f"{sink.outbox_depth} {kept}")
    if sink.outbox_dropped:
        parts.append(f"{sink.outbox_dropped} {'dropped' if to_broker else 'not written'}")
    if parts:
        return f"{events}; {', '.join(parts)}"
    if not figures.events:
        return events
    return f"{events}, all {'acknowledged by the broker' if to_broker else 'written to standard output'}"


def _how_to_watch(mqtt: MqttConfig) -> str:
    """Return the command that shows the events; a broker that wants more than its address needs the same options."""
    if mqtt != MqttConfig(url=mqtt.url) or redacted(mqtt.url) != mqtt.url:
        return "`emotion-edge watch` shows them, with the same --config, variables or --mqtt"
    return f"`emotion-edge watch --mqtt {shlex.quote(mqtt.url)}` shows them"
