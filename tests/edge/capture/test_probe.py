"""The try of a source: its first frame and its rate, within a limit of time."""

import threading
import time

import pytest

from edge.capture.open import create_source
from edge.capture.probe import probe_source
from edge.capture.source import SourceOptions
from edge.config.schema import SourceConfig
from edge.errors import SourceError
from support.sources import LONG_SECONDS, ManualCamera, write_images, write_video


def test_rate_of_a_file_is_that_of_its_own_time(tmp_path):
    video = write_video(tmp_path / "slow.avi", frames=20, fps=0.5)
    probe = probe_source(create_source(str(video), SourceOptions()))
    assert probe.fps == pytest.approx(0.5)
    assert probe.problem is None
    options = SourceOptions(SourceConfig(fps=0.2))
    folder = write_images(tmp_path / "pictures")
    assert probe_source(create_source(str(folder), options)).fps == pytest.approx(0.2)


def test_single_picture_has_no_rate(tmp_path):
    folder = write_images(tmp_path / "pictures", ["one.png"])
    probe = probe_source(create_source(str(folder / "one.png"), SourceOptions()))
    assert (probe.frames, probe.fps, probe.max_fps) == (1, None, None)


def test_rate_of_a_camera_is_that_at_which_frames_arrive():
    camera = ManualCamera()

    def give():
        for _ in range(10):
            camera.give()
            time.sleep(0.05)

    giver = threading.Thread(target=give)
    giver.start()
    probe = probe_source(camera)
    giver.join()
    assert probe.frames == 8
    assert 1 < probe.fps <= 20.5
    assert camera.closed.wait(LONG_SECONDS)


def test_slow_camera_does_not_hold_up_the_try():
    camera = ManualCamera()
    camera.give()
    probe = probe_source(camera, max_seconds=0.2, close_seconds=0.01)
    assert (probe.frames, probe.fps, probe.problem) == (1, None, None)
    assert 0.2 <= probe.waited_seconds < LONG_SECONDS
    camera.end()  # so that its read does not block for ever


def test_camera_that_is_lost_after_a_frame_is_named():
    camera = ManualCamera()
    camera.give()
    camera.lose()
    probe = probe_source(camera)
    assert (probe.frames, probe.problem) == (1, "the cable was pulled")


@pytest.mark.parametrize("act", [ManualCamera.lose, ManualCamera.end, lambda _: None])
def test_source_without_a_frame_is_an_error_in_time(act):
    camera = ManualCamera()
    act(camera)
    with pytest.raises(SourceError):
        probe_source(camera, first_frame_seconds=0.3, close_seconds=0.01)
    camera.end()


def test_unexpected_exception_is_raised():
    camera = ManualCamera()
    camera.crash()
    with pytest.raises(ZeroDivisionError):
        probe_source(camera)
