import random

import pytest

from edge.mqtt.settings import reconnect_backoff
from edge.pacing import TokenBucket


def test_reconnect_waits_grow_to_the_limit_and_spread_a_fleet() -> None:
    fleet = [reconnect_backoff(60.0, random.Random(seed)) for seed in range(500)]
    first = [backoff.next_seconds() for backoff in fleet]
    assert all(0.1 <= seconds <= 5 for seconds in first)
    # The first wait, right after the loss of the broker, is spread too.
    assert max(sum(start <= seconds < start + 1 for seconds in first) for start in range(5)) < 150
    for _ in range(8):
        last = [backoff.next_seconds() for backoff in fleet]
    assert max(last) <= 60
    # The fleet reconnects over a minute: no second of it sees more than a few percent.
    assert max(sum(second <= seconds < second + 1 for seconds in last) for second in range(60)) < 25


def test_only_a_stable_attempt_resets_the_wait() -> None:
    class High(random.Random):
        def uniform(self, a: float, b: float) -> float:
            return max(a, b)

    backoff = reconnect_backoff(60.0, High())
    assert [backoff.next_seconds() for _ in range(3)] == [5, 10, 20]
    backoff.attempt_ended(1.0)
    assert backoff.next_seconds() == 40
    backoff.attempt_ended(11.0)
    assert backoff.next_seconds() == 5


def test_token_bucket_admits_a_burst_and_then_the_rate() -> None:
    now = 10.0
    bucket = TokenBucket(per_second=4.0, burst=2, clock=lambda: now)
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    assert bucket.seconds_to_next() == pytest.approx(0.25)
    now += 0.25
    assert [bucket.take() for _ in range(2)] == [True, False]
    now += 1000.0
    assert [bucket.take() for _ in range(3)] == [True, True, False]
