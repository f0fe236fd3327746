"""Prometheus metrics as they are served by `/metrics`."""

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from edge.messages.payloads import BudgetStep
from support.mqtt import NOW, event
from support.preview import face, result


def test_metrics_report_health_frames_and_events(make_site):
    site = make_site()
    step = BudgetStep(time=NOW, from_level="full", to_level="seldom", reason="latency", detail="too slow")
    site.health = replace(site.health, frames=7, temperature_c=51.5, throttled=True)
    site.health = replace(site.health, budget=replace(site.health.budget, level_index=1, steps=[step]))
    for number in range(3):
        site.show(result(number, faces=[face()]))
    site.feed.event_decided(event(1))
    answer = site.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    found = {}
    for family in text_string_to_metric_families(answer.body.decode()):
        assert family.documentation
        for sample in family.samples:
            found[sample.name, *sorted(sample.labels.values())] = sample.value
    assert found["emotion_edge_frames_total",] == 7
    assert found["emotion_edge_temperature_celsius",] == 51.5
    assert found["emotion_edge_throttled",] == 1
    assert found["emotion_edge_budget_level",] == 1
    assert found["emotion_edge_events_total", "emotion_changed"] == 1
    assert found["emotion_edge_source_state", "ok"] == 1
    assert found["emotion_edge_source_state", "lost"] == 0
    assert found["emotion_edge_broker_connected",] == 1
    assert found["emotion_edge_frame_latency_seconds_bucket", "0.005"] == 3
    assert found["emotion_edge_frame_latency_seconds_bucket", "+Inf"] == 3
    assert found["emotion_edge_frame_latency_seconds_count",] == 3
    assert found["emotion_edge_frame_latency_seconds_sum",] == pytest.approx(0.015)


def test_openmetrics_is_served_where_it_is_accepted(site):
    assert "openmetrics" in site.get("/metrics", Accept="application/openmetrics-text").headers["Content-Type"]
