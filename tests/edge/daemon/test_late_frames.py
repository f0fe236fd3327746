"""Tests that the daemon drops frames which are late already, and accounts for every frame."""

import io
import time
from dataclasses import replace

from edge.capture.source import SourceOptions, make_frame
from edge.config.schema import BudgetConfig, Config
from edge.daemon.daemon import Daemon
from support.sources import ManualCamera, numbered_picture


class DelayedCamera(ManualCamera):
    """Gives frames a second after their capture, and stops the daemon after `frames` of them."""

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


def test_late_frames_of_a_camera_are_dropped_and_every_frame_is_counted(monkeypatch):
    camera = DelayedCamera()
    monkeypatch.setattr("edge.daemon.daemon.create_source", lambda *_: camera)
    config = Config(budget=BudgetConfig(latency_ms=500.0, priority="normal"))
    camera.daemon = daemon = Daemon(config, fast=False, max_frames=None, stdout=io.StringIO())
    assert daemon.run() == 0
    health = daemon.report()
    left_in_slot = camera.number - health.frames - health.frames_dropped
    assert left_in_slot in (0, 1)
    assert health.frames_late >= 4
    assert health.frames >= 1
    assert health.frames <= health.frames_late / 4 + 1
