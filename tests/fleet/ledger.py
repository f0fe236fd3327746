"""Compares what subscribers received with what sensors decided. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event that arrived. `replayed`: as the sensor marked it; `dup`: the flag of MQTT."""

    boot_id: str
    seq: int
    replayed: bool
    dup: bool


@dataclass(frozen=True, slots=True)
class Account:
    """The verdict. `missing`: events that were decided and never arrived. `out_of_order`: events that arrived first
    after one of the same boot with a higher `seq`. `disordered_live`: the part of them that is not marked as replayed.
    `unmarked`: repeats without a mark. `repeats`: all repeats. `replayed`: different events that arrived so marked.
    """

    decided: int
    missing: list[tuple[str, int]]
    out_of_order: list[tuple[str, int]]
    disordered_live: list[tuple[str, int]]
    unmarked: list[tuple[str, int]]
    repeats: int
    replayed: int

    @property
    def problem(self) -> str | None:
        """What is wrong, in one sentence; None where nothing is."""
        wrong = {
            "missing": self.missing,
            "out of order": self.out_of_order,
            "repeated without a mark": self.unmarked,
        }
        found = [f"{len(keys)} {what} (first {keys[:3]})" for what, keys in wrong.items() if keys]
        return f"of {self.decided} events: {'; '.join(found)}" if found else None

    def __str__(self) -> str:
        """Return the figures of a run without a problem."""
        return f"{self.decided:,} events, {self.replayed:,} replayed, {self.repeats:,} repeats, all marked"


def settle(arrivals: Iterable[Arrival], decided: Mapping[str, int]) -> Account:
    """Return the account of `arrivals`, in their order. `decided`: the highest `seq` of each boot."""
    seen: dict[str, set[int]] = {boot: set() for boot in decided}
    highest = dict.fromkeys(decided, 0)
    out_of_order, disordered_live, unmarked = [], [], []
    repeats = replayed = 0
    for one in arrivals:
        if one.boot_id not in seen:
            continue
        key = (one.boot_id, one.seq)
        if one.seq in seen[one.boot_id]:
            repeats += 1
            if not (one.replayed or one.dup):
                unmarked.append(key)
            continue
        seen[one.boot_id].add(one.seq)
        replayed += one.replayed
        if one.seq < highest[one.boot_id]:
            out_of_order.append(key)
            if not one.replayed:
                disordered_live.append(key)
        highest[one.boot_id] = max(highest[one.boot_id], one.seq)
    missing = [(boot, seq) for boot, last in decided.items() for seq in range(1, last + 1) if seq not in seen[boot]]
    return Account(sum(decided.values()), missing, out_of_order, disordered_live, unmarked, repeats, replayed)
