"""Decides what is wrong with a device, and how bad it is. Pure: the time comes in as an argument."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, get_args

from edge.commands.fleet.devices import Device, unix_of
from edge.commands.fleet.readings import HealthReading, InfoReading
from edge.messages.text import count, format_age
from edge.messages.topics import OFFLINE, ONLINE, STOPPED

ProblemKind = Literal[
    "offline",
    "silent",
    "source",
    "events_lost",
    "desired",
    "budget",
    "throttled",
    "settings",
    "outbox",
    "refused",
    "unreadable",
    "no_status",
    "no_health",
    "clock",
]
"""What can be the matter with a device, the worst first: first what sees nothing, then what loses events, then what
does worse than it should. The last ones are notes."""

KINDS: Final[tuple[ProblemKind, ...]] = get_args(ProblemKind)
NOTES: Final[frozenset[ProblemKind]] = frozenset({"no_status", "no_health", "clock"})
"""What is said and is not wrong: a device of an earlier version, or one whose messages the broker did not keep."""

SILENT_INTERVALS: Final = 3
"""Intervals without health after which a device that the broker calls online counts as silent: one message may be lost
(QoS 0), and the next may be late."""
_UNKNOWN_INTERVAL_SECONDS: Final = 3600.0
"""The longest interval that the configuration allows (health.interval_seconds), for devices of versions that do not
say theirs: a false alarm each night is worse than a late one."""
_CLOCK_SECONDS: Final = 60.0
"""Difference between a device's clock and this one from which it is said. Below, networks and rounding explain it."""
_SOURCE_TROUBLE: Final = frozenset({"lost", "stalled"})
_DESIRED_TROUBLE: Final = frozenset({"failed", "went_back", "refused"})


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing about a device. `text`: for people, with whatever the device says in it."""

    kind: ProblemKind
    text: str

    @property
    def wrong(self) -> bool:
        """Whether somebody should act on it; false for a note."""
        return self.kind not in NOTES

    @property
    def rank(self) -> int:
        """Place in the order of trouble; 0 is the worst."""
        return KINDS.index(self.kind)


def judge(device: Device, now_unix: float) -> list[Problem]:
    """Return what is the matter with a device, the worst first; nothing for one that was stopped cleanly."""
    if device.status == STOPPED:
        return []
    if device.status == OFFLINE:
        heard = device.heard_unix if device.status_live is None else device.status_live
        # Whatever else its last health says is not true any more.
        return [Problem("offline", "offline" if heard is None else f"offline, last heard {_ago(heard, now_unix)}")]
    found = [*_of_messages(device, now_unix), *_of_info(device.info)]
    if device.health is not None:
        found += _of_health(device.health)
    return sorted(found, key=lambda problem: problem.rank)


def _of_messages(device: Device, now_unix: float) -> Iterator[Problem]:
    """Yield what follows from which messages there are, and when they came."""
    for kind, reason in device.unreadable.items():
        yield Problem("unreadable", f"{kind} cannot be read: {reason}")
    if device.status is None and "status" not in device.unreadable:
        yield Problem("no_status", "no status")
    health = device.health
    if health is None:
        if "health" not in device.unreadable:
            yield Problem("no_health", "no health")
        return
    stamped = unix_of(health.time)
    if device.health_live is not None:
        if stamped is not None and abs(device.health_live - stamped) > _CLOCK_SECONDS:
            direction = "behind" if stamped < device.health_live else "ahead"
            yield Problem("clock", f"its clock is {format_age(abs(device.health_live - stamped))} {direction}")
        stamped = device.health_live
    elif stamped is not None and stamped - now_unix > _CLOCK_SECONDS:
        yield Problem("clock", f"its clock is {format_age(stamped - now_unix)} ahead")
    if stamped is not None and now_unix - stamped > silent_seconds(device.info):
        yield Problem("silent", f"no health for {format_age(now_unix - stamped)}, although {ONLINE}")


def silent_seconds(info: InfoReading | None) -> float:
    """Return the seconds without health after which a device counts as silent."""
    interval = None if info is None else info.health_interval_seconds
    return SILENT_INTERVALS * (_UNKNOWN_INTERVAL_SECONDS if interval is None else max(interval, 1.0))


def _of_info(info: InfoReading | None) -> Iterator[Problem]:
    if info is None:
        return
    desired = info.desired
    if desired is not None and desired.step in _DESIRED_TROUBLE:
        name = "" if desired.document is None else f" {desired.document}"
        why = f": {desired.reason}" if desired.reason else ""
        yield Problem("desired", f"desired state{name} {desired.step.replace('_', ' ')}{why}")
    if info.settings_ignored:
        others = len(info.settings_ignored) - 1
        more = f" (and {others} more)" if others else ""
        yield Problem("settings", f"setting ignored: {info.settings_ignored[0]}{more}")


def _of_health(health: HealthReading) -> Iterator[Problem]:
    if health.source in _SOURCE_TROUBLE or (health.source == "opening" and health.source_error):
        why = f": {health.source_error}" if health.source_error else ""
        yield Problem("source", f"source {health.source}{why}")
    if health.outbox_dropped:
        yield Problem("events_lost", f"{count(health.outbox_dropped, 'event')} lost")
    if health.within_budget is False:
        yield Problem("budget", _over_budget(health))
    if health.throttled:
        yield Problem("throttled", "throttled by the firmware")
    if health.outbox_problem:
        yield Problem("outbox", f"events that wait are in memory only: {health.outbox_problem}")
    if health.messages_refused:
        yield Problem("refused", f"{count(health.messages_refused, 'message')} not taken by the broker")


def _over_budget(health: HealthReading) -> str:
    p99 = None if health.latency_ms is None else health.latency_ms.p99
    if p99 is None or health.budget_latency_ms is None:
        return "over the budget"
    last = "" if health.budget is None or health.budget.reachable_ms is None else ", at the last level too"
    return f"p99 of {p99:.0f} ms over the budget of {health.budget_latency_ms:.0f} ms{last}"


def _ago(unix: float, now_unix: float) -> str:
    return f"{format_age(max(0.0, now_unix - unix))} ago"
