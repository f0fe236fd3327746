"""What Prometheus is told. Counters count since the start of the daemon."""

from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from edge.messages.payloads import HealthPayload
from edge.preview.feed import BUCKETS_MS, Feed
from edge.preview.stream import Stream

_PREFIX: Final = "emotion_edge_"


class Metrics(Collector):
    """Asks the sensor anew for each scrape."""

    def __init__(self, window: Feed, stream: Stream, health: Callable[[], HealthPayload]) -> None:
        self._window, self._stream, self._health = window, stream, health
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Return the body and its content type, as the Accept header prefers."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def describe(self) -> list[Metric]:
        """Keep the registry from collecting when this is registered: the sensor may not run yet."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Give every metric."""
        health, window = self._health(), self._window
        yield from self._counters(health)
        buckets, below = [], 0
        for bound, count in zip((*BUCKETS_MS, None), list(window.buckets), strict=True):
            below += count
            buckets.append(("+Inf" if bound is None else str(bound / 1000), float(below)))
        yield HistogramMetricFamily(
            _PREFIX + "frame_latency_seconds",
            "From the capture of a frame to the end of the line",
            buckets=buckets,
            sum_value=window.latency_sum_ms / 1000,
        )
        yield from self._gauges(health)
        if self._stream.info is not None:
            said = self._stream.info
            yield InfoMetricFamily(
                _PREFIX + "sensor",
                "What this sensor is",
                value={
                    "device": said.device,
                    "version": said.version,
                    "model": said.model.name,
                    "runtime": said.runtime,
                    "boot_id": said.boot_id,
                },
            )

    def _counters(self, health: HealthPayload) -> Iterator[Metric]:
        for name, text, value in (
            ("frames", "Frames processed", health.frames),
            ("frames_dropped", "Frames replaced by a newer one, or too late", health.frames_dropped),
            ("frames_late", "Those of them that were older than the budget", health.frames_late),
            ("source_reopened", "Times the source was opened again", health.source_reopened),
            ("outbox_dropped", "Events that a full outbox let go or the broker refused", health.outbox_dropped),
            ("preview_pictures", "Pictures encoded for watchers of the page", self._stream.pictures),
        ):
            yield CounterMetricFamily(_PREFIX + name, text, value)
        events = CounterMetricFamily(_PREFIX + "events", "Events by type", labels=["type"])
        for kind, count in sorted(self._window.events_total.copy().items()):
            events.add_metric([kind], count)
        yield events

    def _gauges(self, health: HealthPayload) -> Iterator[Metric]:
        source = GaugeMetricFamily(_PREFIX + "source_state", "1 for the state that the source is in", labels=["state"])
        for state in ("opening", "ok", "stalled", "lost", "paused", "ended"):
            source.add_metric([state], float(health.source == state))
        yield source
        values: dict[str, tuple[str, float | None]] = {
            "frames_per_second": ("Frames per second over the last ten seconds", health.fps),
            "faces": ("Faces in view", health.faces),
            "budget_latency_seconds": ("Promised 99th percentile of the latency", health.budget_latency_ms / 1000),
            "budget_level": ("Place on the ladder of levels, 0 the best", health.budget.level_index),
            "outbox_depth": ("Events not acknowledged yet", health.outbox_depth),
            "uptime_seconds": ("Since the start", health.uptime_seconds),
            "preview_watchers": ("Pages that watch", self._stream.watchers),
            "temperature_celsius": ("Of the board", health.temperature_c),
            "throttled": ("1 where the board is throttled now", _flag(health.throttled)),
            "broker_connected": (
                "1 with a connection to the broker",
                None if health.broker == "none" else float(health.broker == "connected"),
            ),
            "paused": ("1 while the sensor looks at nothing", float(health.paused)),
        }
        for name, (text, value) in values.items():
            if value is not None:
                yield GaugeMetricFamily(_PREFIX + name, text, value)


def _flag(value: bool | None) -> float | None:  # noqa: FBT001 - what a gauge makes of it
    return None if value is None else float(value)
