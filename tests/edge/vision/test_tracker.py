"""Tests of the tracker on detections that the test makes up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config.schema import TrackerConfig
from edge.frame_rate import MIN_FRAMES
from edge.types import Box, Detection
from edge.vision.tracker import Tracker

CONFIG = TrackerConfig()
FPS = 12.5


def face(x, y=100.0, side=60.0, *, verified=True):
    return Detection(Box(x, y, side, side), neighbours=10, verified=verified)


def play(frames, config=CONFIG, fps=FPS):
    """Return the track_id of the confirmed tracks and of the lost ones, for each frame."""
    tracker = Tracker(config)
    live, lost = [], []
    for number, detections in enumerate(frames):
        tracks, gone = tracker.update(detections, number / fps)
        live.append([track.track_id for track in tracks if track.confirmed])
        lost.append([track.track_id for track in gone])
    return live, lost


def test_face_is_confirmed_after_confirm_seconds():
    live, _ = play([[face(100)]] * 10)
    # 0.15 s at 12.5 frames a second is the third frame.
    assert live == [[]] * 2 + [[1]] * 8
    live, _ = play([[face(100)]] * 10, fps=25)
    assert live == [[]] * 4 + [[1]] * 6


def test_face_at_low_frame_rate_is_confirmed_after_confirm_hits():
    live, _ = play([[face(100)]] * 4, fps=2)
    assert live == [[], [], [1], [1]]


def test_face_is_lost_after_lost_seconds():
    frames = [[face(100)]] * 6 + [[]] * 25
    live, lost = play(frames)
    left = next(number for number, gone in enumerate(lost) if gone)
    assert lost[left] == [1]
    assert left / FPS == pytest.approx(5 / FPS + CONFIG.lost_seconds, abs=1.01 / FPS)
    assert live[left] == []


def test_face_keeps_its_track_id_over_a_short_gap():
    live, lost = play([[face(100)]] * 6 + [[]] * 10 + [[face(110)]] * 3)
    assert live[-1] == [1]
    assert not any(lost)


def test_face_that_never_passes_verification_is_never_confirmed():
    live, _ = play([[face(100, verified=False)]] * 50)
    assert not any(live)


def test_phantom_that_passes_verification_seldom_is_not_confirmed():
    frames = [[face(100, verified=number % 8 == 0)] for number in range(100)]
    assert not any(play(frames)[0])


def test_detection_without_verification_counts_neither_as_pass_nor_as_failure():
    unverified = face(100, verified=None)
    live, _ = play([[face(100)], *[[unverified]] * 5, [face(100)], *[[unverified]] * 3, [face(100)], [unverified]])
    assert live[9:] == [[], [1], [1]]


def test_tentative_track_that_fails_verification_is_removed():
    tracker = Tracker(CONFIG)
    for number in range(12):
        tracks, _ = tracker.update([face(100, verified=number == 0)], number / FPS)
    assert tracks == []


def test_confirmed_face_that_fails_verification_for_ten_seconds_is_lost():
    frames = [[face(100)]] * 6 + [[face(100, verified=False)]] * 140
    live, lost = play(frames)
    left = next(number for number, gone in enumerate(lost) if gone)
    assert 10 <= (left - 5) / FPS <= 10.2
    assert live[left] == []


def test_prediction_moves_with_the_face_for_a_limited_time():
    tracker = Tracker(CONFIG)
    for number in range(8):
        tracker.update([face(100 + 15 * number)], number / FPS)
    (prediction,) = tracker.predict(8 / FPS)
    assert prediction.box.x == pytest.approx(100 + 15 * 8, abs=1)
    assert prediction.speed == pytest.approx(15 / 60, abs=0.02)
    tracker.update([], 8 / FPS)
    (prediction,) = tracker.predict(9 / FPS)
    assert prediction.misses == 1
    assert prediction.box.x == pytest.approx(100 + 15 * 9, abs=2)
    for number in range(9, 20):
        tracker.update([], number / FPS)
    (prediction,) = tracker.predict(20 / FPS)
    assert prediction.box.x < 100 + 15 * 11, "the prediction stops"


def test_detection_is_matched_to_the_track_that_was_searched_for():
    tracker = Tracker(CONFIG)
    for number in range(6):
        tracks, _ = tracker.update([face(100), face(180)], number / FPS)
    left, right = sorted(tracks, key=lambda track: track.detected_box.x)
    between = Detection(Box(139, 100, 60, 60), 5, None, left.id)
    tracker.update([between], 6 / FPS)
    assert left.detection is between
    assert right.detection is None


def test_confirmed_face_continues_while_verification_fails():
    live, lost = play([[face(100)]] * 6 + [[face(102, verified=False)]] * 40)
    assert live[-1] == [1]
    assert not any(lost)


def test_faces_that_pass_each_other_keep_their_track_ids():
    frames = [[face(100 + 10 * number), face(400 - 10 * number, y=190)] for number in range(31)]
    live, lost = play(frames)
    assert live[-1] == [1, 2]
    assert not any(lost)


def test_face_found_at_two_sizes_makes_one_track():
    live, _ = play([[face(100, side=60), face(90, y=90, side=100)]] * 10)
    assert live[-1] == [1]


def test_track_id_is_not_reused():
    tracker = Tracker(CONFIG)
    for number in range(6):
        tracker.update([face(100)], number / FPS)
    assert [track.track_id for track in tracker.clear()] == [1]
    for number in range(10, 16):
        tracks, _ = tracker.update([face(100)], number / FPS)
    assert [track.track_id for track in tracks] == [2]


def test_box_is_smoothed():
    tracker = Tracker(CONFIG)
    for number in range(20):
        jitter = 4 * (-1) ** number
        tracks, _ = tracker.update([face(100 + jitter)], number / FPS)
    assert abs(tracks[0].box.x - 100) < 4
    assert tracks[0].detected_box.x == pytest.approx(96)


def read_weakly_verified(clarity, *, passes, attempts):
    """Return in which frame a face is announced that passes weakly at first, is read with `clarity`, and then fails."""
    tracker = Tracker(CONFIG)
    for number in range(attempts):
        passed = number < passes
        detection = Detection(Box(100.0, 100.0, 60.0, 60.0), 5, passed, weak=passed)
        tracks, _ = tracker.update([detection], number / FPS)
        weak = tracker.track_to_read()
        if weak is not None:
            tracker.add_reading(weak, clarity, number / FPS)
        if any(track.confirmed for track in tracks):
            return number
    return None


def test_weakly_verified_face_is_announced_where_the_network_reads_it():
    assert read_weakly_verified(0.65, passes=9, attempts=9) == 3
    assert read_weakly_verified(0.5, passes=9, attempts=9) is None


def test_face_that_is_read_clearly_needs_no_further_verification():
    assert read_weakly_verified(0.75, passes=2, attempts=30) == 5
    assert read_weakly_verified(0.65, passes=2, attempts=30) is None
    assert read_weakly_verified(0.95, passes=1, attempts=30) is None


boxes = st.builds(
    lambda x, y, side, verified: Detection(Box(x, y, side, side), 5, verified),
    st.floats(0, 600),
    st.floats(0, 400),
    st.floats(20, 200),
    st.booleans(),
)


@given(st.lists(st.tuples(st.floats(0, 2), st.lists(boxes, max_size=5)), max_size=40))
def test_any_detections_give_consistent_tracks(frames):
    tracker = Tracker(CONFIG)
    seconds, known, gone = 0.0, set(), set()
    for elapsed, detections in frames:
        seconds += elapsed
        tracks, lost = tracker.update(detections, seconds)
        track_ids = [track.track_id for track in tracks if track.confirmed]
        assert track_ids == sorted(set(track_ids))
        matched = [id(track.detection) for track in tracks if track.detection is not None]
        assert len(matched) == len(set(matched)) <= len(detections)
        assert {track.track_id for track in lost} <= known
        gone |= {track.track_id for track in lost}
        assert not gone & set(track_ids)
        known |= set(track_ids)
        assert known == set(range(1, len(known) + 1))
        assert known == gone | set(track_ids)
        for track in tracks:
            assert np.isfinite([track.box.x, track.box.y, track.box.width]).all()
            assert seconds - track.last_seconds <= CONFIG.lost_seconds or track.misses < MIN_FRAMES
