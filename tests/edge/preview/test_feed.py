"""What the line leaves for the page."""

import time

import msgspec
import pytest

from edge.messages.payloads import encode
from edge.preview.feed import BUCKETS_MS, Feed
from support.mqtt import event
from support.preview import face, result


def told(window, after=0):
    return [(one.published, msgspec.json.decode(one.payload)["seq"]) for one in window.events(after)]


def test_a_frame_is_kept_by_reference_and_let_go():
    window = Feed()
    step = result(1, faces=[face()])
    window.show(time.monotonic(), step, 12.0, 0)
    assert window.latest is step
    window.blank()
    assert window.latest is None


def test_frames_per_second_and_percentiles_of_the_last_ten_seconds():
    window = Feed()
    window._began -= 100
    now = time.monotonic()
    for number in range(200):  # at 10 frames a second, the first half before the last ten seconds
        window.show(now - 19.95 + number / 10, result(number), 500.0 if number < 100 else 20.0, 0)
    fps, latency, stages = window.report(now)
    assert fps == pytest.approx(10, abs=0.2)
    assert (latency.p50, latency.max) == (20.0, 20.0)
    assert stages == {"detect": 1.0, "track": 0.1, "classify": 2.0}
    assert window.report(now)[0] == fps  # asking changes nothing
    assert window.report(now + 60) == (0.0, None, {})
    assert window.frames == 200


def test_the_histogram_counts_each_frame_once():
    window = Feed()
    for latency in (1.0, 5.0, 5.1, 99.0, 100.0, 1e6):
        window.show(0.0, result(), latency, 0)
    assert sum(window.buckets) == 6
    assert window.buckets[0] == 2
    assert window.buckets[BUCKETS_MS.index(10.0)] == 1
    assert window.buckets[BUCKETS_MS.index(100.0)] == 2
    assert window.buckets[-1] == 1


def test_history_is_sampled_and_bounded():
    window = Feed()
    for number in range(20_000):
        window.show(number / 25, result(number, faces=[face(track=number)]), 1.0, 0)
    assert len(window.history) == 1200  # five minutes at four a second
    assert window.history[-1].faces[0][1] == "happy"
    assert len(window.recent) == 600


def test_what_was_decided_becomes_what_was_published():
    window = Feed()
    window.decided(event(1))
    window.decided(event(2))
    assert told(window) == [(False, 1), (False, 2)]
    seen = window.events_version
    payload = encode(event(1, latency_ms=3.5, replayed=True))
    window.published(payload)
    assert told(window) == [(True, 1), (False, 2)]
    assert told(window, seen) == [(True, 1)]
    assert window.events()[0].payload == payload
    assert window.events_total == {"emotion_changed": 2}


def test_only_the_last_events_are_kept():
    window = Feed()
    for seq in range(1, 200):
        window.decided(event(seq))
    assert [seq for _, seq in told(window)] == list(range(150, 200))
