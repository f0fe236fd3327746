"""Sources of a frame a second and fewer, through the whole program: events, log and doctor."""

import re

import cv2
import pytest

from edge.capture.open import create_source
from edge.capture.source import SourceOptions
from support.program import events_of, run


@pytest.fixture(scope="module")
def pictures():
    """Draw the actor, 5 pictures without it, 8 with it, 5 without."""
    source = create_source("scripted:none=5,happy=8,none=5?seed=3&fps=1", SourceOptions())
    source.open()
    drawn = []
    while (frame := source.read()) is not None:
        drawn.append(frame.luma)
    return drawn


@pytest.fixture
def folder(pictures, tmp_path):
    for number, picture in enumerate(pictures):
        assert cv2.imwrite(str(tmp_path / f"{number}.png"), picture)
    return tmp_path


@pytest.fixture
def video(pictures, tmp_path):
    """A video of one frame a second."""
    path = tmp_path / "slow.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 1.0, (640, 480))
    assert writer.isOpened()
    for picture in pictures:
        writer.write(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))
    writer.release()
    return path


def test_face_in_pictures_ten_seconds_apart_appears_and_leaves(folder):
    """The actor is fully there in the pictures 6 to 13: in the first one of each segment the last one still shows."""
    events = events_of("--fast", "--source", folder, EMOTION_EDGE_SOURCE_FPS="0.1")
    assert [(event["type"], event["source_seconds"]) for event in events] == [("face_appeared", 80), ("face_left", 160)]


def test_slow_video_is_played_and_the_log_names_its_rate_once(video):
    result = run("run", "--fast", "--source", video)
    assert result.returncode == 0, result.stderr
    assert re.findall(r'"type":"(\w+)"', result.stdout) == ["face_appeared", "face_left"]
    lines = [line for line in result.stderr.splitlines() if "frames per second" in line]
    assert len(lines) == 1
    for part in ("gives 1 frames per second", "tracker.lost_seconds", "events.dwell_seconds", "leaves after 3 s"):
        assert part in lines[0]


def test_doctor_warns_of_a_slow_source_with_the_figure(folder):
    """Warnings change no exit code; here the missing broker is none, because none is configured."""
    result = run("doctor", "--source", folder, EMOTION_EDGE_SOURCE_FPS="0.2")
    assert result.returncode == 0, result.stdout + result.stderr
    warning = next(line for line in result.stdout.splitlines() if re.match(r"warn +source ", line))
    for part in ("gives 0.2 frames per second", "announced after 10 s", "leaves after 15 s"):
        assert part in warning
