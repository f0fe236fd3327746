"""Plays nights in which a broker or a camera is away, on a clock of the test's own."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.logs.outage import LogDeduplicator, LogQuota, OutageLog, OutageNotice, format_duration

HOUR = 3600.0
NIGHT = 10 * HOUR


def failing_night(outage, step, end=NIGHT):
    """Return (notice, hour) for a night in which an attempt fails every `step` seconds."""
    times = [step * number for number in range(round(end / step))]
    return [(notice, now / HOUR) for now in times if (notice := outage.failed("no answer", now)) is not None]


def test_outage_of_a_night_is_logged_once_an_hour():
    outage = OutageLog()
    logged = failing_night(outage, 30.0)
    assert logged == [(OutageNotice.GONE, 0.0)] + [(OutageNotice.STILL, hour) for hour in range(1, 10)]
    assert outage.seconds == NIGHT - 30
    assert outage.logged
    assert outage.available(NIGHT) is OutageNotice.BACK
    assert (outage.seconds, outage.logged) == (NIGHT, False)
    assert outage.available(NIGHT + 1) is None


def test_each_further_reason_is_logged_once_up_to_a_limit():
    outage = OutageLog()
    reasons = ["gone", "refused", "no such host", "refused", "gone", "error 17", "error 18"]
    assert [outage.failed(reason, now) for now, reason in enumerate(reasons)] == [
        OutageNotice.GONE,
        OutageNotice.REASON,
        OutageNotice.REASON,
        *[None] * 4,
    ]


def test_peer_that_comes_and_goes_all_night_is_logged_once_an_hour():
    outage = OutageLog()
    logged = []
    for minute in range(600):
        logged.append((outage.failed("no answer", minute * 60.0), minute))
        logged.append((outage.available(minute * 60.0 + 20), minute))
    notices = [(notice, minute) for notice, minute in logged if notice is not None]
    assert notices[:7] == [
        (notice, minute) for minute in range(3) for notice in (OutageNotice.GONE, OutageNotice.BACK)
    ] + [(OutageNotice.UNSTEADY, 3)]
    assert notices[7:] == [(OutageNotice.STILL, minute) for minute in range(63, 600, 60)]
    assert outage.available(36_000.0) is None
    assert outage.available(36_560.0) is OutageNotice.BACK


@given(
    st.lists(st.tuples(st.floats(0.1, 4000), st.sampled_from(["", "", "one", "two", "three", "four"])), max_size=300)
)
def test_log_of_any_sequence_is_short_and_its_last_line_is_true(steps):
    """Each step is a failure with a reason, or a sign of life ("")."""
    outage, now, logged, since = OutageLog(), 0.0, [], 0.0
    away = False
    for seconds, reason in steps:
        now += seconds
        notice = outage.failed(reason, now) if reason else outage.available(now)
        if bool(reason) != away:
            away, since = bool(reason), now
        if notice is not None:
            logged.append((now, notice))
        last = logged[-1][1] if logged else OutageNotice.BACK
        assert outage.logged == (last is not OutageNotice.BACK)
        assert not (away and last is OutageNotice.BACK), "an outage is not logged"
        assert not (away and now - logged[-1][0] >= HOUR), "a lasting outage is not repeated"
        assert away or last is OutageNotice.BACK or now - since < 600, "the end of an outage is not logged"
    notices = [notice for _, notice in logged]
    for first, second in pairwise(notices):
        assert (second in {OutageNotice.GONE, OutageNotice.UNSTEADY}) == (first is OutageNotice.BACK)
    for moment, _ in logged:
        # Three outages with three reasons each, then at most one in ten minutes.
        assert sum(moment <= other < moment + HOUR for other, _ in logged) <= 3 * 4 + 6 * 4 + 4


@given(st.lists(st.floats(0.0, 3000.0), max_size=200), st.integers(1, 5))
def test_quota_limits_lines_and_is_renewed_after_an_hour(gaps, most):
    quota, now, began, asked = LogQuota(most), 0.0, None, 0
    for gap in gaps:
        now += gap
        if began is None or now - began >= HOUR:
            began, asked = now, 0
        assert quota.left(now) == max(0, most - asked)
        asked += 1


def test_sentence_is_logged_once_an_hour():
    deduplicator = LogDeduplicator()
    assert [deduplicator.new("no", now) for now in (0.0, 1.0, 3599.0, 3600.0, 3601.0)] == [
        True,
        False,
        False,
        True,
        False,
    ]
    assert sum(deduplicator.new(f"error {number}", 3602.0) for number in range(1000)) == 31


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (99.4, "99 s"), (100, "2 min"), (5990, "100 min"), (6000, "1.7 h"), (36_000, "10.0 h")],
)
def test_duration_has_the_unit_that_suits_it(seconds, text):
    assert format_duration(seconds) == text
