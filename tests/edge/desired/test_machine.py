"""How far a sensor has come: every step, and random runs with kills in between."""

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edge.desired import machine
from edge.desired.errors import RefusedError
from edge.desired.machine import PROVEN_STARTS, TRIAL_STARTS, Progress
from edge.desired.selection import Choice
from edge.messages.desired import Assignment, DesiredDocument, Plan
from support.mqtt import NOW

CHOICES = [None, *(Choice(settings={"events.margin": value}) for value in (0.1, 0.2, 0.3))]
ONE, TWO = CHOICES[1], CHOICES[2]


def document(counter: int, choice: Choice | None, rollout: int = 0, *, devices: str = "*") -> DesiredDocument:
    assignments = [] if choice is None else [Assignment(devices=[devices], settings=choice.settings)]
    plan = Plan(name=f"n{rollout}", assignments=assignments)
    return DesiredDocument(base="b", counter=counter, time=NOW, rollout=f"{rollout:016x}", plan=plan)


def accepted(state: Progress, counter: int, choice: Choice | None, rollout: int = 0) -> Progress:
    return machine.accept(state, document(counter, choice, rollout), f"{counter}", "cam", NOW)


def kept(state: Progress, counter: int, choice: Choice | None, rollout: int = 0) -> Progress:
    return machine.passed(machine.began(machine.checking(accepted(state, counter, choice, rollout), NOW), NOW), NOW)


def test_document_leads_over_each_step_to_kept() -> None:
    state = accepted(Progress(), 3, ONE)
    assert (state.step, state.wanted, state.in_force, state.counter, state.assigned) == ("fetching", ONE, None, 3, True)
    state = machine.checking(state, NOW)
    assert (state.step, state.wanted, state.in_force) == ("checking", ONE, None)
    state = machine.began(state, NOW)
    assert (state.step, state.wanted, state.in_force) == ("switched", None, ONE)
    state = machine.passed(state, NOW)
    assert (state.step, state.in_force, state.proven) == ("kept", ONE, ONE)


def test_lower_counter_and_equal_counter_of_another_document_are_refused_and_change_nothing() -> None:
    state = accepted(Progress(), 7, ONE)
    with pytest.raises(
        RefusedError, match="its counter is 6, below 7, which this sensor has accepted: it is an old doc"
    ):
        accepted(state, 6, ONE)
    with pytest.raises(RefusedError, match="its counter is 7, with which this sensor has accepted another document"):
        machine.accept(state, document(7, TWO), "other", "cam", NOW)
    assert accepted(state, 7, ONE) is state


def test_trial_that_fails_goes_back_to_what_proved_itself_last() -> None:
    state = kept(Progress(), 1, ONE)
    state = machine.back(machine.began(accepted(state, 2, TWO, 1), NOW), "too slow", NOW)
    assert (state.step, state.reason, state.in_force, state.wanted) == ("went_back", "too slow", ONE, None)


def test_what_failed_is_not_tried_again_in_the_same_roll_out_but_in_the_next() -> None:
    state = machine.failed(accepted(Progress(), 1, ONE), "no", NOW)
    later = accepted(state, 2, ONE)
    assert (later.step, later.counter, later.wanted) == ("failed", 2, None)
    assert accepted(later, 3, ONE, rollout=1).wanted == ONE


def test_next_stage_does_not_begin_the_trial_anew() -> None:
    state = machine.began(accepted(Progress(), 1, ONE), NOW)
    later = accepted(state, 2, ONE)
    assert (later.step, later.trial, later.starts, later.counter) == ("switched", ONE, state.starts, 2)
    assert accepted(machine.passed(state, NOW), 3, ONE).step == "kept"
    assert accepted(machine.passed(state, NOW), 3, ONE, rollout=9).step == "kept"


def test_order_to_go_back_takes_what_proved_itself_without_a_trial() -> None:
    state = machine.began(accepted(kept(Progress(), 1, ONE), 2, TWO, 1), NOW)
    state = accepted(state, 3, ONE, rollout=2)
    assert (state.step, state.in_force, state.wanted, state.trial) == ("kept", ONE, None, None)


@pytest.mark.parametrize("choice", [None, "another device"])
def test_withdrawn_document_brings_the_configuration_back(choice: str | None) -> None:
    state = kept(Progress(), 1, ONE)
    withdrawn = document(2, None, 1) if choice is None else document(2, TWO, 1, devices="other")
    state = machine.accept(state, withdrawn, "2", "cam", NOW)
    assert (state.step, state.in_force, state.assigned) == ("kept", None, False)
    assert state.reason == "the document does not name this sensor: its own configuration holds"


def test_document_during_a_trial_goes_on_whatever_becomes_of_the_trial() -> None:
    trial = machine.began(accepted(Progress(), 1, ONE), NOW)
    for after in (machine.passed, lambda state, now: machine.back(state, "too slow", now)):
        state = after(accepted(trial, 2, TWO, 1), NOW)
        assert (state.step, state.wanted, state.trial) == ("fetching", TWO, None)
    # Back to what is on trial: nothing is fetched, and the trial goes on.
    again = accepted(accepted(trial, 2, TWO, 1), 3, ONE, 2)
    assert (again.step, again.trial, again.wanted) == ("switched", ONE, None)


def test_one_end_during_a_trial_is_forgiven_and_the_second_is_not() -> None:
    state = machine.began(accepted(kept(Progress(), 1, ONE), 2, TWO, 1), NOW)
    state = machine.started(state, NOW)
    assert (state.step, state.in_force) == ("switched", TWO)
    state = machine.started(state, NOW)
    assert (state.step, state.in_force) == ("went_back", ONE)
    assert state.reason == "the program did not end as it should 2 times during the trial"


def test_ends_as_they_should_be_do_not_count() -> None:
    state = machine.began(accepted(Progress(), 1, ONE), NOW)
    for _ in range(20):
        state = machine.started(machine.ended(state), NOW)
    assert state.in_force == ONE


def test_what_proved_itself_is_given_up_after_five_ends_in_a_row_and_not_if_it_ran_well_in_between() -> None:
    state = kept(Progress(), 1, ONE)
    for _ in range(20):
        state = machine.settled(machine.started(state, NOW))
    assert state.in_force == ONE
    for _ in range(PROVEN_STARTS - 1):
        state = machine.started(state, NOW)
    assert state.in_force == ONE
    state = machine.started(state, NOW)
    assert (state.step, state.in_force) == ("went_back", None)
    assert state.reason == "the program did not end as it should 5 times in a row: its own configuration holds"


def test_lost_files_are_fetched_anew_where_the_document_still_wants_them() -> None:
    state = machine.lost(kept(Progress(), 1, ONE), "gone", NOW)
    assert (state.step, state.wanted, state.in_force, state.reason) == ("fetching", ONE, None, "gone")
    trial = machine.lost(machine.began(accepted(kept(Progress(), 1, ONE), 2, TWO, 1), NOW), "gone", NOW)
    assert (trial.step, trial.wanted, trial.in_force) == ("fetching", TWO, ONE)
    failed = machine.failed(accepted(kept(Progress(), 1, ONE), 2, TWO, 1), "no", NOW)
    assert (machine.lost(failed, "gone", NOW).step, machine.lost(failed, "gone", NOW).in_force) == ("went_back", None)


class Life(RuleBasedStateMachine):
    """A sensor with documents, trials, kills and clean ends in any order. What is on disk is all that a kill leaves."""

    def __init__(self) -> None:
        super().__init__()
        self.state = Progress()
        self.highest = 0
        self.proven: list[Choice | None] = [None]
        self.bad_ends = 0

    def put(self, state: Progress) -> None:
        # As the file has it: whatever is kept must come back the same.
        self.state = msgspec.json.decode(msgspec.json.encode(state), type=Progress)
        assert self.state == state

    @rule(step=st.integers(-2, 3), choice=st.sampled_from(CHOICES), rollout=st.integers(0, 3))
    def document(self, step: int, choice: Choice | None, rollout: int) -> None:
        counter = max(1, self.highest + step)
        one = document(counter, choice, rollout)
        sha256 = f"{counter} {choice} {rollout}"
        before = self.state
        try:
            self.put(machine.accept(before, one, sha256, "cam", NOW))
        except RefusedError:
            assert counter <= self.highest
            assert self.state == before
            return
        assert counter > self.highest or sha256 == before.sha256
        if before.trial is not None and self.state.trial is None:
            self.bad_ends = 0
        self.highest = max(self.highest, counter)
        if choice is None:
            assert self.state.in_force is None

    @precondition(lambda self: self.state.wanted is not None)
    @rule(outcome=st.sampled_from(["checking", "waiting", "failed", "began"]))
    def prepare(self, outcome: str) -> None:
        in_force = self.state.in_force
        if outcome == "checking":
            self.put(machine.checking(self.state, NOW))
        elif outcome == "waiting":
            self.put(machine.waiting(self.state, "no network", NOW))
        elif outcome == "failed":
            self.put(machine.failed(self.state, "no", NOW))
        else:
            self.put(machine.began(self.state, NOW))
            self.bad_ends = 0
            return
        assert self.state.in_force == in_force

    @precondition(lambda self: self.state.trial is not None)
    @rule(outcome=st.sampled_from(["passed", "back", "not_switched"]))
    def end_trial(self, outcome: str) -> None:
        trial = self.state.trial
        if outcome == "passed":
            self.put(machine.passed(self.state, NOW))
            self.proven.append(trial)
            assert self.state.in_force == trial
        elif outcome == "back":
            self.put(machine.back(self.state, "too slow", NOW))
        else:
            self.put(machine.not_switched(self.state, "no colour", NOW))
        self.bad_ends = 0
        assert self.state.trial is None

    @rule()
    def kill(self) -> None:
        trial = self.state.trial
        self.bad_ends += 1
        self.put(machine.started(self.state, NOW))
        if trial is not None and self.bad_ends >= TRIAL_STARTS:
            assert self.state.trial is None, "a loop of crashes ends by itself"
        if self.state.trial is None and trial is not None:
            self.bad_ends = 0
        if self.bad_ends >= PROVEN_STARTS:
            assert self.state.in_force is None
            self.bad_ends = 0

    @rule()
    def restart(self) -> None:
        before = self.state
        self.put(machine.started(machine.ended(before), NOW))
        assert self.state.in_force == before.in_force

    @rule()
    def run_well(self) -> None:
        self.put(machine.settled(self.state))
        if self.state.trial is None:
            self.bad_ends = 0

    @invariant()
    def counter_never_falls(self) -> None:
        assert self.state.counter == self.highest

    @invariant()
    def only_what_proved_itself_or_is_on_trial_is_in_force(self) -> None:
        assert self.state.proven in self.proven
        assert self.state.in_force in (self.state.trial, self.state.proven)
        assert self.state.step != "switched" or self.state.trial is not None


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
