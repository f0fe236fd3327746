"""The composition root: builds the parts, starts them in order, runs the line, stops them in reverse."""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, TextIO

import cv2

from edge.capture.capture import Capture
from edge.capture.open import create_source
from edge.capture.reconnect import ReconnectPolicy
from edge.capture.source import SourceOptions
from edge.config.schema import Config
from edge.control.handler import create_request_handler
from edge.daemon.health import HealthReporter, build_info, status_line
from edge.daemon.reload import Reloader
from edge.daemon.watchdog import WatchdogFeeder
from edge.daemon.wiring import make_sink
from edge.homeassistant.announcer import create_announcer
from edge.latency.governor import Governor
from edge.latency.stats import FrameStats
from edge.logs.outage import LogQuota
from edge.messages.payload_builder import STATE_SECONDS, PayloadBuilder
from edge.messages.payloads import HealthPayload
from edge.preview.factory import create_preview
from edge.redact import redacted
from edge.system import board
from edge.system.sd_notify import Notifier
from edge.system.signals import install_handlers
from edge.types import Event, Frame, TrackedFace
from edge.vision.classification.classifier import Classifier
from edge.vision.detection.detector import Detector
from edge.vision.pipeline import Pipeline

log = logging.getLogger(__name__)

_POLL_SECONDS: Final = 0.2
"""How long the line waits for a frame before it looks at signals, the broker and the clock."""
_MOST_TOGGLES: Final = 20
"""Pauses and ends of them that are logged within an hour: whoever may publish to the broker can ask for them."""


class Daemon:
    """One sensor: a source, the line, and where its events go."""

    def __init__(
        self,
        config: Config,
        *,
        fast: bool,
        max_frames: int | None,
        stdout: TextIO,
        read_again: Callable[[], Config] | None = None,
    ) -> None:
        """Build every part without starting any. Raises EdgeError where one cannot be built.

        `read_again` gives the configuration as its file has it by then, for `reload`.
        """
        # The interpreter has threads of its own; two pools on four cores cost more than they give.
        cv2.setNumThreads(1)
        self._config = config
        self._fast = fast
        self._max_frames = max_frames
        self._stop = threading.Event()
        self._reloader = Reloader(read_again or (lambda: config))
        self.device = board.device_id(config.device.id)
        self.boot_id = secrets.token_hex(8)
        self._classifier = Classifier.from_config(config.model)
        self._composer = PayloadBuilder(self.boot_id, self._classifier.labels, config.labels)
        self._pipeline = Pipeline(config, Detector(config.detector), self._classifier)
        self._homeassistant = create_announcer(config, self.device) if config.mqtt.url else None
        self._page = create_preview(config, self._health_now)
        self._desk = create_request_handler(config, self.device)
        correspondents = [one for one in (self._homeassistant, self._desk) if one is not None]
        self._sink = make_sink(config.mqtt, self.device, stdout, correspondents, self._page.published)
        options = SourceOptions(config.source, colour=self._classifier.wants_colour)
        self._capture = Capture(
            lambda: create_source(config.source.uri, options),
            fast=fast,
            policy=ReconnectPolicy(config.source.stall_seconds),
        )
        self._started = time.monotonic()
        self._meter = FrameStats(self._started)
        self._governor = Governor(config.budget.latency_ms)
        self._reporter = HealthReporter(config, self._capture, self._meter, self._governor, self._sink)
        self._health_due = self._started + config.health.interval_seconds
        self._told_source = ""
        self._toggles = LogQuota(_MOST_TOGGLES)
        self._state_due = 0.0
        self._frame: Frame | None = None
        self._faces: Sequence[TrackedFace] = ()
        self._manager = Notifier()

    def stop(self) -> None:
        """Ask the line to end after the frame in hand; safe from a signal handler."""
        self._stop.set()

    def reload(self) -> None:
        """Ask the line to read the configuration again before the next frame; safe from a signal handler."""
        self._reloader.ask()

    def run(self) -> int:
        """Run until the source ends or `stop`; returns the exit code.

        Raises EdgeError where the source or the broker cannot be used, and whatever ended a stage.
        """
        if self._desk.mark.is_set:
            self._capture.pause()
            log.warning("paused, as it was when it ended (%s): a request to resume makes it look", self._desk.mark.file)
        self._capture.start()
        stall_seconds = self._config.source.stall_seconds
        self._vitals = WatchdogFeeder(self._manager, stall_seconds=stall_seconds, live=self._capture.live)
        try:
            self._send_info()
            self._sink.start()
            self._page.start(live=self._capture.live)
            # A file played as quickly as possible has no latency to keep, and gives the same events everywhere.
            self._governor.start(self._config.budget.priority, fixed=self._fast and not self._capture.live)
            self._send_state(())
            self._send_health()
            source, model = redacted(self._config.source.uri), self._classifier.manifest.name
            log.info("watching %s, model %s on %s", source, model, self._classifier.runtime)
            self._manager.ready()
            self._loop()
            self._leave()
        except BaseException:
            # No goodbye: the broker then tells subscribers `offline`, which is what happened. What was
            # decided before is still delivered.
            self._deliver(self._config.mqtt.drain_seconds)
            self._sink.abort()
            raise
        finally:
            self._page.stop()
            self._capture.stop()
        self._send_health()
        self._deliver(None)
        self._manager.stopping()
        status = self._sink.status()
        if status.failure is not None:
            self._sink.abort()
            raise status.failure
        safe = self._sink.close(self._config.mqtt.drain_seconds)
        if not safe and not self._sink.status().ended:
            lost = self._sink.status().outbox_depth
            log.error("%d event(s) were not acknowledged by the broker and are lost", lost)
            return 1
        return 0

    def _loop(self) -> None:
        while not self._stop.is_set():
            if self._reloader.take():
                self._reload()
            self._desk.attend(self, self._config)
            frame = self._capture.next(_POLL_SECONDS)
            self._show_life()
            if frame is not None:
                self._step(frame)
            elif self._capture.ended:
                break
            elif self._capture.state in {"stalled", "lost"} and self._faces:
                # Nobody knows who is there while the camera is away, so nobody is said to be.
                self._leave()
            if self._max_frames is not None and self._meter.frames >= self._max_frames:
                break
            status = self._sink.status()
            if status.ended:
                break
            if status.failure is not None:
                raise status.failure
            if time.monotonic() >= self._health_due or self._capture.state != self._told_source:  # gone, or back
                self._send_health()

    def _reload(self) -> None:
        """Read the configuration again; one that cannot be used changes nothing."""
        self._manager.reloading()
        news = self._reloader.read(self._config, self._composer)
        if news is not None:
            change, detector = news
            self._config = change.config
            self._pipeline.configure(change.config, detector)
            if change.touches("budget"):
                self._governor.set_budget(change.config.budget.latency_ms)
            self._reporter.configure(change.config)
            self._send_info()
            self._send_health()
        self._manager.ready()

    @property
    def paused(self) -> bool:
        """Whether it was asked not to look."""
        return self._capture.paused

    def set_paused(self, paused: bool) -> None:  # noqa: FBT001 - what else could it be
        """Stop to look, or look again; only in the line's own thread, between two frames."""
        if paused is self.paused:
            return
        if paused:
            self._capture.pause()
            self._leave()
        else:
            self._capture.resume()
            self._send_state(())
        self._send_health()
        left = self._toggles.left(time.monotonic())
        if left:
            more = "; more of it within the hour is in the state alone" if left == 1 else ""
            log.info("%s: somebody asked for it%s", "paused" if self.paused else "resumed", more)

    def report(self) -> HealthPayload:
        """How it is doing, as it is published at the same time; at most once a second."""
        return self._reporter.recent(time.monotonic()) or self._send_health()

    def _step(self, frame: Frame) -> None:
        # A file's frames are all processed; of a camera, only those that can still be in time.
        if self._capture.live and self._governor.too_late(1000 * (time.monotonic() - frame.captured_monotonic)):
            return
        self._pipeline.level = self._governor.level
        result = self._pipeline.step(frame)
        self._frame = frame
        self._send(result.events)
        now = time.monotonic()
        latency_ms = 1000 * (now - frame.captured_monotonic)
        self._meter.frame(latency_ms, result.stage_ms)
        self._page.show(result, latency_ms, self._pipeline.level)
        self._governor.frame(now, latency_ms, result.stage_ms)
        if result.events or (result.faces and frame.seconds >= self._state_due):
            self._state_due = frame.seconds + STATE_SECONDS
            self._send_state(result.faces)
        self._faces = result.faces

    def _send(self, events: Sequence[Event]) -> None:
        for event in events:
            payload = self._composer.event(event)
            self._page.decided(payload)
            self._sink.event(payload, event.frame.captured_monotonic)

    def _leave(self) -> None:
        self._send(self._pipeline.finish())
        self._faces = ()
        self._page.blank()
        self._send_state(())

    def _show_life(self) -> None:
        self._vitals.turn(self._meter.frames, self._capture.state, self._sink.status().beat_monotonic, time.monotonic())

    def _deliver(self, limit_seconds: float | None) -> None:
        """Wait until the broker has acknowledged every event, `stop` was called, or the limit is over.

        A source that has ended leaves time to wait for a broker that is away; a signal does not.
        """
        began, said = time.monotonic(), False
        while not self._stop.is_set() and not self._sink.drained() and self._sink.status().failure is None:
            waited = time.monotonic() - began
            if limit_seconds is not None and waited > limit_seconds:
                break
            if not said and waited > self._config.mqtt.drain_seconds:
                log.warning(
                    "the source has ended; waiting for the broker to take %d event(s)", self._sink.status().outbox_depth
                )
                said = True
            self._show_life()
            self._desk.attend(self, self._config)
            self._stop.wait(0.02)

    def _send_state(self, faces: Sequence[TrackedFace]) -> None:
        frame = self._frame if faces else None
        self._sink.state(self._composer.state(faces, frame, time.time(), paused=self.paused))

    def _send_info(self) -> None:
        described = build_info(
            config=self._config, device=self.device, boot_id=self.boot_id, classifier=self._classifier
        )
        self._sink.info(described)
        self._page.introduce(described)
        if self._homeassistant is not None:
            self._homeassistant.describe(described)

    def _send_health(self) -> HealthPayload:
        now = time.monotonic()
        self._health_due = now + self._config.health.interval_seconds
        health = self._reporter.health(now, faces=len(self._faces))
        self._told_source = health.source
        self._manager.status(status_line(health))
        self._sink.health(health)
        return health

    def _health_now(self, meter: FrameStats) -> HealthPayload:
        return self._reporter.health(time.monotonic(), faces=len(self._faces), meter=meter)


def run(
    config: Config,
    *,
    fast: bool,
    max_frames: int | None,
    stdout: TextIO,
    read_again: Callable[[], Config] | None = None,
) -> int:
    """Build a daemon, let SIGTERM and SIGINT end it and SIGHUP reload it, and run it; returns the exit code."""
    daemon = Daemon(config, fast=fast, max_frames=max_frames, stdout=stdout, read_again=read_again)
    install_handlers(daemon.stop, daemon.reload)
    return daemon.run()
