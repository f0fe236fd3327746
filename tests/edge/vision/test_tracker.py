import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config.schema import TrackerConfig
from edge.types import Box, Detection
from edge.vision.tracker import Tracker

CONFIG = TrackerConfig()
FPS = 12.5


def face(x, y=100.0, side=60.0, *, verified=True):
    return Detection(Box(x, y, side, side), hits=10, verified=verified)


def play(frames, config=CONFIG, fps=FPS):
    """Return the numbers confirmed in each frame, and those lost in each."""
    tracker = Tracker(config)
    live, lost = [], []
    for number, detections in enumerate(frames):
        tracks, gone = tracker.update(detections, number / fps)
        live.append([track.number for track in tracks if track.confirmed])
        lost.append([track.number for track in gone])
    return live, lost


def test_a_face_is_confirmed_once_it_was_seen_long_and_often_enough():
    live, _ = play([[face(100)]] * 10)
    # 0.15 s at 12.5 frames a second is the third frame.
    assert live == [[]] * 2 + [[1]] * 8
    live, _ = play([[face(100)]] * 10, fps=25)
    assert live == [[]] * 4 + [[1]] * 6


def test_at_a_low_frame_rate_the_count_of_sightings_decides():
    live, _ = play([[face(100)]] * 4, fps=2)
    assert live == [[], [], [1], [1]]


def test_a_face_is_lost_only_after_its_time():
    frames = [[face(100)]] * 6 + [[]] * 25
    live, lost = play(frames)
    left = next(number for number, gone in enumerate(lost) if gone)
    assert lost[left] == [1]
    assert left / FPS == pytest.approx(5 / FPS + CONFIG.lost_seconds, abs=1.01 / FPS)
    assert live[left] == []


def test_a_gap_shorter_than_that_keeps_the_number():
    live, lost = play([[face(100)]] * 6 + [[]] * 10 + [[face(110)]] * 3)
    assert live[-1] == [1]
    assert not any(lost)


def test_what_the_second_cascade_never_sees_is_never_confirmed():
    live, _ = play([[face(100, verified=False)]] * 50)
    assert not any(live)


def test_a_phantom_that_is_agreed_with_now_and_then_is_not_confirmed():
    frames = [[face(100, verified=number % 8 == 0)] for number in range(100)]
    assert not any(play(frames)[0])


def test_what_nobody_is_asked_about_is_neither_agreed_with_nor_refused():
    unasked = face(100, verified=None)
    live, _ = play([[face(100)], *[[unasked]] * 5, [face(100)], *[[unasked]] * 3, [face(100)], [unasked]])
    assert live[9:] == [[], [1], [1]]


def test_a_new_face_that_is_refused_again_and_again_is_given_up():
    tracker = Tracker(CONFIG)
    for number in range(12):
        tracks, _ = tracker.update([face(100, verified=number == 0)], number / FPS)
    assert tracks == []


def test_a_face_that_is_refused_for_long_leaves():
    frames = [[face(100)]] * 6 + [[face(100, verified=False)]] * 140
    live, lost = play(frames)
    left = next(number for number, gone in enumerate(lost) if gone)
    assert 10 <= (left - 5) / FPS <= 10.2
    assert live[left] == []


def test_a_moving_face_is_expected_further_on():
    tracker = Tracker(CONFIG)
    for number in range(8):
        tracker.update([face(100 + 15 * number)], number / FPS)
    (followed,) = tracker.followed(8 / FPS)
    assert followed.box.x == pytest.approx(100 + 15 * 8, abs=1)
    assert followed.speed == pytest.approx(15 / 60, abs=0.02)
    tracker.update([], 8 / FPS)
    (followed,) = tracker.followed(9 / FPS)
    assert followed.missed == 1
    assert followed.box.x == pytest.approx(100 + 15 * 9, abs=2)
    for number in range(9, 20):
        tracker.update([], number / FPS)
    (followed,) = tracker.followed(20 / FPS)
    assert followed.box.x < 100 + 15 * 11, "it does not go on for ever"


def test_a_detection_goes_to_the_track_that_it_was_searched_for():
    tracker = Tracker(CONFIG)
    for number in range(6):
        tracks, _ = tracker.update([face(100), face(180)], number / FPS)
    left, right = sorted(tracks, key=lambda track: track.latest.x)
    between = Detection(Box(139, 100, 60, 60), 5, None, left.serial)
    tracker.update([between], 6 / FPS)
    assert left.seen is between
    assert right.seen is None


def test_a_known_face_goes_on_without_agreement():
    live, lost = play([[face(100)]] * 6 + [[face(102, verified=False)]] * 40)
    assert live[-1] == [1]
    assert not any(lost)


def test_two_faces_that_pass_each_other_keep_their_numbers():
    frames = [[face(100 + 10 * number), face(400 - 10 * number, y=190)] for number in range(31)]
    live, lost = play(frames)
    assert live[-1] == [1, 2]
    assert not any(lost)


def test_a_face_found_at_two_sizes_is_one():
    live, _ = play([[face(100, side=60), face(90, y=90, side=100)]] * 10)
    assert live[-1] == [1]


def test_numbers_are_never_used_twice():
    tracker = Tracker(CONFIG)
    for number in range(6):
        tracker.update([face(100)], number / FPS)
    assert [track.number for track in tracker.clear()] == [1]
    for number in range(10, 16):
        tracks, _ = tracker.update([face(100)], number / FPS)
    assert [track.number for track in tracks] == [2]


def test_boxes_are_smoothed_over_time():
    tracker = Tracker(CONFIG)
    for number in range(20):
        jitter = 4 * (-1) ** number
        tracks, _ = tracker.update([face(100 + jitter)], number / FPS)
    assert abs(tracks[0].box.x - 100) < 4
    assert tracks[0].latest.x == pytest.approx(96)


boxes = st.builds(
    lambda x, y, side, verified: Detection(Box(x, y, side, side), 5, verified),
    st.floats(0, 600),
    st.floats(0, 400),
    st.floats(20, 200),
    st.booleans(),
)


@given(st.lists(st.tuples(st.floats(0, 2), st.lists(boxes, max_size=5)), max_size=40))
def test_whatever_comes_the_books_balance(frames):
    tracker = Tracker(CONFIG)
    seconds, known, gone = 0.0, set(), set()
    for elapsed, detections in frames:
        seconds += elapsed
        tracks, lost = tracker.update(detections, seconds)
        numbers = [track.number for track in tracks if track.confirmed]
        assert numbers == sorted(set(numbers))
        seen = [id(track.seen) for track in tracks if track.seen is not None]
        assert len(seen) == len(set(seen)) <= len(detections)
        assert {track.number for track in lost} <= known
        gone |= {track.number for track in lost}
        assert not gone & set(numbers)
        known |= set(numbers)
        assert known == set(range(1, len(known) + 1))
        assert known == gone | set(numbers)
        for track in tracks:
            assert np.isfinite([track.box.x, track.box.y, track.box.width]).all()
            assert seconds - track.last_seconds <= CONFIG.lost_seconds
