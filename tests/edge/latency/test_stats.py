import pytest

from edge.latency.stats import FrameStats


def test_report_covers_the_frames_since_the_last_report():
    stats = FrameStats(100.0)
    for latency in range(1, 101):
        stats.frame(float(latency), {"detect": latency / 2})
    fps, latency, stages = stats.report(110.0)
    assert fps == 10.0
    assert latency.p50 == pytest.approx(50.5)
    assert latency.p99 == pytest.approx(99.01)
    assert latency.max == 100
    assert stages == {"detect": 25.25}
    assert stats.frames == 100
    assert stats.report(120.0) == (0.0, None, {})
    assert stats.frames == 100


def test_report_within_a_second_without_new_frames_repeats_the_last_one():
    stats = FrameStats(100.0)
    assert stats.report(100.1) == (0.0, None, {})
    stats.frame(7.0, {})
    first = stats.report(101.1)
    assert first[0] == 1.0
    assert stats.report(101.9) == first
    stats.frame(9.0, {})
    assert stats.report(102.0)[1].max == 9.0
    assert stats.report(103.1) == (0.0, None, {})
