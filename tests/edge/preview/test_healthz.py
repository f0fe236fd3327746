"""The answer to a health probe, on a clock set by the test."""

import pytest
from msgspec.structs import replace

from edge.preview.feed import Feed
from edge.preview.healthz import HealthProbe
from support.mqtt import health
from support.preview import result

STALL_SECONDS = 5.0


class Probed:
    def __init__(self, *, live=True):
        self.now = 0.0
        self.feed = Feed(self.now)
        self.probe = HealthProbe(self.feed, stall_seconds=STALL_SECONDS, clock=lambda: self.now)
        self.probe.live = live

    def check(self, **changes):
        status, content = self.probe.check(replace(health(), **changes))
        return status, content["status"], content["reason"]


def test_camera_without_a_first_frame_is_stuck_after_the_limit():
    probed = Probed()
    assert probed.check() == (200, "ok", None)
    assert probed.probe.check(health())[1]["seconds_since_frame"] is None
    probed.now = 100.0
    assert probed.check() == (503, "stuck", "no frame has gone through for 100 s")


def test_camera_is_stuck_after_stall_limit_and_margin():
    probed = Probed()
    probed.feed.show(0.0, result(1), 5.0, 0)
    probed.now = 6.9
    assert probed.check(broker="disconnected") == (200, "ok", None)
    probed.now = 7.1
    assert probed.check()[:2] == (503, "stuck")
    assert probed.probe.check(health())[1]["seconds_since_frame"] == 7.1


def test_slow_camera_is_stuck_after_the_limit_that_health_names():
    probed = Probed()
    probed.feed.show(0.0, result(1), 5.0, 0)
    probed.now = 31.9
    assert probed.check(source_fps=0.1, source_stall_seconds=30.0) == (200, "ok", None)
    probed.now = 32.1
    assert probed.check(source_fps=0.1, source_stall_seconds=30.0)[:2] == (503, "stuck")


def test_pictures_further_apart_than_a_minute_are_not_stuck():
    probed = Probed(live=False)
    probed.now = 299.0
    assert probed.check(source_fps=0.01)[:2] == (200, "ok")
    probed.now = 301.0
    assert probed.check(source_fps=0.01)[:2] == (503, "stuck")


def test_source_that_is_no_camera_has_a_minute():
    probed = Probed(live=False)
    probed.now = 59.0
    assert probed.check()[:2] == (200, "ok")
    probed.now = 61.0
    assert probed.check()[:2] == (503, "stuck")


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"source": "opening", "source_error": None}, "reconnecting", None),
        ({"source": "stalled", "source_error": "no frame for 5 s"}, "reconnecting", "no frame for 5 s"),
        ({"source": "lost", "source_error": "unplugged"}, "reconnecting", "unplugged"),
        ({"source": "ended"}, "ended", None),
        ({"source": "paused", "paused": True}, "paused", None),
    ],
)
def test_known_reason_for_no_frames_is_no_failure(changes, status, reason):
    probed = Probed()
    probed.now = 100.0
    assert probed.check(**changes) == (200, status, reason)
