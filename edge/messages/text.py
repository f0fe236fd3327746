"""Formats events, states and health as readable lines, and removes control characters from received text."""

import datetime
from collections.abc import Sequence

from edge.messages.payloads import BudgetPayload, EventPayload, HealthPayload, StateFace, StatePayload
from edge.types import UNKNOWN


def printable(text: str) -> str:
    """Replace control characters: topics and labels come from any client that may publish."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def clock(timestamp: str) -> str:
    """Return the local time of day of an RFC 3339 time stamp, as in 14:05:09; --:--:-- for an impossible one."""
    try:
        return datetime.datetime.fromisoformat(timestamp).astimezone().strftime("%H:%M:%S")
    except (ValueError, OverflowError, OSError):
        # The pattern of the schema accepts an hour of 99.
        return "--:--:--"


def count(number: int, noun: str) -> str:
    """Return a number with its noun, as in "1 frame" and "2 frames"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def format_age(seconds: float) -> str:
    """Return an age in the unit that suits it: 40 s, 12 min, 7 h, 3 days."""
    for unit, unit_seconds, most in (("s", 1, 100), ("min", 60, 100), ("h", 3600, 48)):
        if seconds < most * unit_seconds:
            return f"{seconds / unit_seconds:.0f} {unit}"
    return f"{seconds / 86400:.0f} days"


def mark_retained(timestamp: str | None, now_unix: float) -> str:
    """Return the mark of a message that the broker had kept: ` (retained, from 3 min ago)`.

    `timestamp`: when it was published, RFC 3339; None where it does not say so. Without the age where that cannot be.
    """
    try:
        age = now_unix - datetime.datetime.fromisoformat(timestamp or "").timestamp()
    except (ValueError, OverflowError, OSError):
        return " (retained)"
    return f" (retained, from {format_age(age)} ago)" if age >= 0 else " (retained)"


def describe(event: EventPayload, in_view_seconds: float | None = None) -> str:
    """Return one line about an event. `in_view_seconds`: time for which a face that left was in view, if known."""
    face, place = f"face {event.face.track}", _place(event.face.zones)
    if event.type == "face_left":
        lasted = "" if in_view_seconds is None else f" after {in_view_seconds:.1f} s"
        return printable(f"{face} left{lasted}, last{place} {_emotion(event)}") + _delay(event)
    if event.type == "face_appeared":
        line = f"{face} appeared{place}: {_emotion(event)}"
    else:
        line = f"{face}{place}: {event.previous or UNKNOWN} → {_emotion(event)}"
    return printable(line) + _delay(event)


def _place(zones: Sequence[str]) -> str:
    """Return in which zones a face is, as in " in door and desk"; nothing without one."""
    return f" in {' and '.join(zones)}" if zones else ""


def _emotion(face: EventPayload | StateFace) -> str:
    """Return label, group and confidence of a face, and the label that leads instead where there is one."""
    label = face.emotion if face.group is None else f"{face.emotion} [{face.group}]"
    if face.emotion == UNKNOWN:
        return f"{label} ({_best_guess(face)})"
    held = f"{face.confidence * 100:.0f} %"
    if face.leader in {None, face.emotion} or face.leader_confidence is None:
        return f"{label} ({held})"
    leads = "led" if isinstance(face, EventPayload) and face.type == "face_left" else "leads"
    return f"{label} ({held}; {face.leader} {leads} with {face.leader_confidence * 100:.0f} %)"


def _best_guess(face: EventPayload | StateFace) -> str:
    if face.leader is not None and face.leader_confidence is not None:
        return f"best guess {face.leader} {face.leader_confidence * 100:.0f} %"
    if len(set(face.probabilities.values())) == 1:
        return "not read yet"
    return f"best guess {face.confidence * 100:.0f} %"  # of an earlier version, which does not name it


def _delay(event: EventPayload) -> str:
    if event.replayed:
        return f", sent {event.latency_ms / 1000:.1f} s late"
    return f", {event.latency_ms:.0f} ms"


def describe_state(state: StatePayload) -> str:
    """Return one line about the faces in view."""
    if state.paused:
        return "paused: no frames are captured"
    if not state.faces:
        return "no face in view"
    faces = ", ".join(f"face {face.track}{_place(face.zones)} {_emotion(face)}" for face in state.faces)
    return printable(f"in view: {faces}")


def describe_health(health: HealthPayload) -> str:
    """Return one line about a sensor's health, without the figures that change all the time."""
    if health.paused:
        return "health: paused, no frames are captured"
    source = f"source {health.source}" + (f" ({health.source_error})" if health.source_error else "")
    budget = f"the budget of {health.budget_latency_ms:.0f} ms"
    no_frames = "no new frames" if health.frames else "no frames yet"
    latency = {True: f"latency within {budget}", False: f"latency over {budget}", None: no_frames}
    throttled = ", throttled by the firmware" if health.throttled else ""
    level = f", at level {health.budget.level}{_level_reason(health.budget)}" if health.budget.level_index else ""
    lost = f", {health.outbox_dropped} events lost" if health.outbox_dropped else ""
    memory = ", events that wait are in memory only" if health.outbox_problem else ""
    return printable(f"health: {source}, {latency[health.within_budget]}{level}{throttled}{lost}{memory}")


def _level_reason(budget: BudgetPayload) -> str:
    if budget.reachable_ms is not None:
        # Without the figure, which changes all the time. The log and the payload have it.
        return " (the last one, and even that takes too long)"
    return f" ({budget.steps[-1].detail})" if budget.steps else ""
