from hypothesis import given
from hypothesis import strategies as st

from edge.desired.trial import FEWEST, MOST_IN_A_ROW, Trial


def verdicts(reports, watch=600.0, interval=10.0):
    """Return what a trial says after each report, up to the first verdict."""
    trial, said = Trial(watch, 0.0), []
    for number, within in enumerate(reports, 1):
        said.append(trial.report(number * interval, within))
        if said[-1] != "running":
            break
    return said


def test_ten_minutes_within_the_budget_pass_and_not_a_message_earlier() -> None:
    said = verdicts([True] * 100)
    assert (len(said), said[-1], set(said[:-1])) == (60, "passed", {"running"})


def test_three_messages_in_a_row_over_the_budget_end_the_trial() -> None:
    assert verdicts([True] * 10 + [False] * 3)[-1] == "failed"
    assert verdicts([True] * 10 + [False, False, True] + [True] * 60)[-1] == "passed"


def test_one_message_in_ten_may_be_over_the_budget_and_no_more() -> None:
    assert verdicts(([True] * 10 + [False]) * 10)[-1] == "passed"
    assert verdicts(([True] * 6 + [False]) * 10)[-1] == "failed"


def test_the_first_moments_do_not_count() -> None:
    assert verdicts([False] + [True] * 99)[-1] == "passed"
    assert len(verdicts([False] * 10)) == 1 + MOST_IN_A_ROW


def test_messages_without_a_frame_prove_nothing() -> None:
    assert verdicts([None] * 200)[-1] == "running"
    assert verdicts([None] * 100 + [True] * FEWEST)[-1] == "passed"
    assert verdicts([None] * 100 + [True] * (FEWEST - 1))[-1] == "running"


@given(st.lists(st.sampled_from([True, False, None]), max_size=120), st.floats(1, 1000))
def test_a_verdict_is_reached_once_and_a_trial_without_an_excess_never_fails(reports, watch) -> None:
    said = verdicts(reports, watch)
    assert all(one == "running" for one in said[:-1])
    if False not in reports:
        assert "failed" not in said
    if True not in reports:
        assert "passed" not in said
