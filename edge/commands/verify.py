"""Whether every event arrived: gaps, order and duplicates, by device and boot.

Pure: no connection, no clock.
"""

from dataclasses import dataclass, field
from typing import Final

from edge.messages.payloads import EventPayload
from edge.messages.text import printable

_MISSING_MAX: Final = 100_000
"""Missing numbers remembered, to see them come late. A number that jumps further is counted, not listed."""


@dataclass(slots=True)
class _Heard:
    """The numbers heard of one boot of one device."""

    first: int
    last: int
    events: int = 0
    missing: set[int] = field(default_factory=set)
    uncounted: int = 0
    unheard: int = 0
    repeated: int = 0
    unmarked: int = 0
    late: int = 0

    @property
    def gaps(self) -> int:
        """Numbers that have not come."""
        return len(self.missing) + self.uncounted


class Verifier:
    """Takes events in the order of their arrival; each finding is one line.

    An event may come twice under QoS 1, where a connection ended before it was acknowledged, and then
    says so: it is replayed, or the broker marks it as a duplicate. Anything else is a fault: a number
    that is left out, one that comes after a later one, one that comes twice without a mark.
    """

    def __init__(self) -> None:
        self._boots: dict[tuple[str, str], _Heard] = {}
        self._resumed: set[tuple[str, str]] = set()

    @property
    def faultless(self) -> bool:
        """No gap, no event out of order, no duplicate without a mark."""
        return not any(heard.gaps or heard.late or heard.unmarked for heard in self._boots.values())

    def interrupted(self) -> None:
        """We ourselves were away: what is left out next is not the sensor's fault."""
        self._resumed = set(self._boots)

    def event(self, device: str, event: EventPayload, *, duplicate: bool) -> str | None:
        """Take note of an event; `duplicate`: the broker marked it so. Returns a finding, None where all is well."""
        key = device, event.boot_id
        seq = event.seq
        heard = self._boots.get(key)
        if heard is None:
            heard = self._boots[key] = _Heard(first=seq, last=seq - 1)
        resumed = key in self._resumed
        self._resumed.discard(key)
        if seq > heard.last:
            return self._forward(key, heard, seq, resumed=resumed)
        if seq in heard.missing:
            heard.missing.remove(seq)
            heard.events += 1
            heard.late += 1
            return f"{_name(key)}: {seq} comes after {heard.last}, out of order"
        heard.repeated += 1
        if event.replayed or duplicate:
            return None
        heard.unmarked += 1
        return f"{_name(key)}: {seq} comes again without a mark"

    def summary(self) -> list[str]:
        """A line for each boot of each device that was heard."""
        return [f"{_name(key)}: {_sum(heard)}" for key, heard in self._boots.items()] or ["no events came"]

    def _forward(self, key: tuple[str, str], heard: _Heard, seq: int, *, resumed: bool) -> str | None:
        first, left_out = heard.last + 1, seq - heard.last - 1
        heard.last = seq
        heard.events += 1
        if not left_out:
            return None
        numbers = f"{first}" if left_out == 1 else f"{first} to {seq - 1}"
        if resumed:
            heard.unheard += left_out
            return f"{_name(key)}: {numbers} not heard, this watcher was away"
        if heard.gaps + left_out <= _MISSING_MAX:
            heard.missing.update(range(first, seq))
        else:
            heard.uncounted += left_out
        return f"{_name(key)}: gap, {numbers} missing"


def _name(key: tuple[str, str]) -> str:
    return printable(f"{key[0]} boot {key[1]}")


def _sum(heard: _Heard) -> str:
    findings = [
        (heard.gaps, "missing"),
        (heard.late, "out of order"),
        (heard.unmarked, "repeated without a mark"),
        (heard.unheard, "not heard by this watcher"),
        (heard.repeated - heard.unmarked, "repeated, marked"),
    ]
    said = [f"{count} {what}" for count, what in findings if count]
    nothing = [] if heard.gaps else ["none missing"]
    return ", ".join([f"{heard.first} to {heard.last}", f"{heard.events} events", *nothing, *said])
