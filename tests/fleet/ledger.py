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
    """The verdict on what a subscriber with a persistent session received.

    `missing`: events that were decided and never arrived. `out_of_order`: events that arrived first after one of the
    same boot with a higher `seq`; `unmarked_disorder`: the part of them without any mark. `unmarked`: repeats without
    a mark. `repeats`: all repeats. `replayed`: different events that arrived so marked.
    """

    decided: int
    missing: list[tuple[str, int]]
    out_of_order: list[tuple[str, int]]
    unmarked_disorder: list[tuple[str, int]]
    unmarked: list[tuple[str, int]]
    repeats: int
    replayed: int

    def problem(self, *, keeps_order: bool) -> str | None:
        """Return what is wrong, in one sentence; None where nothing is.

        `keeps_order`: whether the broker delivers in order what was not acknowledged. Without that, what comes out of
        order must have a mark.
        """
        unmarked = f"; {len(self.unmarked_disorder)} of these without a mark"
        wrong = (
            ("missing", self.missing, ""),
            ("out of order", self.out_of_order if keeps_order else self.unmarked_disorder, unmarked),
            ("repeated without a mark", self.unmarked, ""),
        )
        found = [f"{len(keys)} {what} (first {keys[:3]}){more}" for what, keys, more in wrong if keys]
        return f"of {self.decided} events: {'; '.join(found)}" if found else None

    def __str__(self) -> str:
        """Return the figures of a run without a problem."""
        late = f", {len(self.out_of_order):,} out of order and marked" if self.out_of_order else ""
        return f"{self.decided:,} events, {self.replayed:,} replayed, {self.repeats:,} repeats, all marked{late}"


def settle(arrivals: Iterable[Arrival], decided: Mapping[str, int]) -> Account:
    """Return the account of `arrivals`, in their order. `decided`: the highest `seq` of each boot."""
    seen: dict[str, set[int]] = {boot: set() for boot in decided}
    highest = dict.fromkeys(decided, 0)
    out_of_order, unmarked_disorder, unmarked = [], [], []
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
            if not (one.replayed or one.dup):
                unmarked_disorder.append(key)
        highest[one.boot_id] = max(highest[one.boot_id], one.seq)
    missing = [(boot, seq) for boot, last in decided.items() for seq in range(1, last + 1) if seq not in seen[boot]]
    return Account(sum(decided.values()), missing, out_of_order, unmarked_disorder, unmarked, repeats, replayed)
