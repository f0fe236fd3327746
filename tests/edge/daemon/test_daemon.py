"""The main loop with a camera of the test: frames that are too late, a pause, a crash."""

import io
import json
import time
from dataclasses import replace

import pytest

from edge.capture.open import create_source
from edge.capture.source import SourceOptions, make_frame
from edge.config.schema import BudgetConfig, Config, DetectorConfig, SourceConfig
from edge.daemon.daemon import Daemon
from edge.daemon.wiring import build_components
from edge.errors import SourceLostError
from support.sources import ManualCamera, numbered_picture

CONFIG = Config(budget=BudgetConfig(latency_ms=500.0, priority="normal"))


@pytest.fixture
def build():
    """Builds a daemon that reads a source of the test; returns it with its components and its output."""

    def build_(source, config=CONFIG, **options):
        stdout = io.StringIO()
        components = build_components(config, fast=False, stdout=stdout, source_factory=lambda *_: source)
        settings = {"fast": False, "max_frames": None, "load_config": lambda: config}
        return Daemon(config, components, **(settings | options)), components, stdout

    return build_


class LateCamera(ManualCamera):
    """A camera whose driver returns frames a second after they were captured, and which stops the daemon at its end."""

    frames = 30

    def __init__(self):
        super().__init__()
        self.daemon = None

    def open(self):
        pass

    def read(self):
        if self.number == self.frames:
            self.daemon.stop()
            time.sleep(0.2)
        self.number += 1
        time.sleep(0.03)
        frame = make_frame(self.number, 0.04 * self.number, numbered_picture(self.number), SourceOptions())
        return replace(frame, captured_monotonic=frame.captured_monotonic - 1.0)


def test_late_frames_of_a_camera_are_dropped_and_every_frame_is_accounted_for(build):
    camera = LateCamera()
    camera.daemon, parts, _ = build(camera)
    assert camera.daemon.run() == 0
    processed, late, replaced = parts.stats.frames, parts.governor.late, parts.capture.dropped
    left_in_slot = parts.capture.captured - processed - late - replaced
    assert left_in_slot in (0, 1)
    assert late >= 4
    assert processed >= 1
    assert processed <= late / 4 + 1


def test_pause_publishes_health_and_is_idempotent(build, caplog):
    camera = ManualCamera(live=False)
    daemon, parts, _ = build(camera)
    parts.capture.start()
    with caplog.at_level("INFO"):
        daemon.set_paused(True)
        daemon.set_paused(True)
        assert daemon.paused
        assert (daemon.report().paused, daemon.report().source) == (True, "paused")
        daemon.set_paused(False)
    assert [record.getMessage() for record in caplog.records] == [
        "capture paused by request",
        "capture resumed by request",
    ]
    camera.end()
    parts.capture.stop()


def test_pause_log_is_limited_within_an_hour(build, caplog):
    camera = ManualCamera(live=False)
    daemon, parts, _ = build(camera)
    parts.capture.start()
    with caplog.at_level("INFO"):
        for number in range(50):
            daemon.set_paused(number % 2 == 0)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 20
    assert messages[-1] == "capture resumed by request; further pauses and resumes within the hour are not logged"
    camera.end()
    parts.capture.stop()


def test_crash_of_the_source_is_raised_after_the_outputs_ended(build):
    camera = ManualCamera(live=False)
    camera.crash()
    daemon, _, _ = build(camera)
    with pytest.raises(ZeroDivisionError):
        daemon.run()


def test_events_are_json_lines_with_the_components_boot_id(build):
    source = create_source("scripted:happy=1?seed=1", SourceOptions())
    daemon, parts, stdout = build(source, max_frames=12)
    assert daemon.run() == 0
    events = [json.loads(line) for line in stdout.getvalue().splitlines()]
    assert [event["type"] for event in events] == ["face_appeared", "face_left"]
    assert {event["boot_id"] for event in events} == {parts.boot_id}


def test_smaller_faces_than_can_be_found_are_logged_once_when_the_size_is_known(build, caplog):
    source = create_source("scripted:none=1?seed=1", SourceOptions())
    daemon, _, _ = build(source, Config(budget=CONFIG.budget, detector=DetectorConfig(min_face=0.05)), max_frames=4)
    assert daemon.run() == 0
    (line,) = [one.getMessage() for one in caplog.records if "asks for faces" in one.getMessage()]
    assert line.startswith("detector.min_face = 0.05 asks for faces of 24 pixels in frames of 640x480, but the search ")


class LostCamera(ManualCamera):
    """A camera that is gone at its first frame."""

    def read(self):
        raise SourceLostError("another camera takes its place")


class RecordedOutputs:
    """The outputs, with the infos that were published."""

    def __init__(self, outputs):
        self._outputs, self.infos = outputs, []

    def __getattr__(self, name):
        return getattr(self._outputs, name)

    def publish_info(self, info):
        self.infos.append(info)
        self._outputs.publish_info(info)


def test_info_names_the_camera_of_auto_and_is_sent_again_when_another_takes_its_place():
    first, second = LostCamera(), LateCamera()
    first.uri, second.uri = "scripted:?loop=1", "v4l2:A Camera"
    cameras = iter([first, second])
    config = Config(budget=CONFIG.budget, source=SourceConfig(uri="auto:"))
    parts = build_components(config, fast=False, stdout=io.StringIO(), source_factory=lambda *_: next(cameras, second))
    outputs = RecordedOutputs(parts.outputs)
    daemon = Daemon(config, replace(parts, outputs=outputs), fast=False, max_frames=None, load_config=lambda: config)
    second.daemon = daemon
    assert daemon.run() == 0
    assert [info.source for info in outputs.infos] == ["scripted:?loop=1", "v4l2:A Camera"]
