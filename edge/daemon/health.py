"""What the sensor says of itself: what it is, how it is doing, and both in a line for people."""

import platform
import time

import cv2

from edge import __version__
from edge.capture.capture import Capture
from edge.config.schema import Config
from edge.latency.governor import Governor
from edge.latency.stats import RECENT_SECONDS, FrameStats
from edge.messages.payload_builder import timestamp
from edge.messages.payloads import HealthPayload, InfoPayload, ModelInfo
from edge.redact import redacted
from edge.sinks.base import Sink
from edge.system import board
from edge.vision.classification.classifier import Classifier


def build_info(*, config: Config, device: str, boot_id: str, classifier: Classifier) -> InfoPayload:
    """Say what this sensor is."""
    manifest = classifier.manifest
    return InfoPayload(
        version=__version__,
        device=device,
        name=config.device.name,
        boot_id=boot_id,
        model=ModelInfo(name=manifest.name, sha256=manifest.sha256, labels=list(manifest.labels)),
        groups=config.labels,
        runtime=str(classifier.runtime),
        source=redacted(config.source.uri),
        budget_latency_ms=config.budget.latency_ms,
        python=platform.python_version(),
        opencv=cv2.__version__,
    )


class HealthReporter:
    """Puts together how the sensor is doing, from its parts."""

    def __init__(self, config: Config, capture: Capture, meter: FrameStats, governor: Governor, sink: Sink) -> None:
        self.configure(config)
        self._capture, self._meter, self._governor, self._sink = capture, meter, governor, sink
        self._started = time.monotonic()
        self._last: tuple[float, HealthPayload] | None = None

    def configure(self, config: Config) -> None:
        """Report against another budget from here on."""
        self._budget_ms = config.budget.latency_ms

    def health(self, now_monotonic: float, *, faces: int, meter: FrameStats | None = None) -> HealthPayload:
        """Say how it is doing since the last time this was asked, or as `meter` has it; `faces` are in view."""
        fps, latency, stages = (meter or self._meter).report(now_monotonic)
        capture, governor, sink = self._capture, self._governor, self._sink.status()
        payload = HealthPayload(
            time=timestamp(time.time()),
            uptime_seconds=round(now_monotonic - self._started, 1),
            source=capture.state,
            source_error=capture.error,
            paused=capture.paused,
            source_reopened=capture.reopened,
            frames=self._meter.frames,
            frames_dropped=capture.dropped + governor.late,
            frames_late=governor.late,
            fps=fps,
            faces=faces,
            latency_ms=latency,
            budget_latency_ms=self._budget_ms,
            within_budget=None if latency is None else latency.p99 <= self._budget_ms,
            budget=governor.report(),
            stage_ms=stages,
            broker=sink.broker,
            outbox_depth=sink.outbox_depth,
            outbox_dropped=sink.outbox_dropped,
            outbox_durable=sink.outbox_durable,
            outbox_problem=sink.outbox_problem,
            temperature_c=board.temperature_c(),
            throttled=board.throttled(),
        )
        if meter is None:
            self._last = now_monotonic, payload
        return payload

    def recent(self, now_monotonic: float) -> HealthPayload | None:
        """Give what was said last, if it is still worth something; None where it is time to ask anew."""
        if self._last is None or now_monotonic - self._last[0] >= RECENT_SECONDS:
            return None
        return self._last[1]


def status_line(health: HealthPayload) -> str:
    """Return what `systemctl status` shows of it."""
    if health.paused:
        return f"paused: nobody is looked at until it is resumed; broker {health.broker}"
    latency = health.latency_ms
    within = "" if latency is None else f", {latency.p99:.0f} ms (p99) of {health.budget_latency_ms:.0f}"
    return (
        f"{health.fps:.1f} frames per second, {health.faces} face(s){within}, source {health.source}, "
        f"broker {health.broker}"
    )
