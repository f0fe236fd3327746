"""The controller as a function of timings: nothing here waits, and nothing here is measured."""

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.latency import budget
from edge.latency.budget import Budget
from edge.levels import LADDER

LIMIT = 40.0
LAST = len(LADDER) - 1
SLOW, FAIR, QUICK = 50.0, 28.0, 4.0
"""Over the budget; between ROOM and NEAR; with room to spare."""


class Line:
    """Plays frames at a steady rate; `cost` gives the latency of the level that the controller is on."""

    def __init__(self, fps=25.0, limit=LIMIT):
        self.budget = Budget(limit)
        self.fps = fps
        self.seconds = 100.0
        self.steps = []
        self.latencies = []

    def play(self, duration, cost, stage_ms=None):
        for _ in range(round(duration * self.fps)):
            self.seconds += 1 / self.fps
            latency = cost(self.budget.level) if callable(cost) else cost
            self.latencies.append(latency)
            self.took(self.budget.frame(self.seconds, latency, stage_ms or {"detect": latency / 2}))
        return self

    def took(self, step):
        if step is not None:
            self.steps.append(step)
        return step

    @property
    def moves(self):
        return [(step.from_level, step.to_level, step.cause) for step in self.steps]


def test_a_device_that_can_keeps_the_best_level():
    line = Line().play(60, QUICK)
    assert line.budget.level == 0
    assert line.budget.measured
    assert line.steps == []


def test_the_start_ends_on_the_first_level_that_fits():
    line = Line().play(3, [SLOW, SLOW, FAIR, FAIR].__getitem__)
    assert line.moves == [(0, 1, "start"), (1, 2, "start")]
    assert line.budget.measured


def test_the_start_takes_a_bounded_time_where_nothing_fits():
    line = Line().play(4, SLOW)
    assert line.budget.level == LAST
    assert line.budget.measured


def test_a_budget_out_of_reach_names_what_is_within():
    line = Line().play(2, SLOW)
    assert line.budget.reachable_ms is None  # too soon to say
    line.play(4, SLOW)
    assert line.budget.reachable_ms == SLOW
    line.play(15, QUICK)
    assert line.budget.reachable_ms is None


def test_slow_first_frames_are_cold_caches():
    line = Line().play(budget.WARM_UP_FRAMES / 25, 400.0).play(20, QUICK)
    assert line.steps == []


def test_one_slow_frame_in_a_hundred_is_within_the_promise():
    line = Line()
    for _ in range(50):
        line.play(99 / 25, QUICK).play(1 / 25, SLOW)
    assert line.steps == []


def test_a_bad_second_is_answered_within_it():
    line = Line().play(20, QUICK).play(1, SLOW)
    assert line.budget.level > 0
    assert line.steps[0].cause == "latency"
    assert line.steps[0].seconds <= 100 + 20 + 0.5


def test_with_the_load_gone_it_is_back_at_the_top_within_ten_seconds():
    """Two minutes in which only the last level is quick enough, and then none is slow."""
    line = Line().play(10, QUICK)
    line.play(120, [SLOW, SLOW, SLOW, 15.0].__getitem__)
    loaded = line.latencies[-120 * 25 :]
    assert sum(latency > LIMIT for latency in loaded) <= len(loaded) / 100
    began = line.seconds
    line.play(10, QUICK)
    assert line.budget.level == 0
    assert line.steps[-1].seconds - began <= 10


def test_a_load_that_varies_leaves_ninety_nine_in_a_hundred():
    """The wait for a processor is random; what a level costs comes on top of it."""
    chance = random.Random(4)
    line = Line().play(10, QUICK)
    line.play(120, lambda level: chance.expovariate(1 / 5) + (2, 1, 1, 0.5)[level] * (18 if level < 2 else 4))
    loaded = line.latencies[-120 * 25 :]
    assert sum(latency > LIMIT for latency in loaded) <= len(loaded) / 100
    began = line.seconds
    line.play(12, QUICK)
    assert line.budget.level == 0
    assert line.steps[-1].seconds - began <= 10


def test_attempts_that_fail_grow_rare():
    """The level above is always too slow: tried again, but ever less often."""
    line = Line().play(600, [SLOW, SLOW, FAIR / 2, FAIR / 2].__getitem__)
    tries = [step.seconds for step in line.steps if step.cause == "room"]
    pauses = [later - earlier for earlier, later in pairwise(tries)]
    assert 5 <= len(tries) <= 16
    assert pauses[-1] >= budget.LAST_PAUSE_SECONDS
    assert all(later >= earlier - 1 for earlier, later in pairwise(pauses))
    assert sum(latency > LIMIT for latency in line.latencies) <= len(line.latencies) / 100


def test_an_attempt_that_lasted_is_forgotten():
    line = Line().play(10, QUICK).play(30, [SLOW, FAIR / 2, FAIR / 2, QUICK].__getitem__)
    assert line.budget.level == 1
    line.play(60, FAIR / 2)
    assert line.budget.level == 0
    line.play(2, SLOW)  # long after the trial: a new disturbance, not a failure of that step
    began = line.seconds
    line.play(10, QUICK)
    assert line.budget.level == 0
    assert line.steps[-1].seconds - began <= 7


@pytest.mark.parametrize(
    ("stage_ms", "words"),
    [({"detect": 30.0, "classify": 5.0}, "in detect"), ({"detect": 3.0, "classify": 30.0}, "in classify")],
)
def test_the_reason_names_the_stage(stage_ms, words):
    line = Line().play(20, QUICK).play(1, SLOW, stage_ms)
    assert line.steps[0].detail.endswith(words)
    assert "budget of 40" in line.steps[0].detail


def test_the_reason_says_where_it_was_waiting():
    line = Line().play(20, QUICK).play(1, SLOW, {"detect": 2.0})
    assert line.steps[0].detail.endswith("waiting")


@pytest.mark.parametrize(("word", "cause"), [((50.0, True), "throttled"), ((80.0, False), "hot"), ((85, None), "hot")])
def test_a_board_under_strain_steps_down_and_not_up(word, cause):
    temperature, throttled = word
    line = Line().play(10, QUICK)
    for _ in range(40):
        line.took(line.budget.board(line.seconds, temperature, throttled=throttled))
        line.play(1, QUICK)
    assert line.moves == [(0, 1, cause), (1, 2, cause)]  # at once, and after half a minute
    line.play(29, QUICK)
    assert line.budget.level == 2
    line.play(10, QUICK)
    assert line.budget.level == 0


def test_a_cool_board_and_one_that_says_nothing_change_nothing():
    line = Line().play(10, QUICK)
    assert line.budget.board(line.seconds, 60.0, throttled=False) is None
    assert line.budget.board(line.seconds, None, throttled=None) is None
    assert line.budget.level == 0


def test_only_the_last_steps_are_kept():
    line = Line().play(10, QUICK)
    for _ in range(10):
        line.play(1, SLOW).play(15, QUICK)
    assert len(line.steps) > 10
    assert list(line.budget.steps) == line.steps[-8:]


# Any timings at all.

gaps = st.floats(0, 5) | st.sampled_from([1 / 120, 1 / 25, 1 / 10])
latencies = st.floats(0, 1000) | st.sampled_from([QUICK, FAIR, SLOW, LIMIT])
frames = st.lists(st.tuples(gaps, latencies), max_size=400)
strains = st.none() | st.sampled_from([(None, None), (60.0, False), (81.0, False), (70.0, True)])


@given(frames, st.lists(strains, min_size=1, max_size=20))
def test_any_timings_give_a_legal_level_and_no_quick_oscillation(sequence, strain):
    controller, seconds, steps = Budget(LIMIT), 0.0, []
    for number, (gap, latency) in enumerate(sequence):
        seconds += gap
        word = strain[number % len(strain)] if number % 7 == 0 else None
        taken = [controller.frame(seconds, latency, {"detect": latency})]
        if word is not None:
            taken.append(controller.board(seconds, word[0], throttled=word[1]))
        steps += [(number, step) for step in taken if step is not None]
        assert 0 <= controller.level <= LAST
        assert controller.reachable_ms is None or controller.level == LAST
    level, before = 0, None
    for number, step in steps:
        assert step.from_level == level
        assert abs(step.to_level - step.from_level) == 1
        if step.cause in ("latency", "start"):
            assert number - (-1 if before is None else before[0]) >= budget.SETTLE_FRAMES + 2
        if step.cause == "room":
            assert step.seconds - before[1].seconds >= budget.CALM_SECONDS
            assert number - before[0] >= budget.WINDOW_FRAMES
        level, before = step.to_level, (number, step)
    assert controller.level == level


@settings(max_examples=40)
@given(frames, st.floats(0, budget.ROOM * LIMIT), st.sampled_from([0.3, 2.0, 25.0]))
def test_constant_timings_with_room_end_at_the_top(sequence, latency, fps):
    line = Line(fps)
    for gap, before in sequence:
        line.seconds += gap
        line.budget.frame(line.seconds, before, {})
    # Longest: a pause of its full length on each level, and ten frames where they are rare.
    line.play(max(4 * budget.LAST_PAUSE_SECONDS, 60 / fps), latency)
    assert line.budget.level == 0


@given(frames, st.floats(budget.NEAR * LIMIT, 1000), st.sampled_from([0.3, 2.0, 25.0, 90.0]))
def test_constant_timings_above_end_at_the_bottom(sequence, latency, fps):
    line = Line(fps)
    for gap, before in sequence:
        line.seconds += gap
        line.budget.frame(line.seconds, before, {})
    line.play(max(20, 40 / fps), latency)
    assert line.budget.level == LAST
    if latency > LIMIT:
        assert line.budget.reachable_ms == pytest.approx(latency)


@given(st.floats(0, 0.99 * budget.NEAR * LIMIT), st.sampled_from([0.3, 2.0, 25.0, 90.0]))
def test_constant_timings_below_never_leave_the_top(latency, fps):
    assert Line(fps).play(max(30, 40 / fps), latency).steps == []


@given(frames)
def test_the_same_timings_give_the_same_steps(sequence):
    def steps():
        controller, seconds, taken = Budget(LIMIT), 0.0, []
        for gap, latency in sequence:
            seconds += gap
            taken.append(controller.frame(seconds, latency, {"detect": latency}))
        return taken

    assert steps() == steps()
