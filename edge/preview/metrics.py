"""Exports the sensor's state as Prometheus metrics. Counters start at zero with the daemon."""

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
from edge.preview.feed import LATENCY_BUCKETS_MS, Feed
from edge.preview.stream import Stream

_PREFIX: Final = "emotion_edge_"


class Metrics(Collector):
    """Collects the metrics anew for each scrape. `health` returns the sensor's health now."""

    def __init__(self, feed: Feed, stream: Stream, health: Callable[[], HealthPayload]) -> None:
        self._feed, self._stream, self._health = feed, stream, health
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Return the response body and its content type, in the format that an Accept header prefers."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def describe(self) -> list[Metric]:
        """Return nothing, so that the registry does not collect on registration: the sensor may not run yet."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        health, feed = self._health(), self._feed
        yield from self._counters(health)
        buckets, cumulative = [], 0
        for bound, count in zip((*LATENCY_BUCKETS_MS, None), list(feed.latency_counts), strict=True):
            cumulative += count
            buckets.append(("+Inf" if bound is None else str(bound / 1000), float(cumulative)))
        yield HistogramMetricFamily(
            _PREFIX + "frame_latency_seconds",
            "Time from the capture of a frame to the end of the pipeline",
            buckets=buckets,
            sum_value=feed.latency_sum_ms / 1000,
        )
        yield from self._gauges(health)
        if self._stream.info is not None:
            info = self._stream.info
            yield InfoMetricFamily(
                _PREFIX + "sensor",
                "Device, version, model and runtime of this sensor",
                value={
                    "device": info.device,
                    "version": info.version,
                    "model": info.model.name,
                    "runtime": info.runtime,
                    "boot_id": info.boot_id,
                },
            )

    def _counters(self, health: HealthPayload) -> Iterator[Metric]:
        for name, text, value in (
            ("frames", "Frames processed", health.frames),
            ("frames_dropped", "Frames dropped: replaced by a newer one, or too late", health.frames_dropped),
            ("frames_late", "Frames dropped because they were older than the latency budget", health.frames_late),
            ("source_reopened", "Times the source was reopened", health.source_reopened),
            ("outbox_dropped", "Events dropped by a full outbox or refused by the broker", health.outbox_dropped),
            ("messages_refused", "Messages other than events that the broker did not take", health.messages_refused),
            ("preview_pictures", "Pictures encoded for open pages", self._stream.pictures_encoded),
        ):
            yield CounterMetricFamily(_PREFIX + name, text, value)
        events = CounterMetricFamily(_PREFIX + "events", "Events by type", labels=["type"])
        for kind, count in sorted(self._feed.events_total.copy().items()):
            events.add_metric([kind], count)
        yield events

    def _gauges(self, health: HealthPayload) -> Iterator[Metric]:
        source = GaugeMetricFamily(
            _PREFIX + "source_state", "1 for the current state of the source, 0 for the others", labels=["state"]
        )
        for state in ("opening", "ok", "stalled", "lost", "paused", "ended"):
            source.add_metric([state], float(health.source == state))
        yield source
        values: dict[str, tuple[str, float | None]] = {
            "frames_per_second": ("Frames per second over the last ten seconds", health.fps),
            "source_frames_per_second": ("Frames per second that the source gives", health.source_fps),
            "faces": ("Faces in view", health.faces),
            "budget_latency_seconds": ("Latency budget: limit of the 99th percentile", health.budget_latency_ms / 1000),
            "budget_level": ("Index of the degradation level, 0 the best", health.budget.level_index),
            "outbox_depth": ("Events that the broker has not acknowledged yet", health.outbox_depth),
            "uptime_seconds": ("Time since the start of the daemon", health.uptime_seconds),
            "preview_watchers": ("Open pages that receive the stream", self._stream.watchers),
            "temperature_celsius": ("Temperature of the board", health.temperature_c),
            "throttled": ("1 while the board is throttled", _flag(health.throttled)),
            "broker_connected": (
                "1 while connected to the broker",
                None if health.broker == "none" else float(health.broker == "connected"),
            ),
            "paused": ("1 while capture is paused", float(health.paused)),
        }
        for name, (text, value) in values.items():
            if value is not None:
                yield GaugeMetricFamily(_PREFIX + name, text, value)


def _flag(value: bool | None) -> float | None:  # noqa: FBT001 - the value of the gauge
    return None if value is None else float(value)
