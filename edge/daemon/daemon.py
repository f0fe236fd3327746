"""Runs the sensor: its start and end, its main loop, pause and reload."""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from edge.config.areas import MASKS, ZONES, in_frame
from edge.config.schema import Config
from edge.control.settings import SettingsChange
from edge.daemon.health import build_info, status_line
from edge.daemon.picture_log import PictureLog
from edge.daemon.reload import ConfigDiff, Reloader, diff_configs, prepare
from edge.daemon.run_log import RunFigures
from edge.daemon.slow_source import SlowSourceLog
from edge.daemon.switch import prepare_switch, use_classifier
from edge.daemon.watchdog import WatchdogFeeder
from edge.daemon.wiring import Components
from edge.desired.preparation import Offer
from edge.errors import ConfigError, EdgeError
from edge.logs.outage import LogQuota
from edge.messages.payloads import HealthPayload
from edge.sinks.base import SinkStatus
from edge.system.sd_notify import Notifier
from edge.types import Frame
from edge.vision.detection.detector import Detector

log = logging.getLogger(__name__)

_POLL_SECONDS: Final = 0.2
"""Longest wait for a frame before the loop checks signals, the broker and the clock."""
_MOST_PAUSE_LOGS: Final = 20
"""Maximum number of pauses and resumes logged within an hour: every client of the broker can request them."""


class Daemon:
    """One running sensor. Implements `control.handler.Sensor`, for requests from the broker.

    `components`: the parts, not started. `fast`: a file is processed as fast as possible. `max_frames`: ends after
    that many frames. `load_config` loads the configuration again, for `reload`; `with_origin` puts the file in front of
    an error that begins with one of its keys.
    """

    def __init__(  # noqa: PLR0913 - the last has a default
        self,
        config: Config,
        components: Components,
        *,
        fast: bool,
        max_frames: int | None,
        load_config: Callable[[], Config],
        with_origin: Callable[[str], str] = str,
    ) -> None:
        self._config = config
        self._fast = fast
        self._max_frames = max_frames
        self._components = components
        self._capture = components.capture
        self._governor = components.governor
        self._pipeline = components.pipeline
        self._outputs = components.outputs
        self._requests = components.requests
        self._desired = components.desired
        self._stats = components.stats
        self._health = components.health
        self._reloader = Reloader(load_config, with_origin)
        self._run_log = components.run_log
        self._stop = threading.Event()
        self._stopped_by = ""
        self._service_manager = Notifier()
        self._health_due = time.monotonic() + config.health.interval_seconds
        self._reported_state = ("", "")
        self._reported_uri: str | None = None
        self._pause_logs = LogQuota(_MOST_PAUSE_LOGS)
        self._slow_source_log = SlowSourceLog()
        self._picture_log = PictureLog(components.pipeline)

    def stop(self, cause: str = "a request") -> None:
        """Request the end, after the frame in hand; safe in a signal handler. `cause`: for the log, as in "Ctrl-C"."""
        self._stopped_by = self._stopped_by or cause
        self._stop.set()

    def reload(self) -> None:
        """Request that the configuration is loaded again, before the next frame; safe in a signal handler."""
        self._reloader.request()

    def run(self) -> int:
        """Run until the source ends or `stop` is called; returns the exit code.

        Raises EdgeError where the source or the broker cannot be used, and any error of a stage.
        """
        pause_file = self._requests.pause_file
        if pause_file.is_set:
            self._capture.pause()
            log.warning("capture is paused, as before the restart (%s): a resume request starts it", pause_file.file)
        self._requests.settings.log_ignored()
        if (calm_face := self._components.calm_face) is not None:
            calm_face.log_kept()
            calm_face.changed = self._publish_info
        self._capture.start()
        live = self._capture.live
        self._watchdog = WatchdogFeeder(self._service_manager, live=live)
        try:
            if live and self._components.light is not None:
                # While capture is paused no camera is open, and a process that was killed may have left the light on.
                self._components.light.clear()
            self._publish_info()
            self._outputs.start(live=live, real_time=live or not self._fast)
            # A file played as fast as possible has no latency to keep, and must give the same events everywhere.
            self._governor.start(self._config.budget.priority, fixed=self._fast and not live)
            self._outputs.publish_empty_state(paused=self.paused)
            self._outputs.publish_summary()
            self._publish_health()
            classifier = self._components.classifier
            model = f"{classifier.manifest.name} on {classifier.runtime}"
            if self._desired is not None:
                self._desired.start(self._config.model.name)
            self._run_log.started(self._config, self._components.device, model, time.monotonic())
            self._service_manager.ready()
            cause = self._loop()
            self._end_tracks()
            self._outputs.finish_summary()
        except BaseException:
            self._outputs.finish_summary()
            # Events that were decided before are still delivered. The connection then ends without a clean
            # disconnection, so that the broker publishes `offline`.
            self._wait_for_delivery(self._config.mqtt.drain_seconds)
            self._outputs.abort()
            raise
        finally:
            self._outputs.stop_preview()
            self._capture.stop()
        return self._finish(cause)

    def _loop(self) -> str:
        """Process frames until the source ends, `stop` is called, or the sink has ended; returns the cause."""
        while not self._stop.is_set():
            if self._reloader.take_request():
                self._reload()
            self._requests.process_pending(self, self._config)
            self._follow_fleet()
            frame = self._capture.next(_POLL_SECONDS)
            self._update_watchdog()
            self._outputs.count_time(looking=self._capture.state == "ok")
            if frame is not None:
                self._process(frame)
            elif self._capture.ended:
                self._log_too_few_frames()
                return "the source has ended"
            elif self._capture.state in {"stalled", "lost"} and self._health.faces_in_view:
                # While the camera is away, no face is known to be in view.
                self._end_tracks()
            if self._max_frames is not None and self._stats.frames >= self._max_frames:
                return "stopped by --max-frames"
            status = self._outputs.status()
            if status.ended:
                return "stopped because the reader of the events has closed the stream"
            if status.failure is not None:
                raise status.failure
            self._report_if_due(status)
        return f"stopped by {self._stopped_by}"

    def _report_if_due(self, status: SinkStatus) -> None:
        now = time.monotonic()
        # A source or a broker that is lost or back is published at once, and shown by `systemctl status`.
        if now >= self._health_due or (self._capture.state, status.broker) != self._reported_state:
            self._publish_health()
        if self._capture.uri != self._reported_uri:  # `auto:` has chosen another one
            self._publish_info()
        if self._run_log.due(now):
            self._run_log.running(self._figures(), now)

    def _process(self, frame: Frame) -> None:
        # Every frame of a file is processed; of a camera, only those that can still be in time.
        fps = self._capture.fps
        interval_ms = 1000 / fps if fps else 0.0
        age_ms = 1000 * (time.monotonic() - frame.captured_monotonic)
        if self._capture.live and self._governor.too_late(age_ms, interval_ms):
            return
        self._picture_log.look(frame)
        self._pipeline.level = self._governor.level
        result = self._pipeline.step(frame)
        self._outputs.publish_events(result.events)
        now = time.monotonic()
        latency_ms = 1000 * (now - frame.captured_monotonic)
        self._stats.frame(latency_ms, result.stage_ms)
        self._outputs.show_frame(result, latency_ms, self._pipeline.level)
        self._governor.frame(now, latency_ms, result.stage_ms)
        self._outputs.publish_state_if_due(result)
        self._health.faces_in_view = len(result.faces)
        self._slow_source_log.check(self._config, fps, now, live=self._capture.live)

    def _log_too_few_frames(self) -> None:
        """Log that the source has ended before any face could be announced: one picture gives no event."""
        frames, needed = self._stats.frames, self._config.tracker.confirm_hits
        if frames < needed:
            log.warning(
                "the source ended after %d frame(s), and a face is announced once it was detected in %d "
                "(tracker.confirm_hits): `emotion-edge classify` classifies single pictures",
                frames,
                needed,
            )

    def _end_tracks(self) -> None:
        """End all tracks; publish `face_left` for each announced face, then a state without faces."""
        self._outputs.publish_events(self._pipeline.finish())
        self._health.faces_in_view = 0
        self._outputs.clear_preview()
        self._outputs.publish_empty_state(paused=self.paused)

    def _figures(self) -> RunFigures:
        return RunFigures(
            frames=self._stats.frames,
            faces=self._health.faces_in_view,
            events=self._outputs.events,
            source=self._capture.state,
            source_error=self._capture.error,
            sink=self._outputs.status(),
        )

    def _finish(self, cause: str) -> int:
        """Deliver what waits, and disconnect; returns the exit code. `cause`: what ended the run."""
        self._publish_health()
        self._wait_for_delivery(None)
        self._service_manager.stopping()
        failure = self._outputs.status().failure
        if failure is not None:
            self._outputs.abort()
            raise failure
        safe = self._outputs.close(self._config.mqtt.drain_seconds)
        figures = self._figures()
        self._run_log.ended(cause, figures)
        status = figures.sink
        if not safe and not status.ended:
            log.error("%d event(s) were not acknowledged by the broker and are lost", status.outbox_depth)
            return 1
        if self._capture.incomplete is not None:
            log.error("%s", self._capture.incomplete)
            return 1
        return 0

    def _wait_for_delivery(self, limit_seconds: float | None) -> None:
        """Wait until the broker has acknowledged every event, `stop` is called, or the limit is over.

        After the end of a source there is time to wait for a broker that is away; after a signal there is none.
        """
        began, logged = time.monotonic(), False
        while not self._stop.is_set() and not self._outputs.drained():
            status = self._outputs.status()
            if status.failure is not None:
                break
            waited = time.monotonic() - began
            if limit_seconds is not None and waited > limit_seconds:
                break
            if not logged and waited > self._config.mqtt.drain_seconds:
                log.warning(
                    "the source has ended; waiting for the broker to acknowledge %d event(s)", status.outbox_depth
                )
                logged = True
            if self._run_log.due(time.monotonic()):
                self._run_log.waiting(status, time.monotonic())
            self._update_watchdog()
            self._requests.process_pending(self, self._config)
            self._stop.wait(0.02)

    def _update_watchdog(self) -> None:
        self._watchdog.update(
            self._stats.frames,
            self._capture.state,
            self._outputs.status().beat_monotonic,
            time.monotonic(),
            stall_seconds=self._capture.stall_seconds,
        )

    def _reload(self) -> None:
        """Load the configuration again and apply it; one that cannot be used changes nothing."""
        self._service_manager.reloading()
        changed = self._reloader.load(self._config, self._components.payloads)
        if changed is not None:
            self._requests.settings.accept()
            self._requests.settings.log_ignored()
            self._apply(*changed)
        self._service_manager.ready()

    def _follow_fleet(self) -> None:
        """Switch to what the fleet wants, where it is ready, and publish how far that has come."""
        if self._desired is None:
            return
        offer = self._desired.take()
        if offer is not None:
            try:
                self._switch(offer)
            except EdgeError as error:
                self._desired.answer(offer, str(error))
            else:
                self._desired.answer(offer)
        if self._desired.take_news():
            self._publish_info()

    def _switch(self, offer: Offer) -> None:
        """Bring an offer into force. Raises EdgeError, and changes nothing then."""
        parts, settings, desired = self._components, self._requests.settings, self._desired
        if desired is None:
            return
        switch = prepare_switch(self._config, offer, parts, desired, settings)
        settings.accept()
        settings.log_ignored()
        if switch.classifier is not None:
            self._components = use_classifier(parts, switch.classifier, switch.diff.config)
        self._apply(switch.diff, switch.detector)

    def apply_settings(self, change: SettingsChange) -> Config:
        """Store a change of settings and bring it into force; returns the configuration. As `Sensor` has it."""
        # Keys that wait for a restart since a reload are no part of this change.
        diff, payloads, before = diff_configs(self._config, change.config), self._components.payloads, self._config
        detector = prepare(diff, payloads)
        try:
            change.store()
        except ConfigError:
            payloads.configure(before.labels, before.valence)
            raise
        self._apply(diff, detector)
        return self._config

    def _apply(self, diff: ConfigDiff, detector: Detector | None) -> None:
        """Bring a change into force that has been prepared; nothing here can fail."""
        self._config = diff.config
        self._pipeline.configure(diff.config, detector)
        if detector is not None:
            self._picture_log.log_search_limit()
        if diff.touches(ZONES):
            self._apply_zones()
        if diff.touches(MASKS):
            self._apply_masks()
        if diff.touches("budget"):
            self._governor.set_budget(diff.config.budget.latency_ms)
        self._health.configure(diff.config)
        self._outputs.configure_summary(diff.config)
        self._publish_info()
        self._publish_health()

    def _apply_zones(self) -> None:
        self._components.payloads.set_zones(in_frame(self._config.zones, self._config.source))
        if not self._health.faces_in_view:
            # A state with faces follows with the next frame; this one stays until a face appears.
            self._outputs.publish_empty_state(paused=self.paused)

    def _apply_masks(self) -> None:
        """Begin anew with other masks: what was seen before may lie in one now."""
        self._capture.set_masks(self._config.masks.values())
        self._picture_log.masks_changed()
        self._end_tracks()

    @property
    def paused(self) -> bool:
        """Whether capture is paused."""
        return self._capture.paused

    def set_paused(self, paused: bool) -> None:  # noqa: FBT001 - the name states the meaning
        """Pause or resume capture. Called by the pipeline's thread, between two frames."""
        if paused is self.paused:
            return
        if paused:
            self._capture.pause()
            self._end_tracks()
        else:
            self._capture.resume()
            self._outputs.publish_empty_state(paused=self.paused)
        self._publish_health()
        left = self._pause_logs.left(time.monotonic())
        if left:
            note = "; further pauses and resumes within the hour are not logged" if left == 1 else ""
            log.info("capture %s by request%s", "paused" if self.paused else "resumed", note)

    def report(self) -> HealthPayload:
        """Return health, and publish it; at most once a second, else the last one again."""
        return self._health.recent(time.monotonic()) or self._publish_health()

    def _publish_info(self) -> None:
        parts, settings = self._components, self._requests.settings
        describe = partial(build_info, device=parts.device, boot_id=parts.boot_id, classifier=parts.classifier)
        describe = partial(describe, settings=settings, calm_face=parts.calm_face, desired=self._desired)
        uri = self._reported_uri = self._capture.uri
        self._outputs.publish_info(describe(config=self._config, source=uri))

    def _publish_health(self) -> HealthPayload:
        now = time.monotonic()
        interval = self._config.health.interval_seconds
        self._health_due = now + (interval if self._desired is None else self._desired.report_seconds(interval))
        health = self._health.report(now)
        if self._desired is not None:
            self._desired.report(health.within_budget)
        self._reported_state = (health.source, health.broker)
        self._service_manager.status(status_line(health))
        self._outputs.publish_health(health)
        return health
