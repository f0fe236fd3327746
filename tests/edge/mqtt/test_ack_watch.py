"""When a connection counts as stalled, is pinged and is given up."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.mqtt.ack_watch import AckTimes, AckWatch

TIMES = AckTimes(stall=1.0, ping=2.0, dead=10.0, unanswered=30.0)


def watch_of(*sent: float) -> AckWatch:
    watch = AckWatch(TIMES)
    for mid, moment in enumerate(sent, 1):
        watch.sent(mid, moment)
    return watch


def test_without_a_message_under_way_nothing_is_overdue() -> None:
    watch = watch_of()
    assert not watch.stalled(1e9)
    assert not watch.ping_due(1e9)
    assert watch.problem(1e9, last_received=0.0) is None
    assert watch.seconds_to_next(1e9) == float("inf")


def test_one_message_goes_through_all_stages() -> None:
    watch = watch_of(100.0)
    assert [watch.stalled(now) for now in (100.0, 100.9, 101.0)] == [False, False, True]
    assert [watch.ping_due(now) for now in (101.9, 102.0, 102.1)] == [False, True, False]
    assert watch.problem(109.9, last_received=99.0) is None
    problem = watch.problem(110.0, last_received=99.0)
    assert problem is not None
    assert (problem[0], problem[1]) == ("the broker has answered nothing for 11 s", False)


def test_broker_that_answers_pings_gets_more_time_and_is_known_to_live() -> None:
    watch = watch_of(100.0)
    assert watch.problem(129.9, last_received=129.0) is None
    problem = watch.problem(130.0, last_received=129.0)
    assert problem is not None
    assert problem[1]


def test_the_oldest_message_counts() -> None:
    watch = watch_of(100.0, 100.5)
    assert watch.oldest_seconds(101.0) == 1.0
    watch.acknowledged(2)
    assert watch.stalled(101.0)
    watch.acknowledged(1)
    assert not watch.stalled(200.0)


@pytest.mark.parametrize("now", [100.0, 100.5, 101.5, 103.0, 115.0])
def test_time_to_the_next_stage_ends_at_one(now: float) -> None:
    seconds = watch_of(100.0).seconds_to_next(now)
    assert round(now - 100.0 + seconds, 6) in (TIMES.stall, TIMES.ping, TIMES.dead, TIMES.unanswered)


@given(st.lists(st.tuples(st.floats(0.01, 3), st.booleans()), max_size=60))
def test_it_never_stalls_while_each_message_is_acknowledged_in_time(steps: list[tuple[float, bool]]) -> None:
    """At any rate of messages: one is handed over only where not stalled, so that few are under way when it hangs."""
    watch, now, mids, under_way = AckWatch(TIMES), 0.0, itertools.count(), []
    for seconds, acknowledged in steps:
        now += seconds
        stalled = watch.stalled(now)
        assert stalled == any(now - moment >= TIMES.stall for _, moment in under_way)
        if acknowledged and under_way:
            mid, _ = under_way.pop(0)
            watch.acknowledged(mid)
        elif not stalled:
            mid = next(mids)
            watch.sent(mid, now)
            under_way.append((mid, now))
