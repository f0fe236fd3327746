"""Judges a soak: compares what arrived with what had been accepted. Pure: no connection, no file, no clock.

Four accounts are compared. What `watch --verify` received; what the broker acknowledged (the proxy reads each PUBACK);
what was on the disk when a process ended (a copy of the outbox); and what the sensor itself says about the boot before
(`previous_boots` in its `info`).
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Key = tuple[str, int]
"""`boot_id` and `seq` of an event."""


@dataclass(slots=True)
class Accounts:
    """What is known about the events of a run.

    `arrived`: in the order of arrival at the subscriber, duplicates included. `acknowledged`: the highest `seq` of each
    boot that the broker accepted. `stored`: the highest `seq` of each boot that was in the outbox on the disk when a
    process ended. `exposed`: boots whose stored events a fault of the disk may have destroyed. `decided`: how many
    events each boot decided, as far as the sensor says it. `killed`: boots that did not end cleanly. `refused`: events
    that the broker refused.
    """

    arrived: Sequence[Key]
    acknowledged: Mapping[str, int] = field(default_factory=dict)
    stored: Mapping[str, int] = field(default_factory=dict)
    exposed: frozenset[str] = frozenset()
    decided: Mapping[str, int] = field(default_factory=dict)
    killed: frozenset[str] = frozenset()
    refused: frozenset[Key] = frozenset()


@dataclass(slots=True)
class Verdict:
    """What a run has shown.

    `breaches`: a sentence for each promise that was broken. `ends`: a sentence for each boot that lost events at its
    end. `events`: those that arrived; `repeated`: how many arrived again.
    """

    breaches: list[str] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    events: int = 0
    repeated: int = 0
    lost_in_middle: int = 0
    lost_at_end: int = 0


def judge(accounts: Accounts) -> Verdict:
    """Compare the accounts of a run.

    A number missing in the middle of a boot, an order that is broken, a boot before an earlier one, and the loss of
    an event that was acknowledged or safely on the disk are breaches. What a SIGKILL takes of the last second, and
    what a destroyed outbox held, is lost at the end of a boot, and counted.
    """
    verdict = Verdict()
    first = _first_arrivals(accounts.arrived)
    verdict.events = sum(map(len, first.values()))
    verdict.repeated = len(accounts.arrived) - verdict.events
    refused = {boot: {seq for name, seq in accounts.refused if name == boot} for boot, _ in accounts.refused}
    boots = dict.fromkeys([*first, *accounts.acknowledged, *accounts.stored, *accounts.decided])
    for boot in boots:
        seqs = first.get(boot, [])
        _judge_order(verdict, boot, seqs, refused.get(boot, set()))
        _judge_end(verdict, accounts, boot, max([*seqs, *refused.get(boot, ())], default=0))
    _judge_boots(verdict, accounts)
    return verdict


def watch_breaches(code: int, findings: Sequence[str]) -> list[str]:
    """Return a sentence where `watch --verify` found more than what the end of a boot may lose.

    It counts a loss at the end as a fault, and exits with 1. Whether the end permitted it, `judge` decides.
    """
    signs = (": gap, ", ", out of order", "comes again without a mark", "this subscriber was disconnected")
    found = [one for one in findings if any(sign in one for sign in signs) and " events" not in one]
    if not found and (code == 0 or any(": lost at the end, " in one for one in findings)):
        return []
    return [f"watch --verify ended with {code}: {' / '.join(found[:5])}"]


def _first_arrivals(arrived: Sequence[Key]) -> dict[str, list[int]]:
    first: dict[str, dict[int, None]] = {}
    for boot, seq in arrived:
        first.setdefault(boot, {}).setdefault(seq, None)
    return {boot: list(seqs) for boot, seqs in first.items()}


def _judge_order(verdict: Verdict, boot: str, seqs: Sequence[int], refused: set[int]) -> None:
    inversions = [(earlier, later) for earlier, later in itertools.pairwise(seqs) if later < earlier]
    if inversions:
        verdict.breaches.append(f"boot {boot}: {inversions[0][1]} arrived after {inversions[0][0]}")
    missing = sorted(set(range(1, max(seqs, default=0))) - set(seqs) - refused)
    verdict.lost_in_middle += len(missing)
    if missing:
        verdict.breaches.append(f"boot {boot}: {len(missing)} missing in the middle: {_short(missing)}")


def _judge_end(verdict: Verdict, accounts: Accounts, boot: str, last: int) -> None:
    acknowledged, stored = accounts.acknowledged.get(boot, 0), accounts.stored.get(boot, 0)
    exposed = boot in accounts.exposed
    if last < acknowledged:
        verdict.breaches.append(f"boot {boot}: acknowledged up to {acknowledged}, arrived up to {last}")
    if last < stored and not exposed:
        verdict.breaches.append(f"boot {boot}: on the disk up to {stored}, arrived up to {last}")
    decided = max(accounts.decided.get(boot, 0), stored, acknowledged)
    if decided <= last:
        return
    count = decided - last
    verdict.lost_at_end += count
    reason = "its outbox on the disk was destroyed" if exposed else "not yet on the disk at SIGKILL"
    if boot in accounts.killed or exposed:
        verdict.ends.append(f"boot {boot}: {count} of {decided} lost at its end ({reason})")
    else:
        verdict.breaches.append(f"boot {boot}: {count} of {decided} lost, although it ended cleanly")


def _judge_boots(verdict: Verdict, accounts: Accounts) -> None:
    """Judge the order of the boots: no event arrives for the first time after one of a later boot.

    A disk that is read-only at a start may give its events only once it can be written to.
    """
    order: dict[str, int] = {}
    seen: set[Key] = set()
    latest = -1
    for key in accounts.arrived:
        place = order.setdefault(key[0], len(order))
        if key not in seen and place < latest and key[0] not in accounts.exposed:
            verdict.breaches.append(f"boot {key[0]}: {key[1]} arrived after an event of a later boot")
            return
        seen.add(key)
        latest = max(latest, place)


def _short(numbers: Sequence[int]) -> str:
    text = ", ".join(map(str, numbers[:5]))
    return text if len(numbers) <= len(numbers[:5]) else f"{text}, ..."
