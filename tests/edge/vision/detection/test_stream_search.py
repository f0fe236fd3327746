"""The scheduled search on pictures: the actor, cut out and put where a test wants him."""

import json
import math
import runpy

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.capture.open import make_source
from edge.capture.source import SourceOptions
from edge.config.schema import DetectorConfig, TrackerConfig
from edge.levels import LADDER
from edge.vision.detection.detector import Detector
from edge.vision.detection.verification import FaceVerifier
from edge.vision.tracker import Tracker
from support.footage import ROOT, footage

FPS = 25.0
HEIGHT, WIDTH = 240, 320
ANNOUNCED_WITHIN = 10
"""Frames: 400 ms at 25 a second."""
ACTOR_WIDTH = 190
"""Of his face as the cascade boxes it, pixels of the scripted picture."""


def pictures(script):
    source = make_source(f"scripted:{script}?seed=3", SourceOptions())
    source.open()
    taken = [frame.luma for frame in iter(source.read, None)]
    source.close()
    return taken


ACTOR = pictures("happy=1")[8][40:360, 170:470]
CENTRE = (170.0, 165.0)
"""Of his face in ACTOR."""
OVAL = np.zeros(ACTOR.shape, np.float32)
cv2.ellipse(OVAL, (170, 160), (125, 150), 0, 0, 360, 1.0, cv2.FILLED)
OVAL = cv2.GaussianBlur(OVAL, (41, 41), 0)


def scene(number, faces=()):
    """Draw a wall with grain, uint8 (240, 320), and faces: (x, y, width) of the middle and the box."""
    rng = np.random.default_rng(number)
    picture = np.tile(np.linspace(90, 130, WIDTH, dtype=np.float32), (HEIGHT, 1))
    for x, y, width in faces:
        scale = width / ACTOR_WIDTH
        matrix = np.array([[scale, 0, x - scale * CENTRE[0]], [0, scale, y - scale * CENTRE[1]]])
        blurred = cv2.GaussianBlur(ACTOR, (0, 0), max(0.3, 0.4 / scale)).astype(np.float32)
        head = cv2.warpAffine(blurred, matrix, (WIDTH, HEIGHT))
        mask = cv2.warpAffine(OVAL, matrix, (WIDTH, HEIGHT))
        picture = picture * (1 - mask) + head * mask
    return np.clip(picture + rng.normal(0, 2, picture.shape), 0, 255).astype(np.uint8)


class Line:
    """Detector and tracker, as the pipeline runs them."""

    def __init__(self, config=DetectorConfig(), level=LADDER[0]):  # noqa: B008 - frozen
        self.detector, self.tracker, self.level = Detector(config), Tracker(TrackerConfig()), level
        self.number = 0

    def step(self, luma):
        seconds = self.number / FPS
        self.number += 1
        found = self.detector.search(luma, seconds, self.tracker.followed(seconds), self.level)
        return self.tracker.update(found, seconds)[0]


def test_the_first_frame_is_searched_whole():
    (track,) = Line().step(scene(0, [(160, 120, 70)]))
    assert track.box.centre == pytest.approx((160, 120), abs=8)
    assert track.box.width == pytest.approx(70, rel=0.2)


@pytest.mark.parametrize("width", [36, 60, 110])
@pytest.mark.parametrize("phase", range(6))
def test_a_new_face_is_announced_within_400_ms_wherever_the_search_is(width, phase):
    line = Line()
    for number in range(8 + phase):
        assert line.step(scene(number)) == []
    place = (90 + 20 * phase, 120, width)
    confirmed = [
        any(track.confirmed for track in line.step(scene(50 + n, [place]))) for n in range(ANNOUNCED_WITHIN + 1)
    ]
    assert confirmed[-1], "frame 10 is 400 ms after frame 0, the first that shows the face"


@settings(max_examples=15)
@given(
    width=st.floats(34, 80),
    speed=st.floats(0, 0.3),
    acceleration=st.floats(0.02, 0.08),
    direction=st.floats(0, math.pi),
    growth=st.floats(-0.02, 0.02),
)
def test_a_face_that_moves_keeps_its_track(width, speed, acceleration, direction, growth):
    """Within: 0.3 sides a frame, a change of 0.08 sides a frame from one frame to the next, 2 % of size a frame."""
    line = Line()
    turn = acceleration / speed if speed > acceleration else 1.0
    swing = speed / turn * width
    swing = min(swing, 70.0)
    serials = set()
    for number in range(24):
        away = swing * math.sin(turn * number)
        side = width * (1 + growth) ** min(number, 12)
        place = (160 + away * math.cos(direction), 120 + 0.5 * away * math.sin(direction), side)
        tracks = line.step(scene(number, [place]))
        serials |= {track.serial for track in tracks if track.confirmed}
        if number >= ANNOUNCED_WITHIN:
            (track,) = [one for one in tracks if one.confirmed]
            assert math.dist(track.latest.centre, place[:2]) <= 0.6 * side
    assert len(serials) == 1


def test_a_face_that_leaves_and_returns_is_found_again():
    line = Line()
    for number in range(8):
        line.step(scene(number, [(100, 120, 60)]))
    for number in range(8, 60):
        tracks = line.step(scene(number))
    assert tracks == []
    for number in range(60, 60 + ANNOUNCED_WITHIN + 1):
        tracks = line.step(scene(number, [(200, 110, 60)]))
    assert [track.number for track in tracks] == [2]


def test_two_faces_side_by_side_stay_two():
    line = Line()
    for number in range(20):
        tracks = line.step(scene(number, [(110 + number, 120, 56), (200 - number / 2, 120, 56)]))
    assert sorted(track.number for track in tracks) == [1, 2]
    assert all(track.seen is not None for track in tracks)


def test_a_face_that_shrinks_below_the_smallest_is_not_announced():
    line = Line(DetectorConfig(min_face=0.3))
    for number in range(12):
        assert not any(track.confirmed for track in line.step(scene(number, [(160, 120, 60)])))


def test_the_second_cascade_is_asked_once_a_frame_and_seldom_about_a_known_face(monkeypatch):
    asked = []
    verify = FaceVerifier.verify
    monkeypatch.setattr(FaceVerifier, "verify", lambda *arguments: asked.append(line.number) or verify(*arguments))
    line = Line()
    for number in range(100):
        line.step(scene(number, [(110, 120, 56), (220, 120, 60)] if number > 3 else []))
    assert max(asked.count(number) for number in set(asked)) == 1
    late = [number for number in asked if number > 25]
    assert 2 <= len(late) <= 4, "two faces, once in two seconds each"


def test_the_same_frames_give_the_same_tracks():
    frames = [scene(number, [(80 + 4 * number, 110, 50), (240, 130, 40)]) for number in range(15)]
    one, other = Line(), Line()
    for luma in frames:
        assert [track.box for track in one.step(luma)] == [track.box for track in other.step(luma)]


def test_every_level_finds_a_face_and_levels_may_change_between_frames():
    line = Line()
    for number in range(10):
        line.step(scene(number))
    confirmed = []
    for number in range(10, 45):
        line.level = LADDER[number % len(LADDER)]
        confirmed.append(any(track.confirmed for track in line.step(scene(number, [(140, 120, 64)]))))
    assert confirmed[20]
    assert all(confirmed[20:])


def test_without_a_second_cascade_the_neighbours_decide():
    line = Line(DetectorConfig(confirm_cascade="none"))
    for number in range(12):
        tracks = line.step(scene(number, [(160, 120, 80)]))
    assert [track.number for track in tracks] == [1]


def test_frames_of_another_size_begin_anew():
    detector = Detector(DetectorConfig())
    small = scene(0, [(160, 120, 70)])
    large = np.asarray(cv2.resize(small, (640, 480)), dtype=np.uint8)
    assert len(detector.search(small, 0.0)) == 1
    (found,) = detector.search(large, 0.04)
    assert found.box.centre == pytest.approx((320, 240), abs=16)
    detector.restart()
    assert len(detector.search(large, 0.08)) == 1


@pytest.mark.parametrize("shape", [(1, 1), (20, 20), (24, 24), (30, 500), (500, 30)])
def test_frames_too_small_for_a_face_have_none(shape):
    line = Line()
    for number in range(4):
        assert line.step(np.full(shape, 60 * number, np.uint8)) == []


FILES = {
    "face-demographics-walking-and-pause.mp4": 100,
    "face-demographics-walking.mp4": 1,
    "head-pose-face-detection-female-and-male.mp4": 50,
    "head-pose-face-detection-female.mp4": 20,
    "head-pose-face-detection-male.mp4": 60,
}
"""Files with faces of 24 pixels and more, and at least how many: without them the test would show nothing."""


@pytest.mark.footage
@pytest.mark.parametrize("name", FILES)
def test_it_finds_at_least_as_many_faces_as_searching_each_frame_whole(name):
    path = footage(name)
    reference = json.loads(path.with_name("faces.json").read_text(encoding="utf-8"))[name]
    result = runpy.run_path(str(ROOT / "scripts" / "recall.py"))["compare"](path, reference)
    assert result.faces >= FILES[name]
    assert result.scheduled.found >= result.plain.found


@pytest.mark.footage
def test_phantoms_of_a_shelf_cost_few_questions(monkeypatch):
    asked = []
    verify = FaceVerifier.verify
    monkeypatch.setattr(FaceVerifier, "verify", lambda *arguments: asked.append(line.number) or verify(*arguments))
    path = footage("store-aisle-detection.mp4")
    line = Line()
    frames = 0
    for luma in runpy.run_path(str(ROOT / "scripts" / "recall.py"))["grey_frames"](path):
        assert not any(track.confirmed for track in line.step(luma))
        frames += 1
    later = [number for number in asked if number > 1]
    assert max(later.count(number) for number in later) == 1
    assert 5 <= len(later) <= 0.5 * frames
