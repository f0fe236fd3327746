"""Builds the sensor's info and health payloads, and the status line for `systemctl status`."""

import platform
import time
from typing import Final

import cv2

from edge import __version__
from edge.capture.auto import is_auto
from edge.capture.capture import Capture
from edge.config.areas import in_frame
from edge.config.schema import Config
from edge.control.calm_face import CalmFace, CalmFaceFile
from edge.control.settings import Settings, without_settings
from edge.desired.desired import Desired
from edge.latency.governor import Governor
from edge.latency.stats import RECENT_SECONDS, FrameStats
from edge.messages.payload_builder import timestamp
from edge.messages.payloads import HealthPayload, InfoPayload, ModelInfo
from edge.messages.text import count
from edge.messages.valence import ValenceWeights
from edge.redact import redacted
from edge.sinks.base import Sink
from edge.system import board
from edge.vision.classification.classifier import Classifier

_FPS_DECIMALS: Final = 3
"""Decimals of the source's rate: one frame in ten seconds is 0.1 a second."""
_SLOW_FPS: Final = 2.0
"""Rate below which the status line shows the source's own rate: few frames fall between two health messages, so that
their number says little."""


def build_info(  # noqa: PLR0913 - the last four have defaults
    *,
    config: Config,
    device: str,
    boot_id: str,
    classifier: Classifier,
    settings: Settings | None = None,
    calm_face: CalmFace | None = None,
    source: str | None = None,
    desired: Desired | None = None,
) -> InfoPayload:
    """Return the description of this sensor: its software, model and source.

    `settings`: what requests have set; by default nothing. `calm_face`: by default none is kept. `source`: URI of the
    source that is open, which says more than `auto:`; None: none was opened yet. `desired`: follows the fleet's
    documents; None: that is off. Raises ConfigError for a weight of a
    label that the model does not have.
    """
    manifest = classifier.manifest
    settings = settings or without_settings(config)
    return InfoPayload(
        version=__version__,
        device=device,
        name=config.device.name,
        boot_id=boot_id,
        model=ModelInfo(name=manifest.name, sha256=manifest.sha256, labels=list(manifest.labels)),
        groups=config.labels,
        zones=in_frame(config.zones, config.source),
        masks=in_frame(config.masks, config.source),
        summary=config.summary.enabled,
        valence=ValenceWeights(manifest.labels, config.valence).by_label,
        runtime=str(classifier.runtime),
        source=source if source is not None and is_auto(config.source.uri) else redacted(config.source.uri),
        budget_latency_ms=config.budget.latency_ms,
        health_interval_seconds=config.health.interval_seconds,
        python=platform.python_version(),
        opencv=cv2.__version__,
        settings=settings.describe(config),
        calm_face=(calm_face or CalmFace(manifest, CalmFaceFile(None))).info,
        settings_ignored=settings.ignored,
        desired=None if desired is None else desired.info,
    )


class HealthReporter:
    """Builds health payloads from the state of the sensor's parts."""

    def __init__(self, config: Config, capture: Capture, stats: FrameStats, governor: Governor, sink: Sink) -> None:
        self.configure(config)
        self._capture, self._stats, self._governor, self._sink = capture, stats, governor, sink
        self._started = time.monotonic()
        self._last: tuple[float, HealthPayload] | None = None
        self.faces_in_view = 0
        """Faces in the last frame, which the daemon sets."""

    def configure(self, config: Config) -> None:
        """Compare latencies with the budget of another configuration from now on."""
        self._budget_ms = config.budget.latency_ms

    def report(self, now_monotonic: float, stats: FrameStats | None = None) -> HealthPayload:
        """Return health now. Frame rate, latency and stage times cover the time since the last report.

        `stats`: statistics to use for these three, for a reader with reports of its own.
        """
        fps, latency, stages = (stats or self._stats).report(now_monotonic)
        capture, governor, sink = self._capture, self._governor, self._sink.status()
        payload = HealthPayload(
            time=timestamp(time.time()),
            uptime_seconds=round(now_monotonic - self._started, 1),
            source=capture.state,
            source_error=capture.error,
            paused=capture.paused,
            source_reopened=capture.reopened,
            frames=self._stats.frames,
            frames_dropped=capture.dropped + governor.late,
            frames_late=governor.late,
            fps=fps,
            source_fps=None if capture.fps is None or capture.state != "ok" else round(capture.fps, _FPS_DECIMALS),
            source_stall_seconds=round(capture.stall_seconds, 1) if capture.live else None,
            faces=self.faces_in_view,
            latency_ms=latency,
            budget_latency_ms=self._budget_ms,
            within_budget=None if latency is None else latency.p99 <= self._budget_ms,
            budget=governor.report(),
            stage_ms=stages,
            broker=sink.broker,
            outbox_depth=sink.outbox_depth,
            outbox_dropped=sink.outbox_dropped,
            messages_refused=sink.messages_refused,
            outbox_durable=sink.outbox_durable,
            outbox_problem=sink.outbox_problem,
            temperature_c=board.temperature_c(),
            throttled=board.throttled(),
        )
        if stats is None:
            self._last = now_monotonic, payload
        return payload

    def recent(self, now_monotonic: float) -> HealthPayload | None:
        """Return the last report where it is younger than RECENT_SECONDS, else None."""
        if self._last is None or now_monotonic - self._last[0] >= RECENT_SECONDS:
            return None
        return self._last[1]


def status_line(health: HealthPayload) -> str:
    """Return health as the one line that `systemctl status` shows."""
    if health.paused:
        return f"capture paused until a resume request; broker {health.broker}"
    latency = health.latency_ms
    within = (
        "" if latency is None else f", latency {latency.p99:.0f} ms (p99; budget {health.budget_latency_ms:.0f} ms)"
    )
    slow = health.source_fps is not None and health.source_fps < _SLOW_FPS
    rate = f"{health.source_fps:.2g}" if slow else f"{health.fps:.1f}"
    seen = f"{rate} frames per second, {count(health.faces, 'face')}{within}" if health.frames else "no frames yet"
    return f"{seen}, source {health.source}, broker {health.broker}"
