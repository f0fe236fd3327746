"""When a transaction is due, what is in it, and what goes where too much waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.archive.batch import LONGEST_WAIT_SECONDS, QUIET_SECONDS, Collector
from support.archive import events_batch

ONE = list(events_batch("cam", 1).events)


def collector(most: int = 3, samples: int = 2) -> Collector[int]:
    return Collector(most_messages=most, most_samples=samples)


def test_nothing_is_never_due() -> None:
    assert collector().seconds_to_due(5.0) is None


def test_message_waits_for_others_until_it_is_quiet() -> None:
    one = collector()
    one.add(ONE, 1, 10.0)
    assert one.seconds_to_due(10.0) == pytest.approx(QUIET_SECONDS)
    one.add(ONE, 2, 10.01)
    assert one.seconds_to_due(10.01 + QUIET_SECONDS) == 0
    assert one.take(11.0).tickets == [1, 2]
    assert one.seconds_to_due(11.0) is None


def test_stream_that_never_pauses_does_not_hold_up_a_batch() -> None:
    one = collector(most=10_000)
    now = 10.0
    while now < 10.0 + LONGEST_WAIT_SECONDS:
        one.add(ONE, 1, now)
        now += QUIET_SECONDS / 2
    assert one.seconds_to_due(now) == 0


def test_full_batch_is_due_at_once_and_the_rest_stays() -> None:
    one = collector(most=3)
    for ticket in range(5):
        one.add(ONE, ticket, 10.0)
    assert one.seconds_to_due(10.0) == 0
    assert one.take(10.0).tickets == [0, 1, 2]
    assert (one.waiting, one.take(10.1).tickets) == (2, [3, 4])


def test_malformed_message_is_acknowledged_with_the_others() -> None:
    one = collector()
    one.add([], 1, 10.0)
    batch = one.take(11.0)
    assert (batch.tickets, batch.events) == ([1], [])


def test_oldest_sample_goes_where_too_many_wait_and_no_message_with_a_ticket() -> None:
    one = collector(samples=2)
    samples = events_batch("cam", 1, 2, 3).events
    for sample in samples:
        one.add([sample], None, 10.0)
    for ticket in range(100):
        one.add(ONE, ticket, 10.0)
    assert (one.samples_dropped, one.waiting) == (1, 100)
    assert one.take(10.0).events[-2:] == samples[1:]


def test_what_comes_again_is_forgotten_and_samples_are_not() -> None:
    one = collector()
    one.add(ONE, 1, 10.0)
    one.add(ONE, None, 10.0)
    one.forget()
    batch = one.take(11.0)
    assert (batch.tickets, len(batch.events)) == ([], 1)


@given(st.lists(st.booleans(), max_size=50), st.integers(1, 7))
def test_every_ticket_comes_out_once_and_in_order(kinds: list[bool], most: int) -> None:
    one = collector(most=most, samples=1000)
    for number, has_ticket in enumerate(kinds):
        one.add(ONE, number if has_ticket else None, float(number))
    tickets, events = [], 0
    while one.seconds_to_due(1e9) is not None:
        batch = one.take(1e9)
        assert len(batch.tickets) <= most
        tickets += batch.tickets
        events += len(batch.events)
    assert tickets == [number for number, has_ticket in enumerate(kinds) if has_ticket]
    assert events == len(kinds)
