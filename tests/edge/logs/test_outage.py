"""Nights of a broker or a camera that is away, in no time."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.logs.outage import LogDeduplicator, LogQuota, OutageLog, OutageNotice, format_duration

HOUR = 3600.0
NIGHT = 10 * HOUR


def night_of(absence, step, end=NIGHT):
    """What is said while a try fails every `step` seconds."""
    times = [step * number for number in range(round(end / step))]
    return [(word, now / HOUR) for now in times if (word := absence.failed("no answer", now)) is not None]


def test_a_night_is_a_line_an_hour():
    absence = OutageLog()
    said = night_of(absence, 30.0)
    assert said == [(OutageNotice.GONE, 0.0)] + [(OutageNotice.STILL, hour) for hour in range(1, 10)]
    assert absence.seconds == NIGHT - 30
    assert absence.told
    assert absence.lives(NIGHT) is OutageNotice.BACK
    assert (absence.seconds, absence.told) == (NIGHT, False)
    assert absence.lives(NIGHT + 1) is None


def test_each_further_reason_is_told_once_and_not_without_end():
    absence = OutageLog()
    reasons = ["gone", "refused", "no such host", "refused", "gone", "error 17", "error 18"]
    assert [absence.failed(reason, now) for now, reason in enumerate(reasons)] == [
        OutageNotice.GONE,
        OutageNotice.REASON,
        OutageNotice.REASON,
        *[None] * 4,
    ]


def test_what_comes_and_goes_all_night_is_a_line_an_hour_too():
    absence = OutageLog()
    said = []
    for minute in range(600):
        said.append((absence.failed("no answer", minute * 60.0), minute))
        said.append((absence.lives(minute * 60.0 + 20), minute))
    words = [(word, minute) for word, minute in said if word is not None]
    assert words[:7] == [(word, minute) for minute in range(3) for word in (OutageNotice.GONE, OutageNotice.BACK)] + [
        (OutageNotice.UNSTEADY, 3)
    ]
    assert words[7:] == [(OutageNotice.STILL, minute) for minute in range(63, 600, 60)]
    assert absence.lives(36_000.0) is None
    assert absence.lives(36_560.0) is OutageNotice.BACK


@given(
    st.lists(st.tuples(st.floats(0.1, 4000), st.sampled_from(["", "", "one", "two", "three", "four"])), max_size=300)
)
def test_the_log_is_short_and_its_last_line_true(steps):
    """Whatever happens: between any two steps it lives on ("") or fails."""
    absence, now, said, since = OutageLog(), 0.0, [], 0.0
    away = False
    for seconds, reason in steps:
        now += seconds
        word = absence.failed(reason, now) if reason else absence.lives(now)
        if bool(reason) != away:
            away, since = bool(reason), now
        if word is not None:
            said.append((now, word))
        last = said[-1][1] if said else OutageNotice.BACK
        assert absence.told == (last is not OutageNotice.BACK)
        assert not (away and last is OutageNotice.BACK), "nobody knows that it is away"
        assert not (away and now - said[-1][0] >= HOUR), "nobody was reminded"
        assert away or last is OutageNotice.BACK or now - since < 600, "nobody knows that it is back"
    words = [word for _, word in said]
    for first, second in pairwise(words):
        assert (second in {OutageNotice.GONE, OutageNotice.UNSTEADY}) == (first is OutageNotice.BACK)
    for moment, _ in said:
        # Three absences with three reasons each, then at most one in ten minutes.
        assert sum(moment <= other < moment + HOUR for other, _ in said) <= 3 * 4 + 6 * 4 + 4


@given(st.lists(st.floats(0.0, 3000.0), max_size=200), st.integers(1, 5))
def test_a_quota_is_kept_and_there_again_an_hour_later(gaps, most):
    quota, now, began, asked = LogQuota(most), 0.0, None, 0
    for gap in gaps:
        now += gap
        if began is None or now - began >= HOUR:
            began, asked = now, 0
        assert quota.left(now) == max(0, most - asked)
        asked += 1


def test_a_sentence_is_new_once_an_hour():
    hourly = LogDeduplicator()
    assert [hourly.new("no", now) for now in (0.0, 1.0, 3599.0, 3600.0, 3601.0)] == [True, False, False, True, False]
    assert sum(hourly.new(f"error {number}", 3602.0) for number in range(1000)) == 31


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (99.4, "99 s"), (100, "2 min"), (5990, "100 min"), (6000, "1.7 h"), (36_000, "10.0 h")],
)
def test_spans(seconds, text):
    assert format_duration(seconds) == text
