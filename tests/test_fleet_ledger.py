"""The fleet checks' own ledger (tests/fleet): it finds each kind of loss, of disorder and of repeat without a mark."""

import random

import pytest
from fleet.ledger import Arrival, settle
from hypothesis import given
from hypothesis import strategies as st


def arrivals(text: str) -> list[Arrival]:
    """Return events as "a1 a2r a2d" names them: boot, number, and r for replayed or d for the flag of MQTT."""
    return [Arrival(word[0], int(word[1:].rstrip("rd")), "r" in word, "d" in word) for word in text.split()]


@pytest.mark.parametrize(
    "text", ["a1 a2 a3 b1", "a1 a2r a3r b1", "a1 a2 a2r a3 b1", "a1 a2 a2d a3 b1 b1r", "b1 a1 a2 c7 a3"]
)
def test_everything_once_in_order_or_again_with_a_mark_is_no_problem(text):
    assert settle(arrivals(text), {"a": 3, "b": 1}).problem(keeps_order=True) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a1 a3 b1", "1 missing (first [('a', 2)])"),
        ("a1 a2 b1", "1 missing (first [('a', 3)])"),
        ("a1 a2 a3", "1 missing (first [('b', 1)])"),
        ("a1 a3 a2 b1", "1 out of order (first [('a', 2)]); 1 of these without a mark"),
        ("a1 a3 a2r b1", "1 out of order (first [('a', 2)]); 0 of these without a mark"),
        ("a1 a2 a2 a3 b1", "1 repeated without a mark (first [('a', 2)])"),
        ("a1 a2r a2 a3 b1", "1 repeated without a mark (first [('a', 2)])"),
    ],
)
def test_each_fault_is_named(text, problem):
    assert settle(arrivals(text), {"a": 3, "b": 1}).problem(keeps_order=True) == f"of 4 events: {problem}"


def test_a_broker_that_keeps_no_order_must_mark_what_comes_late():
    assert settle(arrivals("a1 a3 a2d"), {"a": 3}).problem(keeps_order=False) is None
    assert settle(arrivals("a1 a3 a2"), {"a": 3}).problem(keeps_order=False) is not None


@given(st.integers(1, 30), st.integers(0, 2**32))
def test_taking_any_event_away_is_found(count, seed):
    rng = random.Random(seed)
    whole = [Arrival("a", seq, replayed=rng.random() < 0.3, dup=False) for seq in range(1, count + 1)]
    assert settle(whole, {"a": count}).problem(keeps_order=True) is None
    gone = rng.randrange(count)
    account = settle(whole[:gone] + whole[gone + 1 :], {"a": count})
    assert account.missing == [("a", gone + 1)]
