"""Decides how far a sensor has come with the fleet's document. Pure: each step takes a state and returns the next one.

    document accepted -> fetching -> checking -> switched (on trial) -> kept
                             |          |           |
                             +----------+--> failed +--> went_back

What is in force is the choice on trial, else the last one that proved itself (`proven`), else the configuration. The
caller puts each state on the disk before it acts on it, so that a kill at any moment leaves one that can go on.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from edge.desired.errors import RefusedError
from edge.desired.selection import Choice, assignment_of, choice_of, same_choice
from edge.messages.desired import DesiredDocument
from edge.messages.desired_info import Step

TRIAL_STARTS: Final = 2
"""Starts of the program that a trial survives, the one that began it included: a power cut is forgiven, a loop not."""
PROVEN_STARTS: Final = 5
"""Starts that did not end well, in a row, after which a choice that had proved itself is given up too: the interpreter
may have been replaced beneath it. Without that the sensor would start for ever and never work."""


class Progress(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a sensor stands. Content of its state file.

    `counter`, `sha256`: of the signed content that was accepted last. `target`: what it wants of this sensor.
    `proven`: the choice that proved itself last, None for the configuration. `trial`: the choice that runs on trial.
    `starts`: starts of the program with what is in force that have not ended well, the running one included.
    """

    schema: Literal[1] = 1
    counter: Annotated[int, Meta(ge=0)] = 0
    sha256: str = ""
    document: str | None = None
    rollout: str = ""
    assigned: bool = False
    target: Choice | None = None
    proven: Choice | None = None
    trial: Choice | None = None
    step: Step = "none"
    reason: str | None = None
    since: str | None = None
    starts: Annotated[int, Meta(ge=0)] = 0

    @property
    def in_force(self) -> Choice | None:
        """What runs, or runs after the next start; None for the configuration."""
        return self.proven if self.trial is None else self.trial

    @property
    def wanted(self) -> Choice | None:
        """What is still to be fetched and checked; None where there is nothing to do."""
        return self.target if self.step in {"fetching", "checking"} else None


def accept(state: Progress, document: DesiredDocument, sha256: str, device: str, now: str) -> Progress:
    """Accept a document whose signature is good. Raises RefusedError for an old one. `now`: RFC 3339, UTC.

    `sha256`: of its signed bytes.
    """
    if document.counter < state.counter:
        raise RefusedError(
            f"its counter is {document.counter}, below {state.counter}, which this sensor has accepted: it is an old "
            "document"
        )
    if document.counter == state.counter:
        if sha256 == state.sha256:
            return state
        raise RefusedError(f"its counter is {document.counter}, with which this sensor has accepted another document")
    assigned = assignment_of(document.plan, device) is not None
    target = choice_of(document.plan, device)
    accepted = replace(
        state,
        counter=document.counter,
        sha256=sha256,
        document=document.plan.name,
        rollout=document.rollout,
        assigned=assigned,
        target=target,
    )
    if document.rollout == state.rollout and same_choice(target, state.target):
        return accepted  # another stage of the same roll-out: what has failed in it is not tried again
    if state.trial is not None and same_choice(target, state.trial):
        return accepted if state.step == "switched" else _at(accepted, "switched", None, now)
    if target is None or same_choice(target, state.proven):
        nobody = None if assigned else "the document does not name this sensor: its own configuration holds"
        proven = None if target is None else state.proven
        changed = state.trial is not None or target is None
        starts = 1 if changed else state.starts
        return _at(replace(accepted, proven=proven, trial=None, starts=starts), "kept", nobody, now)
    return _at(accepted, "fetching", None, now)


def checking(state: Progress, now: str) -> Progress:
    """The files are there."""
    return _at(state, "checking", None, now)


def waiting(state: Progress, reason: str, now: str) -> Progress:
    """The files could not be fetched for now, and will be tried again."""
    return state if state.reason == reason else _at(state, "fetching", reason, now)


def failed(state: Progress, reason: str, now: str) -> Progress:
    """What is wanted cannot be used; what is in force stays."""
    return _at(state, "failed", reason, now)


def began(state: Progress, now: str) -> Progress:
    """The trial begins: what is wanted is in force from now on."""
    return _at(replace(state, trial=state.target, starts=1), "switched", None, now)


def not_switched(state: Progress, reason: str, now: str) -> Progress:
    """The running program could not switch: nothing of it has changed."""
    return _at(replace(state, trial=None, starts=1), "failed", reason, now)


def passed(state: Progress, now: str) -> Progress:
    """The trial is over and the budget was kept. A document that came during the trial has a step of its own."""
    state = replace(state, proven=state.trial, trial=None, starts=1)
    return _at(state, "kept", None, now) if state.step == "switched" else state


def back(state: Progress, reason: str, now: str) -> Progress:
    """What is on trial is given up; what proved itself before is in force from now on."""
    state = replace(state, trial=None, starts=1)
    # A document that came during the trial is not at fault: it goes on.
    return _at(state, "went_back", reason, now) if state.step == "switched" else state


def started(state: Progress, now: str) -> Progress:
    """The program starts. Where it has not ended well too often with what is in force, that is given up."""
    if state.in_force is None:
        return replace(state, starts=1)
    if state.trial is not None and state.starts >= TRIAL_STARTS:
        reason = f"the program did not end as it should {state.starts} times during the trial"
        return back(state, reason, now)
    if state.trial is None and state.starts >= PROVEN_STARTS:
        reason = f"the program did not end as it should {state.starts} times in a row: its own configuration holds"
        return _at(replace(state, proven=None, starts=1), "went_back", reason, now)
    return replace(state, starts=state.starts + 1)


def settled(state: Progress) -> Progress:
    """The program has run well for a while: what was before is forgotten, but not during a trial."""
    return state if state.trial is not None else replace(state, starts=1)


def ended(state: Progress) -> Progress:
    """The program ends as it should, or for a reason that has nothing to do with what is in force."""
    return replace(state, starts=max(0, state.starts - 1))


def lost(state: Progress, reason: str, now: str) -> Progress:
    """The files of what is in force are gone or damaged: it is fetched anew where the document still wants it."""
    gone = state.in_force
    state = replace(state, trial=None) if state.trial is not None else replace(state, proven=None)
    state = replace(state, starts=1)
    if state.wanted is not None:
        return state
    return _at(state, "fetching" if same_choice(gone, state.target) else "went_back", reason, now)


def _at(state: Progress, step: Step, reason: str | None, now: str) -> Progress:
    return replace(state, step=step, reason=reason, since=now)
