"""Tests the controller as a function of timings: no test waits or measures."""

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
"""Over the budget; between ROOM_SHARE and SLOW_SHARE; with room to spare."""


class FramePlayer:
    """Plays frames at a steady rate. `cost`: latency of a frame in milliseconds, or a function of the level."""

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
            self.record(self.budget.frame(self.seconds, latency, stage_ms or {"detect": latency / 2}))
        return self

    def record(self, step):
        if step is not None:
            self.steps.append(step)
        return step

    @property
    def moves(self):
        return [(step.from_level, step.to_level, step.cause) for step in self.steps]


def test_quick_frames_keep_the_best_level():
    player = FramePlayer().play(60, QUICK)
    assert player.budget.level == 0
    assert player.budget.measured
    assert player.steps == []


def test_start_ends_at_the_first_level_that_keeps_the_budget():
    player = FramePlayer().play(3, [SLOW, SLOW, FAIR, FAIR].__getitem__)
    assert player.moves == [(0, 1, "start"), (1, 2, "start")]
    assert player.budget.measured


def test_start_ends_at_the_last_level_where_none_keeps_the_budget():
    player = FramePlayer().play(4, SLOW)
    assert player.budget.level == LAST
    assert player.budget.measured


def test_budget_out_of_reach_gives_the_reachable_latency():
    player = FramePlayer().play(2, SLOW)
    assert player.budget.reachable_ms is None  # not measured for long enough
    player.play(4, SLOW)
    assert player.budget.reachable_ms == SLOW
    player.play(15, QUICK)
    assert player.budget.reachable_ms is None


def test_slow_warm_up_frames_do_not_count():
    player = FramePlayer().play(budget.WARM_UP_FRAMES / 25, 400.0).play(20, QUICK)
    assert player.steps == []


def test_one_slow_frame_in_a_hundred_causes_no_step():
    player = FramePlayer()
    for _ in range(50):
        player.play(99 / 25, QUICK).play(1 / 25, SLOW)
    assert player.steps == []


def test_slow_frames_cause_a_step_down_within_half_a_second():
    player = FramePlayer().play(20, QUICK).play(1, SLOW)
    assert player.budget.level > 0
    assert player.steps[0].cause == "latency"
    assert player.steps[0].seconds <= 100 + 20 + 0.5


def test_best_level_returns_within_ten_seconds_after_a_load():
    """Two minutes in which only the last level is quick enough, and then none is slow."""
    player = FramePlayer().play(10, QUICK)
    player.play(120, [SLOW, SLOW, SLOW, 15.0].__getitem__)
    loaded = player.latencies[-120 * 25 :]
    assert sum(latency > LIMIT for latency in loaded) <= len(loaded) / 100
    began = player.seconds
    player.play(10, QUICK)
    assert player.budget.level == 0
    assert player.steps[-1].seconds - began <= 10


def test_varying_load_breaks_the_budget_in_at_most_one_frame_of_a_hundred():
    """The wait for a processor is random; the cost of the level is added to it."""
    chance = random.Random(4)
    player = FramePlayer().play(10, QUICK)
    player.play(120, lambda level: chance.expovariate(1 / 5) + (2, 1, 1, 0.5)[level] * (18 if level < 2 else 4))
    loaded = player.latencies[-120 * 25 :]
    assert sum(latency > LIMIT for latency in loaded) <= len(loaded) / 100
    began = player.seconds
    player.play(12, QUICK)
    assert player.budget.level == 0
    assert player.steps[-1].seconds - began <= 10


def test_steps_up_that_fail_become_rare():
    """The level above is always too slow: the controller tries it again, but less and less often."""
    player = FramePlayer().play(600, [SLOW, SLOW, FAIR / 2, FAIR / 2].__getitem__)
    tries = [step.seconds for step in player.steps if step.cause == "room"]
    pauses = [later - earlier for earlier, later in pairwise(tries)]
    assert 5 <= len(tries) <= 16
    assert pauses[-1] >= budget.MAX_PAUSE_SECONDS
    assert all(later >= earlier - 1 for earlier, later in pairwise(pauses))
    assert sum(latency > LIMIT for latency in player.latencies) <= len(player.latencies) / 100


@pytest.mark.parametrize("fps", [0.1, 1.0, 5.0, 60.0])
def test_steps_up_that_fail_are_rare_in_frames_too(fps):
    """The 99th percentile counts frames: a minute is an eternity at 60 frames a second, and six frames at 0.1."""
    player = FramePlayer(fps).play(6000 / fps, [SLOW, SLOW, FAIR / 2, FAIR / 2].__getitem__)
    assert player.budget.level == 2
    assert sum(latency > LIMIT for latency in player.latencies[300:]) <= len(player.latencies) / 100


@pytest.mark.parametrize("fps", [0.1, 1.0, 25.0])
def test_step_up_counts_as_failed_only_after_enough_frames(fps):
    """At one frame in ten seconds the trial of ten seconds would be over before a second slow frame could come."""
    player = FramePlayer(fps).play(600 / fps, [SLOW, SLOW, FAIR / 2, FAIR / 2].__getitem__)
    tries = [step.seconds * fps for step in player.steps if step.cause == "room"]
    assert all(later - earlier >= 40 for earlier, later in pairwise(tries)), "each failure is remembered"


def test_reachable_latency_rests_on_ten_frames():
    player = FramePlayer(fps=0.5).play(30, SLOW)
    assert player.budget.level == LAST
    assert player.budget.reachable_ms is None
    player.play(30, SLOW)
    assert player.budget.reachable_ms == SLOW


def test_step_up_that_lasted_causes_no_pause_later():
    player = FramePlayer().play(10, QUICK).play(30, [SLOW, FAIR / 2, FAIR / 2, QUICK].__getitem__)
    assert player.budget.level == 1
    player.play(60, FAIR / 2)
    assert player.budget.level == 0
    player.play(2, SLOW)  # long after the trial: a new disturbance, not a failure of that step
    began = player.seconds
    player.play(10, QUICK)
    assert player.budget.level == 0
    assert player.steps[-1].seconds - began <= 7


@pytest.mark.parametrize(
    ("stage_ms", "ending"),
    [({"detect": 30.0, "classify": 5.0}, "in detect"), ({"detect": 3.0, "classify": 30.0}, "in classify")],
)
def test_detail_of_a_step_down_names_the_slowest_stage(stage_ms, ending):
    player = FramePlayer().play(20, QUICK).play(1, SLOW, stage_ms)
    assert player.steps[0].detail.endswith(ending)
    assert "budget of 40" in player.steps[0].detail


def test_detail_of_a_step_down_names_the_wait_where_no_stage_was_slow():
    player = FramePlayer().play(20, QUICK).play(1, SLOW, {"detect": 2.0})
    assert player.steps[0].detail.endswith("waiting")


@pytest.mark.parametrize(("state", "cause"), [((50.0, True), "throttled"), ((80.0, False), "hot"), ((85, None), "hot")])
def test_hot_or_throttled_board_causes_steps_down_and_none_up(state, cause):
    temperature, throttled = state
    player = FramePlayer().play(10, QUICK)
    for _ in range(40):
        player.record(player.budget.board(player.seconds, temperature, throttled=throttled))
        player.play(1, QUICK)
    assert player.moves == [(0, 1, cause), (1, 2, cause)]  # at once, and after half a minute
    player.play(29, QUICK)
    assert player.budget.level == 2
    player.play(10, QUICK)
    assert player.budget.level == 0


def test_cool_or_unknown_board_causes_no_step():
    player = FramePlayer().play(10, QUICK)
    assert player.budget.board(player.seconds, 60.0, throttled=False) is None
    assert player.budget.board(player.seconds, None, throttled=None) is None
    assert player.budget.level == 0


def test_only_the_last_eight_steps_are_kept():
    player = FramePlayer().play(10, QUICK)
    for _ in range(10):
        player.play(1, SLOW).play(15, QUICK)
    assert len(player.steps) > 10
    assert list(player.budget.steps) == player.steps[-8:]


gaps = st.floats(0, 5) | st.sampled_from([1 / 120, 1 / 25, 1 / 10])
latencies = st.floats(0, 1000) | st.sampled_from([QUICK, FAIR, SLOW, LIMIT])
frames = st.lists(st.tuples(gaps, latencies), max_size=400)
strains = st.none() | st.sampled_from([(None, None), (60.0, False), (81.0, False), (70.0, True)])


@given(frames, st.lists(strains, min_size=1, max_size=20))
def test_any_timings_give_a_valid_level_and_no_quick_oscillation(sequence, strain):
    controller, seconds, steps = Budget(LIMIT), 0.0, []
    for number, (gap, latency) in enumerate(sequence):
        seconds += gap
        state = strain[number % len(strain)] if number % 7 == 0 else None
        taken = [controller.frame(seconds, latency, {"detect": latency})]
        if state is not None:
            taken.append(controller.board(seconds, state[0], throttled=state[1]))
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
@given(frames, st.floats(0, budget.ROOM_SHARE * LIMIT), st.sampled_from([0.3, 2.0, 25.0]))
def test_constant_quick_timings_end_at_the_best_level(sequence, latency, fps):
    player = FramePlayer(fps)
    for gap, before in sequence:
        player.seconds += gap
        player.budget.frame(player.seconds, before, {})
    # Longest: a pause of its full length on each level, in frames where these are rare.
    player.play(4 * budget.MAX_PAUSE_SECONDS * max(1, budget.FRAMES_PER_PAUSE_SECOND / fps), latency)
    assert player.budget.level == 0


@given(frames, st.floats(budget.SLOW_SHARE * LIMIT, 1000), st.sampled_from([0.3, 2.0, 25.0, 90.0]))
def test_constant_slow_timings_end_at_the_last_level(sequence, latency, fps):
    player = FramePlayer(fps)
    for gap, before in sequence:
        player.seconds += gap
        player.budget.frame(player.seconds, before, {})
    player.play(max(20, 40 / fps), latency)
    assert player.budget.level == LAST
    if latency > LIMIT:
        assert player.budget.reachable_ms == pytest.approx(latency)


@given(st.floats(0, 0.99 * budget.SLOW_SHARE * LIMIT), st.sampled_from([0.3, 2.0, 25.0, 90.0]))
def test_constant_timings_within_the_budget_keep_the_best_level(latency, fps):
    assert FramePlayer(fps).play(max(30, 40 / fps), latency).steps == []


@given(frames)
def test_same_timings_give_the_same_steps(sequence):
    def steps():
        controller, seconds, taken = Budget(LIMIT), 0.0, []
        for gap, latency in sequence:
            seconds += gap
            taken.append(controller.frame(seconds, latency, {"detect": latency}))
        return taken

    assert steps() == steps()
