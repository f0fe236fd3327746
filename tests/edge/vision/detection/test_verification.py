"""What the second cascade is asked, with answers that the test gives."""

import numpy as np

from edge.types import Box, TrackPrediction
from edge.vision.detection.grid import SearchGrid
from edge.vision.detection.motion import ChangeMap
from edge.vision.detection.verification import Candidate, VerificationQueue
from edge.vision.pyramid import ImagePyramid

FPS = 25.0
PLACE = Box(200.0, 150.0, 96.0, 96.0)
ELSEWHERE = Box(450.0, 150.0, 96.0, 96.0)


class Asked:
    """Answers as told, counts the questions, finds candidates where they were."""

    def __init__(self, answers=()):
        self.answers = list(answers)
        self.boxes = []

    def verify(self, box):
        self.boxes.append(box)
        return self.answers.pop(0) if self.answers else False


def made(asked, find=lambda box: box):
    changes = ChangeMap(SearchGrid(640, 480, 24, 48.0, 480.0))
    changes.look(ImagePyramid(np.full((480, 640), 100, np.uint8)))
    return VerificationQueue(asked.verify, find, changes), changes


def followed(serial=1, *, confirmed=True, asked_seconds=0.0, doubted=False):
    return TrackPrediction(
        serial, PLACE, PLACE, 0.0, 0, new=False, confirmed=confirmed, asked_seconds=asked_seconds, doubted=doubted
    )


def test_one_question_a_frame_the_strongest_first():
    asked = Asked([True, True])
    questions, _ = made(asked)
    questions.add([Candidate(PLACE, 2), Candidate(ELSEWHERE, 9)], 0.0)
    assert questions.ask_one([], 0.0) == Candidate(ELSEWHERE, 9)
    questions.add([], 0.04)
    assert questions.ask_one([], 0.04) == Candidate(PLACE, 2)
    questions.add([], 0.08)
    assert questions.ask_one([], 0.08) is None
    assert len(asked.boxes) == 2


def test_a_refused_place_is_asked_about_a_few_times_and_then_left_until_it_expires():
    asked = Asked()
    questions, _ = made(asked)
    for number in range(200):
        seconds = number / FPS
        if not questions.was_refused(PLACE):
            questions.add([Candidate(PLACE, 5)] if number % 3 == 0 else [], seconds)
        else:
            questions.add([], seconds)
        assert questions.ask_one([], seconds) is None
    # Three questions, five seconds of rest, three more: 8 seconds in all.
    assert len(asked.boxes) == 6


def test_a_refused_place_is_asked_about_again_once_it_changes():
    questions, changes = made(Asked())
    questions.refuse(PLACE, 0.0)
    assert questions.was_refused(PLACE)
    assert not questions.was_refused(ELSEWHERE)
    luma = np.full((480, 640), 100, np.uint8)
    luma[150:246, 200:296] = 140
    changes.look(ImagePyramid(luma))
    assert not questions.was_refused(PLACE)


def test_a_candidate_that_is_refused_once_gets_another_chance_where_it_is_then():
    asked = Asked([False, True])
    moved = Box(210.0, 150.0, 96.0, 96.0)
    questions, _ = made(asked, find=lambda _box: moved)
    questions.add([Candidate(PLACE, 5)], 0.0)
    answers = []
    for number in range(6):
        answers.append(questions.ask_one([], number / FPS))
        questions.add([], (number + 1) / FPS)
    assert [one for one in answers if one is not None] == [Candidate(moved, 5)]
    assert asked.boxes == [PLACE, moved]


def test_a_candidate_that_has_gone_is_not_asked_about():
    asked = Asked([False, True])
    questions, _ = made(asked, find=lambda _box: None)
    questions.add([Candidate(PLACE, 5)], 0.0)
    for number in range(6):
        assert questions.ask_one([], number / FPS) is None
        questions.add([], (number + 1) / FPS)
    assert len(asked.boxes) == 1


def test_new_tracks_are_asked_about_each_frame_and_known_ones_seldom():
    asked = Asked([True] * 9)
    questions, _ = made(asked)
    assert questions.ask_one([(followed(confirmed=False), PLACE)], 0.04) == (1, True)
    assert questions.ask_one([(followed(), PLACE)], 1.9) is None
    assert questions.ask_one([(followed(doubted=True), PLACE)], 1.1) == (1, True)
    assert questions.ask_one([(followed(), PLACE)], 2.1) == (1, True)


def test_nobody_starves():
    asked = Asked([True] * 40)
    questions, _ = made(asked)
    last = dict.fromkeys(range(1, 5), 0.0)
    for number in range(1, 30):
        seconds = number / FPS
        questions.add([Candidate(ELSEWHERE, 3)] if number == 10 else [], seconds)
        tracks = [(followed(serial, confirmed=False, asked_seconds=when), PLACE) for serial, when in last.items()]
        answer = questions.ask_one(tracks, seconds)
        if isinstance(answer, Candidate):
            assert 10 <= number <= 15
        else:
            assert seconds - last[answer[0]] <= 6 / FPS
            last[answer[0]] = seconds
    assert ELSEWHERE in asked.boxes


def test_at_the_start_everybody_is_asked_about():
    asked = Asked([True, False, True])
    questions, _ = made(asked)
    candidates = [Candidate(PLACE, 2), Candidate(ELSEWHERE, 9), Candidate(Box(20, 20, 60, 60), 9)]
    questions.add(candidates, 0.0)
    assert questions.ask_all(0.0) == [candidates[0], candidates[2]]
