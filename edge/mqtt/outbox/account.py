"""Accounts for the events of each boot: how many were decided, and what is known of them. No I/O, no clock.

`seq` proves that no event is missing between two others. What the end of a boot has lost, only the next boot can tell.
"""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from edge.messages.previous_boot import PreviousBoot

MOST_BOOTS: Final = 5
"""Earlier boots that are accounted for. One is enough where the broker is there; a sensor that is killed again and
again while the broker is away has its last ones in `info`."""


@dataclass(frozen=True, slots=True)
class BootAccount:
    """What is known of the events of one boot.

    `decided`: highest `seq`; `exact`: whether there certainly was no higher one. `settled`: up to this `seq` every
    event is acknowledged or dropped. `dropped`: events dropped at a bound or refused by the broker; `ahead`: those of
    them above `settled`. `unaccounted`: events that were neither settled nor on disk when the boot was over; None while
    it runs.
    """

    boot_id: str
    decided: int = 0
    exact: bool = False
    settled: int = 0
    dropped: int = 0
    ahead: int = 0
    unaccounted: int | None = None

    def closed(self, on_disk: Iterable[int]) -> "BootAccount":
        """Return the account once the boot is over. `on_disk`: the `seq` of its events that still wait there."""
        if self.unaccounted is not None:
            return self
        waiting = sum(seq > self.settled for seq in on_disk)
        return replace(self, unaccounted=max(0, self.decided - self.settled - self.ahead - waiting))


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a process leaves behind when it is killed. `saved`: events that wait on disk, of every boot."""

    account: BootAccount
    saved: int


class Ledger:
    """The accounts of the boot that runs and of the boots before. `boot_id` is None until the boot is known."""

    def __init__(self) -> None:
        self.boot_id: str | None = None
        self._decided = 0
        self._dropped = 0
        self._outstanding: dict[int, None] = {}  # in order
        self._ahead: deque[int] = deque()  # dropped while an earlier event was outstanding, in order
        self._closed: dict[str, BootAccount] = {}  # oldest first

    def begin(self, boot_id: str) -> None:
        """Record which boot runs; at the latest its first event does."""
        self.boot_id = boot_id
        self._closed.pop(boot_id, None)

    def added(self, boot_id: str, seq: int) -> None:
        """Record that the boot that runs has decided an event."""
        if boot_id != self.boot_id:
            self.begin(boot_id)
        self._decided = seq
        self._outstanding[seq] = None

    def removed(self, boot_id: str, seq: int, *, dropped: bool) -> None:
        """Record that an event of any boot was acknowledged or dropped."""
        if boot_id != self.boot_id:
            account = self._closed.get(boot_id)
            if account is not None and dropped:
                self._closed[boot_id] = replace(account, dropped=account.dropped + 1)
            return
        self._outstanding.pop(seq, None)
        if dropped:
            self._dropped += 1
            self._ahead.append(seq)
        while self._ahead and self._ahead[0] <= self._settled:
            self._ahead.popleft()

    def current(self, *, exact: bool = False) -> BootAccount | None:
        """Return the account of the boot that runs; None until it is known. `exact`: it decides nothing more."""
        if self.boot_id is None:
            return None
        return BootAccount(self.boot_id, self._decided, exact, self._settled, self._dropped, len(self._ahead))

    def accounts(self, *, exact: bool = False) -> list[BootAccount]:
        """Return what the disk is to hold, oldest first. `exact`: as above."""
        current = self.current(exact=exact)
        return [*self._closed.values(), *([] if current is None else [current])]

    def close_earlier(
        self, stored: Sequence[BootAccount], record: RunRecord | None, on_disk: Iterable[tuple[str, int]]
    ) -> None:
        """Take over the boots before this one.

        `stored`: the accounts on disk, oldest first. `record`: what the last process has left. `on_disk`: boot id and
        `seq` of the events that wait there.
        """
        seqs: dict[str, list[int]] = {}
        for boot_id, seq in on_disk:
            seqs.setdefault(boot_id, []).append(seq)
        accounts = {one.boot_id: one for one in stored}
        # Boots without an account are older than all that have one.
        accounts = {boot_id: BootAccount(boot_id) for boot_id in seqs if boot_id not in accounts} | accounts
        if record is not None and record.account.boot_id not in accounts:
            accounts[record.account.boot_id] = record.account
        accounts.pop(self.boot_id or "", None)
        known = []
        for boot_id, account in accounts.items():
            known.append(_completed(account, record, seqs.get(boot_id, [])))
        # The last boot always has a place, each boot before it only where it has decided something.
        kept = [one for one in known[:-1] if one.decided][-(MOST_BOOTS - 1) :] + known[-1:]
        self._closed = {one.boot_id: one for one in kept}

    def previous_boots(self, waiting: Counter[str]) -> list[PreviousBoot]:
        """Return the boots before this one, newest first. `waiting`: events that wait, by boot id."""
        return [_previous_boot(account, waiting[account.boot_id]) for account in reversed(self._closed.values())]

    @property
    def _settled(self) -> int:
        return next(iter(self._outstanding), self._decided + 1) - 1


def _completed(account: BootAccount, record: RunRecord | None, seqs: Sequence[int]) -> BootAccount:
    """Return the account of a boot that is over, from all that is known of it."""
    if account.unaccounted is not None:
        return account
    if record is not None and record.account.boot_id == account.boot_id:
        account = replace(record.account, exact=True)
    highest = max(seqs, default=0)
    return replace(account, decided=max(account.decided, highest)).closed(seqs)


def _previous_boot(account: BootAccount, waiting: int) -> PreviousBoot:
    unaccounted = account.unaccounted or 0
    return PreviousBoot(
        boot_id=account.boot_id,
        events_decided=account.decided,
        events_decided_exact=account.exact,
        events_delivered=max(0, account.decided - account.dropped - unaccounted - waiting),
        events_waiting=waiting,
        events_dropped=account.dropped,
        events_unaccounted=unaccounted,
    )
