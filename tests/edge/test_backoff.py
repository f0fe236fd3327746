import random

import pytest

from edge.backoff import Backoff

pytestmark = [pytest.mark.device, pytest.mark.once]


def test_waits_grow_to_the_configured_limit_and_spread() -> None:
    fleet = [Backoff(60.0, random.Random(seed)) for seed in range(500)]
    first = [backoff.next_seconds() for backoff in fleet]
    assert all(0.1 <= seconds <= 5 for seconds in first)
    # Also one that has only just lost its broker.
    assert max(sum(start <= seconds < start + 1 for seconds in first) for start in range(5)) < 150
    for _ in range(8):
        last = [backoff.next_seconds() for backoff in fleet]
    assert max(last) <= 60
    # A fleet that comes back over a minute: no second of it sees more than a few percent.
    assert max(sum(second <= seconds < second + 1 for seconds in last) for second in range(60)) < 25


def test_only_a_connection_that_lasted_starts_over() -> None:
    class High(random.Random):
        def uniform(self, a: float, b: float) -> float:
            return max(a, b)

    backoff = Backoff(60.0, High())
    assert [backoff.next_seconds() for _ in range(3)] == [5, 10, 20]
    backoff.connection_ended(1.0)
    assert backoff.next_seconds() == 40
    backoff.connection_ended(11.0)
    assert backoff.next_seconds() == 5
