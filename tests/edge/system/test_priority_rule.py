"""Which of several sensors gives the real-time priority back, and when, by made-up readings."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.system.priority_rule import CHECKS_OVER_SHARE, MAX_SHARE, PriorityRule, SensorUse

PROCESSORS = 4


class Device:
    """Sensors that take constant shares of all processors; each checks once a second, at a moment of its own."""

    def __init__(self, shares, fixed=(), seed=0):
        """`fixed`: those whose service manager has set the priority, so that they never give it back."""
        chance = random.Random(seed)
        self.shares = dict(shares)
        self.realtime = dict.fromkeys(shares, True)
        self.fixed = set(fixed)
        self.rules = {name: PriorityRule(name) for name in shares}
        self.phases = {name: chance.random() for name in shares}
        self.given_back = []

    def uses(self, now):
        return {name: SensorUse(share * PROCESSORS * now, self.realtime[name]) for name, share in self.shares.items()}

    def run(self, seconds):
        """Let each check until then; return who has given the priority back, with the second."""
        moments = sorted((second + phase, name) for second in range(seconds) for name, phase in self.phases.items())
        for now, name in moments:
            if self.realtime[name] and name not in self.fixed:
                excess = self.rules[name].check(now, self.uses(now), PROCESSORS)
                if excess is not None:
                    assert excess.together > MAX_SHARE
                    assert excess.own == pytest.approx(self.shares[name])
                    self.realtime[name] = False
                    self.given_back.append((int(now), name))
        return self.given_back


def test_single_sensor_gives_back_after_five_checks_over_half():
    assert Device({"only": 0.6}).run(60) == [(CHECKS_OVER_SHARE, "only")]
    assert Device({"only": 0.5}).run(60) == []


def test_sensors_below_half_alone_count_together_and_the_heaviest_gives_back():
    assert Device({"door": 0.2, "hall": 0.15, "window": 0.2}).run(60) == [(5, "window")], "of equal ones the last name"
    assert Device({"door": 0.1, "hall": 0.45}).run(60) == [(5, "hall")]
    assert Device({"door": 0.2, "hall": 0.3}).run(60) == []


def test_second_one_gives_back_only_where_the_first_was_not_enough():
    # After the first, 0.9 and 0.6 are left, and they count anew.
    assert [name for _, name in Device({"a": 0.9, "b": 0.6, "c": 0.3}).run(60)] == ["a", "b"]


def test_ordinary_sensor_starves_nobody_and_does_not_count():
    device = Device({"door": 0.3, "hall": 0.9})
    device.realtime["hall"] = False
    assert device.run(60) == []


def test_where_the_heaviest_cannot_give_back_the_next_one_does():
    assert Device({"fixed": 0.8, "hall": 0.1}, fixed=["fixed"]).run(60) == [(2 * CHECKS_OVER_SHARE, "hall")]


def test_sensor_that_starts_again_and_again_does_not_hold_the_count_up():
    rule = PriorityRule("hall")
    for second in range(1, 2 * CHECKS_OVER_SHARE + 1):
        # Every other second it is there anew, at ordinary priority at first.
        other = {"door": SensorUse(0.1, realtime=False)} if second % 2 else {"door": SensorUse(3.0, realtime=True)}
        if rule.check(float(second), {"hall": SensorUse(2.8 * second, realtime=True)} | other, PROCESSORS) is not None:
            return
    pytest.fail("it has never given back")


def test_moment_over_half_is_not_enough_and_the_count_begins_anew():
    rule, used = PriorityRule("only"), 0.0
    for second, share in enumerate([0.0, 0.9, 0.9, 0.9, 0.9, 0.2] * 5):
        used += share * PROCESSORS
        assert rule.check(float(second), {"only": SensorUse(used, realtime=True)}, PROCESSORS) is None


@given(st.lists(st.integers(1, 95), min_size=1, max_size=6), st.integers(0, 1000))
def test_in_the_end_no_more_than_half_is_left_and_no_more_than_needed_was_given_back(percent, seed):
    device = Device({f"sensor{number}": share / 100 for number, share in enumerate(percent)}, seed=seed)
    given = [name for _, name in device.run(100)]
    left = [share for name, share in device.shares.items() if device.realtime[name]]
    assert sum(left) <= MAX_SHARE + 1e-9
    if given:
        assert sum(left) + device.shares[given[-1]] > MAX_SHARE - 1e-9, "the last one was needed"
        order = [device.shares[name] for name in given]
        assert order == sorted(order, reverse=True), "the heaviest first"
