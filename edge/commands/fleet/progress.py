"""Judges from what devices say in `info` how a stage of a roll-out goes. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from edge.desired.selection import assignment_of, is_in_share
from edge.messages.desired import Plan
from edge.messages.desired_info import DesiredInfo
from edge.messages.topics import ONLINE

Outcome = Literal["kept", "failed", "under way"]

_FAILED_STEPS: Final = ("failed", "went_back")


@dataclass(slots=True)
class Device:
    """What a device has last said. `desired`: None where it follows no documents. `described`: `info` has come."""

    status: str = ""
    desired: DesiredInfo | None = None
    described: bool = False

    @property
    def follows(self) -> bool:
        """Whether it is there and follows documents."""
        return self.status == ONLINE and self.desired is not None


@dataclass(frozen=True, slots=True)
class Published:
    """A stage as it was published. `payload_sha256`: by which a device names what it has refused.

    `previous`: the plan that was in force before; None for none.
    """

    plan: Plan
    counter: int
    payload_sha256: str
    previous: Plan | None = None

    def concerns(self, device: str) -> bool:
        """Return whether this stage may change what a device runs."""
        if not is_in_share(device, self.plan.name, self.plan.percent):
            return False
        plans = [self.plan] if self.previous is None else [self.plan, self.previous]
        return any(assignment_of(plan, device) is not None for plan in plans)


def outcome_of(device: Device, published: Published) -> tuple[Outcome, str]:
    """Return how far a device has come with what was published, and a word or sentence about it."""
    info = device.desired
    if info is None:
        return "under way", "silent"
    if info.refused_sha256 == published.payload_sha256 and info.counter < published.counter:
        return "failed", f"refused it: {info.refused_reason}"
    if info.counter < published.counter:
        return "under way", "not taken yet" if device.status == ONLINE else "away"
    if info.counter > published.counter:
        return "failed", f"follows the document {info.document!r} with the counter {info.counter} of somebody else"
    if info.step in _FAILED_STEPS:
        return "failed", f"{info.step.replace('_', ' ')}: {info.reason}"
    if info.step == "kept":
        return "kept", "kept"
    if device.status != ONLINE:
        return "under way", f"away: {info.step}"
    return "under way", info.step + (f": {info.reason}" if info.reason else "")


@dataclass(slots=True)
class Stage:
    """How a stage goes. `devices`: those that it is about, once they were seen to follow."""

    published: Published
    devices: set[str] = field(default_factory=set)

    def look(self, known: Mapping[str, Device]) -> None:
        """Take the devices that are there and that the stage concerns; whoever was once taken stays."""
        self.devices |= {name for name, one in known.items() if one.follows and self.published.concerns(name)}

    def outcomes(self, known: Mapping[str, Device]) -> Iterator[tuple[str, Outcome, str]]:
        """Yield each device with its outcome and what is to be said of it."""
        for name in sorted(self.devices):
            yield name, *outcome_of(known[name], self.published)

    def count(self, known: Mapping[str, Device], outcome: Outcome) -> int:
        """Return how many devices have this outcome."""
        return sum(one == outcome for _, one, _ in self.outcomes(known))

    def has_failed(self, known: Mapping[str, Device], stop_at: float, *, late: bool) -> bool:
        """Return whether more than a share of its devices have failed. `late`: who is under way has failed too."""
        failed = self.count(known, "failed") + late * self.count(known, "under way")
        return failed > stop_at * len(self.devices)

    def is_done(self, known: Mapping[str, Device]) -> bool:
        """Return whether no device is under way."""
        return self.count(known, "under way") == 0

    def summary(self, known: Mapping[str, Device]) -> str:
        """Return the figures as part of a line."""
        by_word: dict[str, int] = {}
        for _, outcome, what in self.outcomes(known):
            word = outcome if outcome != "under way" else what.partition(":")[0]
            by_word[word] = by_word.get(word, 0) + 1
        figures = ", ".join(f"{count} {word}" for word, count in by_word.items())
        devices = "1 device" if len(self.devices) == 1 else f"{len(self.devices)} devices"
        return f"{devices}: {figures}" if figures else "no device that is there"
