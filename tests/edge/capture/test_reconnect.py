import pytest

from edge.capture.generation import CaptureSession, SessionEnd
from support.sources import CameraByHand

STALL = 5.0


def test_one_that_is_open_may_be_silent_for_as_long_as_a_frame_may_take():
    generation = CaptureSession(CameraByHand(), 100.0)
    assert generation.end(104.9, STALL) is None
    assert generation.seconds_left(104.0, STALL) == pytest.approx(1.0)
    assert generation.end(105.0, STALL) == SessionEnd("stalled", "The source gave no frame for 5 s")
    assert generation.frame(104.0)
    assert not generation.frame(108.0)
    assert generation.end(112.9, STALL) is None
    assert generation.lasted_seconds == 4.0
    assert generation.end(113.0, STALL) is not None


def test_opening_may_take_longer_than_a_frame():
    generation = CaptureSession(None, 100.0)
    assert generation.end(114.9, STALL) is None
    assert generation.end(115.0, STALL) == SessionEnd("stalled", "The source could not be opened for 15 s")
    assert generation.end(115.0, 20.0) is None
    generation.opened(114.0)
    assert generation.end(118.9, STALL) is None
    assert generation.end(119.0, STALL) == SessionEnd("stalled", "The source gave no frame for 5 s")


def test_one_that_is_lost_says_why_at_once():
    generation = CaptureSession(CameraByHand(), 100.0)
    generation.lost_because = "the cable was pulled"
    assert generation.end(100.0, STALL) == SessionEnd("lost", "the cable was pulled")
    assert generation.lasted_seconds == 0.0
