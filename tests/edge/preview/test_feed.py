"""The feed: what it buffers of frames and events, and what it reports."""

import msgspec
import pytest

from edge.messages.payloads import encode
from edge.preview.feed import LATENCY_BUCKETS_MS, Feed
from support.mqtt import event
from support.preview import face, result


def published_and_seq(feed, after=0):
    return [(one.published, msgspec.json.decode(one.payload)["seq"]) for one in feed.events(after)]


def test_latest_frame_is_held_by_reference_until_blank():
    feed = Feed(0.0)
    step = result(1, faces=[face()])
    feed.show(1.0, step, 12.0, 0)
    assert feed.latest is step
    feed.blank()
    assert feed.latest is None


def test_report_covers_the_last_ten_seconds():
    feed = Feed(0.0)
    now = 100.0
    for number in range(200):  # at 10 frames a second, the first half before the last ten seconds
        feed.show(now - 19.95 + number / 10, result(number), 500.0 if number < 100 else 20.0, 0)
    fps, latency, stages = feed.report(now)
    assert fps == pytest.approx(10, abs=0.2)
    assert (latency.p50, latency.max) == (20.0, 20.0)
    assert stages == {"detect": 1.0, "track": 0.1, "classify": 2.0}
    assert feed.report(now)[0] == fps  # a report does not reset anything
    assert feed.report(now + 60) == (0.0, None, {})
    assert feed.frames == 200


def test_report_of_a_new_feed_counts_from_its_creation():
    feed = Feed(100.0)
    for number in range(20):
        feed.show(100.0 + number / 10, result(number), 20.0, 0)
    assert feed.report(102.0)[0] == pytest.approx(10)


def test_histogram_counts_each_frame_once():
    feed = Feed(0.0)
    for latency in (1.0, 5.0, 5.1, 99.0, 100.0, 1e6):
        feed.show(0.0, result(), latency, 0)
    assert sum(feed.latency_counts) == 6
    assert feed.latency_counts[0] == 2
    assert feed.latency_counts[LATENCY_BUCKETS_MS.index(10.0)] == 1
    assert feed.latency_counts[LATENCY_BUCKETS_MS.index(100.0)] == 2
    assert feed.latency_counts[-1] == 1


def test_history_is_sampled_and_bounded():
    feed = Feed(0.0)
    for number in range(20_000):
        feed.show(number / 25, result(number, faces=[face(track=number)]), 1.0, 0)
    assert len(feed.history) == 1200  # five minutes at four a second
    assert feed.history[-1].faces[0][1] == "happy"
    assert len(feed.timings) == 600


def test_published_payload_replaces_the_decided_one():
    feed = Feed(0.0)
    feed.event_decided(event(1))
    feed.event_decided(event(2))
    assert published_and_seq(feed) == [(False, 1), (False, 2)]
    version = feed.events_version
    payload = encode(event(1, latency_ms=3.5, replayed=True))
    feed.event_published(payload)
    assert published_and_seq(feed) == [(True, 1), (False, 2)]
    assert published_and_seq(feed, version) == [(True, 1)]
    assert feed.events()[0].payload == payload
    assert feed.events_total == {"emotion_changed": 2}


def test_only_the_last_fifty_events_are_kept():
    feed = Feed(0.0)
    for seq in range(1, 200):
        feed.event_decided(event(seq))
    assert [seq for _, seq in published_and_seq(feed)] == list(range(150, 200))
