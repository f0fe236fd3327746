import numpy as np
import pytest

from convert.event_tuning.ground_truth import EventScore, TrueExpression, ground_truth, index_at, score_announcements

TRUTH = (TrueExpression("neutral", 0.0), TrueExpression("happy", 4.0), TrueExpression("sad", 8.0))
END = 12.0


def score_of(*changes, appeared="neutral"):
    return score_announcements(TRUTH, [(0.4, appeared), *changes], END)


def test_flickers_are_no_part_of_the_ground_truth():
    segments = [("neutral", 2.0), ("happy", 0.2), ("neutral", 2.0), ("sad", 0.3), ("happy", 1.5)]
    assert ground_truth(segments) == (TrueExpression("neutral", 0.0), TrueExpression("happy", 4.5))


def test_first_right_announcement_after_a_change_counts_with_its_delay():
    score = score_of((4.9, "happy"), (9.1, "sad"))
    assert (score.changes, score.correct, score.false) == (2, 2, 0)
    assert score.delays == pytest.approx((0.9, 1.1))
    assert score.precision == score.recall == score.f1 == 1.0
    assert score.delay(0.5) == pytest.approx(1.0)


def test_announcement_after_the_next_change_is_false():
    score = score_of((8.1, "happy"), (9.0, "sad"))
    assert (score.correct, score.false) == (1, 1)
    assert score.recall == score.precision == 0.5


@pytest.mark.parametrize("wrong", ["happy", "unknown"])
def test_announced_flicker_is_two_false_changes(wrong):
    score = score_of((1.0, wrong), (1.6, "neutral"), (4.9, "happy"), (9.1, "sad"))
    assert (score.correct, score.false) == (2, 2)
    assert score.unknown == (wrong == "unknown")
    assert score.false_per_minute == pytest.approx(60 * 2 / (END - 0.4))


def test_wrong_appearance_may_be_corrected_once():
    assert (score_of((1.0, "neutral"), appeared="sad").correct, score_of((1.0, "neutral"), appeared="sad").false) == (
        0,
        0,
    )
    assert score_of((1.0, "neutral"), (2.0, "sad"), (3.0, "neutral"), appeared="sad").false == 2


def test_changes_outside_the_track_do_not_count():
    assert score_announcements(TRUTH, [(5.0, "happy")], 7.0).changes == 0
    assert score_announcements(TRUTH, [(5.0, "happy"), (8.9, "sad")], 11.0).recall == 1.0
    assert index_at(TRUTH, -1.0) == 0


def test_scores_add_up():
    one, two = score_of((4.9, "happy")), score_of((1.0, "sad"))
    total = one + two
    assert (total.changes, total.correct, total.false) == (4, 1, 1)
    assert total.seconds == pytest.approx(one.seconds + two.seconds)
    assert np.isnan(EventScore().delay(0.95))
    assert EventScore().f1 == 1.0
    assert EventScore(changes=2).f1 == EventScore(changes=2).recall == 0
