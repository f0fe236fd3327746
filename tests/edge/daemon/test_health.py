"""Health of a sensor with a slow source: few frames, or none, fall between two messages."""

import time

import pytest

from edge.capture.capture import Capture
from edge.capture.open import create_source
from edge.capture.reconnect import ReconnectPolicy
from edge.capture.source import SourceOptions
from edge.capture.stall import StallLimit
from edge.config.schema import Config, SourceConfig
from edge.daemon.health import HealthReporter, status_line
from edge.latency.governor import Governor
from edge.latency.stats import FrameStats
from edge.sinks.jsonlines import JsonLinesSink
from support.mqtt import health
from support.sources import LONG_SECONDS, ManualCamera, until, write_images


@pytest.fixture
def start():
    """Start a capture of a source; return it with the reporter of its health, and stop it after the test."""
    captures = []

    def start_(source, stall=None):
        capture = Capture(lambda: source, fast=True, policy=ReconnectPolicy(LONG_SECONDS), stall=stall)
        captures.append(capture)
        capture.start()
        sink = JsonLinesSink(None, None)
        return capture, HealthReporter(Config(), capture, FrameStats(0.0), Governor(100.0), sink)

    yield start_
    for capture in captures:
        capture.stop()


def test_rate_of_pictures_is_that_of_their_own_time(start, tmp_path):
    options = SourceOptions(SourceConfig(fps=0.1))
    capture, reporter = start(create_source(str(write_images(tmp_path / "pictures")), options))
    assert capture.next(LONG_SECONDS) is not None
    until(lambda: capture.fps is not None)
    report = reporter.report(time.monotonic())
    assert report.source_fps == 0.1
    assert report.source_stall_seconds is None
    assert report.fps == 0.0, "no frame has been processed yet"


def test_rate_of_a_camera_is_null_before_the_second_frame_and_while_it_is_lost(start):
    camera = ManualCamera()
    capture, reporter = start(camera, StallLimit(7.0))
    camera.give()
    assert capture.next(LONG_SECONDS) is not None
    report = reporter.report(time.monotonic())
    assert (report.source_fps, report.source_stall_seconds) == (None, 7.0)
    for _ in range(3):
        camera.give()
        assert capture.next(LONG_SECONDS) is not None
    assert reporter.report(time.monotonic()).source_fps > 0
    camera.lose()
    until(lambda: capture.state == "lost")
    assert reporter.report(time.monotonic()).source_fps is None


@pytest.mark.parametrize(
    ("fps", "source_fps", "begins"),
    [
        (24.9, 25.0, "24.9 frames per second"),
        (0.0, 0.1, "0.1 frames per second"),
        (0.2, 0.1, "0.1 frames per second"),
        (0.0, None, "0.0 frames per second"),
    ],
)
def test_status_line_shows_the_rate_of_a_slow_source_itself(fps, source_fps, begins):
    """Two health messages ten seconds apart hold no frame or two at one frame in ten seconds."""
    assert status_line(health(fps=fps, source_fps=source_fps)).startswith(begins)


def test_status_line_gives_no_rate_before_the_first_frame():
    assert status_line(health(fps=0.0, frames=0)).startswith("no frames yet, source ok")
