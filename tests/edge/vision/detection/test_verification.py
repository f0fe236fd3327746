"""Tests of the verification queue, with results that the test provides."""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from edge.types import Box, Detection, TrackPrediction, Verification
from edge.vision.detection.grid import SearchGrid
from edge.vision.detection.motion import ChangeMap
from edge.vision.detection.verification import Candidate, Grade, VerificationQueue
from edge.vision.pyramid import ImagePyramid

FPS = 25.0
PLACE = Box(200.0, 150.0, 96.0, 96.0)
ELSEWHERE = Box(450.0, 150.0, 96.0, 96.0)
DETECTED = Detection(PLACE, 3, verified=None)


class Verifier:
    """Passes strongly or fails, as the results say, then fails; records the boxes and rolls."""

    def __init__(self, results=()):
        self.results = list(results)
        self.boxes = []
        self.rolls = []

    def verify(self, box, roll_degrees):
        self.boxes.append(box)
        self.rolls.append(roll_degrees)
        result = self.results.pop(0) if self.results else False
        return result if isinstance(result, Grade) else Grade.STRONG if result else Grade.FAILED


def make_queue(verifier, redetect=lambda candidate: candidate):
    """Return a queue in which candidates stay where they are, and its change map."""
    changes = ChangeMap(SearchGrid(640, 480, 24, 48.0, 480.0))
    changes.update(ImagePyramid(np.full((480, 640), 100, np.uint8)))
    return VerificationQueue(verifier.verify, redetect, changes), changes


def track(track_id=1, *, confirmed=True, last_seconds=0.0, failed=False):
    """Return the prediction of a track that was verified once."""
    verification = Verification()
    verification.record(passed=not failed, seconds=last_seconds)
    return TrackPrediction(track_id, PLACE, 0.0, 0, new=False, confirmed=confirmed, verification=verification)


def verify_one(queue, detected, seconds):
    """Verify one face: returns the track's id and result, or the candidate that passed, or None."""
    tracks, candidates = queue.verify_due(detected, seconds)
    return next(iter([*tracks.items(), *candidates]), None)


def test_one_candidate_per_frame_is_verified_most_neighbours_first():
    verifier = Verifier([True, True])
    queue, _ = make_queue(verifier)
    queue.add([Candidate(PLACE, 2), Candidate(ELSEWHERE, 9)], 0.0)
    assert verify_one(queue, [], 0.0) == Candidate(ELSEWHERE, 9)
    queue.add([], 0.04)
    assert verify_one(queue, [], 0.04) == Candidate(PLACE, 2)
    queue.add([], 0.08)
    assert verify_one(queue, [], 0.08) is None
    assert len(verifier.boxes) == 2


def test_candidate_is_rejected_after_three_failures_for_five_seconds():
    verifier = Verifier()
    queue, _ = make_queue(verifier)
    for number in range(200):
        seconds = number / FPS
        if not queue.was_rejected(Candidate(PLACE, 5)):
            queue.add([Candidate(PLACE, 5)] if number % 3 == 0 else [], seconds)
        else:
            queue.add([], seconds)
        assert verify_one(queue, [], seconds) is None
    # Three verifications, five seconds of rejection, three more: 8 seconds in all.
    assert len(verifier.boxes) == 6


def test_rejection_ends_when_the_place_changes():
    queue, changes = make_queue(Verifier())
    queue.reject(Candidate(PLACE, 5), 0.0)
    assert queue.was_rejected(Candidate(PLACE, 5))
    assert not queue.was_rejected(Candidate(ELSEWHERE, 5))
    luma = np.full((480, 640), 100, np.uint8)
    luma[150:246, 200:296] = 140
    changes.update(ImagePyramid(luma))
    assert not queue.was_rejected(Candidate(PLACE, 5))


def test_candidate_that_failed_is_redetected_and_verified_again():
    verifier = Verifier([False, True])
    moved = Box(210.0, 150.0, 96.0, 96.0)
    queue, _ = make_queue(verifier, redetect=lambda candidate: replace(candidate, box=moved))
    queue.add([Candidate(PLACE, 5)], 0.0)
    results = []
    for number in range(6):
        results.append(verify_one(queue, [], number / FPS))
        queue.add([], (number + 1) / FPS)
    assert [one for one in results if one is not None] == [Candidate(moved, 5)]
    assert verifier.boxes == [PLACE, moved]


def test_candidate_that_is_not_redetected_is_not_verified_again():
    verifier = Verifier([False, True])
    queue, _ = make_queue(verifier, redetect=lambda _candidate: None)
    queue.add([Candidate(PLACE, 5)], 0.0)
    for number in range(6):
        assert verify_one(queue, [], number / FPS) is None
        queue.add([], (number + 1) / FPS)
    assert len(verifier.boxes) == 1


def test_tentative_tracks_are_verified_in_each_frame_and_confirmed_ones_seldom():
    verifier = Verifier([True] * 9)
    queue, _ = make_queue(verifier)
    assert verify_one(queue, [(track(confirmed=False), DETECTED)], 0.04) == (1, Grade.STRONG)
    assert verify_one(queue, [(track(), DETECTED)], 1.9) is None
    assert verify_one(queue, [(track(failed=True), DETECTED)], 1.1) == (1, Grade.STRONG)
    assert verify_one(queue, [(track(), DETECTED)], 2.1) == (1, Grade.STRONG)


def test_tracks_and_candidates_take_turns():
    verifier = Verifier([True] * 40)
    queue, _ = make_queue(verifier)
    last = dict.fromkeys(range(1, 5), 0.0)
    for number in range(1, 30):
        seconds = number / FPS
        queue.add([Candidate(ELSEWHERE, 3)] if number == 10 else [], seconds)
        tracks = [(track(track_id, confirmed=False, last_seconds=when), DETECTED) for track_id, when in last.items()]
        result = verify_one(queue, tracks, seconds)
        if isinstance(result, Candidate):
            assert 10 <= number <= 15
        else:
            assert seconds - last[result[0]] <= 6 / FPS
            last[result[0]] = seconds
    assert ELSEWHERE in verifier.boxes


def test_several_faces_are_verified_in_one_frame_each_once():
    """Where frames are far apart one frame may verify many: tracks and candidates by waiting time, none twice."""
    verifier = Verifier([True, False, True])
    queue, _ = make_queue(verifier)
    queue.add([Candidate(PLACE, 5), Candidate(ELSEWHERE, 3)], 5.0)
    tracks, passed = queue.verify_due([(track(7, confirmed=False, last_seconds=4.0), DETECTED)], 5.0, 16, 1)
    assert tracks == {7: Grade.STRONG}
    assert passed == [Candidate(ELSEWHERE, 3)]
    assert len(verifier.boxes) == 3
    # The one that failed is verified again in the very next frame.
    queue.add([], 6.0)
    queue.verify_due([], 6.0, 16, 1)
    assert verifier.boxes[3:] == [PLACE]


def test_failed_candidate_waits_for_a_while_at_a_high_rate():
    """Two frames at 120 frames a second show the same."""
    verifier = Verifier()
    queue, _ = make_queue(verifier)
    queue.add([Candidate(PLACE, 5)], 0.0)
    seconds = []
    for number in range(30):
        before = len(verifier.boxes)
        verify_one(queue, [], number / 120)
        seconds += [number / 120] * (len(verifier.boxes) - before)
        queue.add([], (number + 1) / 120)
    assert len(seconds) == 3
    assert all(after - before >= 0.06 for before, after in pairwise(seconds))


def test_verify_all_returns_the_candidates_that_pass():
    # The second one fails at its roll, and at the rolls beside it.
    verifier = Verifier([True, False, False, False, True])
    queue, _ = make_queue(verifier)
    candidates = [Candidate(PLACE, 2), Candidate(ELSEWHERE, 9), Candidate(Box(20, 20, 60, 60), 9)]
    queue.add(candidates, 0.0)
    assert queue.verify_all(0.0) == [candidates[0], candidates[2]]


def test_rejection_holds_for_the_roll_at_which_it_was_made():
    queue, _ = make_queue(Verifier())
    queue.reject(Candidate(PLACE, 5), 0.0)
    assert queue.was_rejected(Candidate(PLACE, 5, 15.0))
    assert not queue.was_rejected(Candidate(PLACE, 5, -35.0))


def test_turned_candidate_is_redetected_before_its_first_verification():
    """Its roll is known roughly only; the verification gets the roll that was found."""
    verifier = Verifier([True])
    queue, _ = make_queue(verifier, redetect=lambda candidate: replace(candidate, roll_degrees=28.0))
    queue.add([Candidate(PLACE, 5, 35.0)], 0.0)
    assert verify_one(queue, [], 0.0) == Candidate(PLACE, 5, 28.0)
    assert verifier.rolls == [28.0]


def test_weak_pass_is_passed_on():
    queue, _ = make_queue(Verifier([Grade.WEAK, Grade.WEAK]))
    queue.add([Candidate(PLACE, 5)], 0.0)
    assert verify_one(queue, [(track(confirmed=False), DETECTED)], 0.04) == (1, Grade.WEAK)
    queue.add([], 0.08)
    assert verify_one(queue, [], 0.08) == Candidate(PLACE, 5, weak=True)


def test_new_faces_that_passed_before_are_verified_together_with_a_second_try():
    """They are hardly phantoms, so they do not wait for each other, and their rolls are known roughly."""
    verifier = Verifier([False, True, False, False])
    queue, _ = make_queue(verifier)
    queue.add([], 0.08)
    likely = [(track(number, confirmed=False), DETECTED) for number in (1, 2)]
    tracks, _ = queue.verify_due(likely, 0.08)
    assert tracks == {1: Grade.STRONG, 2: Grade.FAILED}
    assert len(verifier.rolls) == 4
    assert verifier.rolls[0] == verifier.rolls[2] == 0.0
    assert abs(verifier.rolls[1]) == abs(verifier.rolls[3]) == 10.0
