"""Chooses what one device should run out of a document. Pure, so that operator and device come to the same result."""

import fnmatch
import hashlib
from typing import Any

import msgspec
from msgspec import Struct

from edge.messages.desired import Assignment, DesiredModel, Plan


class Choice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one device should run: settings over its configuration, and a model in place of the configured one."""

    settings: dict[str, Any] = {}
    model: DesiredModel | None = None

    @property
    def files(self) -> str | None:
        """Stem of the names under which model and manifest are kept; None without a model."""
        if self.model is None:
            return None
        return hashlib.sha256(f"{self.model.sha256} {self.model.manifest.sha256}".encode()).hexdigest()[:24]


def share_of(device: str, name: str) -> float:
    """Return the place of a device in a document of that name, from 0 to less than 100, evenly spread over devices.

    A device belongs to a percentage where its place is below it, so that 10 % are contained in 25 %.
    """
    drawn = int.from_bytes(hashlib.sha256(f"{name}\n{device}".encode()).digest()[:7])
    return 100 * drawn / 2**56


def is_in_share(device: str, name: str, percent: float) -> bool:
    """Return whether a device belongs to a percentage of those that a document of that name is for."""
    return share_of(device, name) < percent


def assignment_of(plan: Plan, device: str) -> Assignment | None:
    """Return what a plan wants a device to run; None where no assignment of it names the device."""
    while not is_in_share(device, plan.name, plan.percent):
        if plan.before is None:
            return None
        plan = plan.before
    for one in plan.assignments:
        if any(fnmatch.fnmatchcase(device, glob) for glob in one.devices) and is_in_share(
            device, plan.name, one.percent
        ):
            return one
    return None


def choice_of(plan: Plan, device: str) -> Choice | None:
    """Return what a device should run; None for its own configuration."""
    assignment = assignment_of(plan, device)
    if assignment is None or (not assignment.settings and assignment.model is None):
        return None
    return Choice(settings=assignment.settings, model=assignment.model)


def same_choice(one: Choice | None, other: Choice | None) -> bool:
    """Return whether two choices are the same, wherever the files of their models are fetched from."""
    return _comparable(one) == _comparable(other)


def _comparable(choice: Choice | None) -> bytes | None:
    if choice is None:
        return None
    return msgspec.json.encode([sorted(choice.settings.items()), choice.files], order="sorted")
