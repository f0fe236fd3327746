import numpy as np
import pytest

from convert.event_tuning.ground_truth import Score, Shown, index_at, judge, truth_of
from convert.event_tuning.replay import Followed, replay, smoothed
from edge.config import EventsConfig

LABELS = ("happy", "neutral", "sad")
TRUTH = (Shown("neutral", 0.0), Shown("happy", 4.0), Shown("sad", 8.0))
END = 12.0


def told(*changes, appeared="neutral"):
    return judge(TRUTH, [(0.4, appeared), *changes], END)


def test_flickers_are_not_to_be_announced():
    parts = [("neutral", 2.0), ("happy", 0.2), ("neutral", 2.0), ("sad", 0.3), ("happy", 1.5)]
    assert truth_of(parts) == (Shown("neutral", 0.0), Shown("happy", 4.5))


def test_the_first_right_word_after_a_change_is_right_and_its_delay_counts():
    score = told((4.9, "happy"), (9.1, "sad"))
    assert (score.changes, score.right, score.false) == (2, 2, 0)
    assert score.delays == pytest.approx((0.9, 1.1))
    assert score.precision == score.recall == score.f1 == 1.0
    assert score.delay(0.5) == pytest.approx(1.0)


def test_what_is_said_after_the_next_change_is_false():
    score = told((8.1, "happy"), (9.0, "sad"))
    assert (score.right, score.false) == (1, 1)
    assert score.recall == score.precision == 0.5


@pytest.mark.parametrize("wrong", ["happy", "unknown"])
def test_a_flicker_counts_twice_for_the_way_there_and_back(wrong):
    score = told((1.0, wrong), (1.6, "neutral"), (4.9, "happy"), (9.1, "sad"))
    assert (score.right, score.false) == (2, 2)
    assert score.unknown == (wrong == "unknown")
    assert score.false_per_minute == pytest.approx(60 * 2 / (END - 0.4))


def test_an_appearance_may_be_corrected_once():
    assert (told((1.0, "neutral"), appeared="sad").right, told((1.0, "neutral"), appeared="sad").false) == (0, 0)
    assert told((1.0, "neutral"), (2.0, "sad"), (3.0, "neutral"), appeared="sad").false == 2


def test_changes_before_a_face_appears_and_after_it_is_gone_are_not_its_own():
    assert judge(TRUTH, [(5.0, "happy")], 7.0).changes == 0
    assert judge(TRUTH, [(5.0, "happy"), (8.9, "sad")], 11.0).recall == 1.0
    assert index_at(TRUTH, -1.0) == 0


def test_scores_pool():
    one, two = told((4.9, "happy")), told((1.0, "sad"))
    both = one + two
    assert (both.changes, both.right, both.false) == (4, 1, 1)
    assert both.seconds == pytest.approx(one.seconds + two.seconds)
    assert np.isnan(Score().delay(0.95))
    assert Score().f1 == 1.0
    assert Score(changes=2).f1 == Score(changes=2).recall == 0


def noisy_face():
    rng = np.random.default_rng(4)
    readings = rng.dirichlet((0.6, 0.6, 0.6), 200).astype(np.float32)
    readings[60:140] = readings[60:140] * 0.4 + np.float32([0.6, 0, 0])
    read = rng.random(200) > 0.1
    read[:5] = True
    return Followed("noise", TRUTH, np.arange(200) / 12.5, readings, read, 4)


def test_smoothing_beforehand_gives_what_smoothing_on_the_way_gives():
    face = noisy_face()
    config = EventsConfig(smoothing_seconds=0.3, dwell_seconds=0.3, margin=0.05)
    plain = EventsConfig(smoothing_seconds=0.0, dwell_seconds=0.3, margin=0.05)
    events = replay(face, LABELS, config, 0.4)
    assert len(events) > 3
    assert replay(smoothed(face, LABELS, 0.3), LABELS, plain, 0.4) == events
