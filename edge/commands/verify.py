"""Verifies the sequence of received events: finds gaps, events out of order and duplicates, by device and boot.

Pure: no connection, no clock.
"""

from dataclasses import dataclass, field
from typing import Final

from edge.messages.payloads import EventPayload
from edge.messages.text import printable

_MOST_MISSING: Final = 100_000
"""Missing numbers that are remembered, to recognise an event that arrives late. Beyond that they are only counted."""


@dataclass(slots=True)
class _BootRecord:
    """Sequence numbers received from one boot of one device.

    `missing`: numbers that were skipped and have not arrived; `missing_uncounted`: how many more, which are not
    remembered one by one. `unobserved`: numbers skipped while this subscriber was disconnected.
    """

    first: int
    last: int
    events: int = 0
    missing: set[int] = field(default_factory=set)
    missing_uncounted: int = 0
    unobserved: int = 0
    repeated: int = 0
    repeated_unmarked: int = 0
    late: int = 0

    @property
    def missing_count(self) -> int:
        """How many numbers have not arrived."""
        return len(self.missing) + self.missing_uncounted


class SequenceVerifier:
    """Takes events in the order of their arrival and returns a line for each finding.

    With QoS 1 an event may arrive twice where a connection ended before it was acknowledged. It is then marked:
    `replayed` is true, or the broker sets the duplicate flag. Anything else is a fault: a skipped number, a number
    after a later one, a number that arrives twice without a mark.
    """

    def __init__(self) -> None:
        self._boots: dict[tuple[str, str], _BootRecord] = {}
        self._interrupted: set[tuple[str, str]] = set()

    @property
    def faultless(self) -> bool:
        """Whether there was no gap, no event out of order and no duplicate without a mark."""
        return not any(
            record.missing_count or record.late or record.repeated_unmarked for record in self._boots.values()
        )

    def interrupted(self) -> None:
        """Note that this subscriber was disconnected: the next gap of each boot is not the sensor's fault."""
        self._interrupted = set(self._boots)

    def event(self, device: str, event: EventPayload, *, duplicate: bool) -> str | None:
        """Take an event; `duplicate`: the broker marked it so. Returns a finding, None where there is none."""
        key = device, event.boot_id
        seq = event.seq
        record = self._boots.get(key)
        if record is None:
            record = self._boots[key] = _BootRecord(first=seq, last=seq - 1)
        after_interruption = key in self._interrupted
        self._interrupted.discard(key)
        if seq > record.last:
            return self._advance(key, record, seq, after_interruption=after_interruption)
        if seq in record.missing:
            record.missing.remove(seq)
            record.events += 1
            record.late += 1
            return f"{_name(key)}: {seq} comes after {record.last}, out of order"
        record.repeated += 1
        if event.replayed or duplicate:
            return None
        record.repeated_unmarked += 1
        return f"{_name(key)}: {seq} comes again without a mark"

    def summary(self) -> list[str]:
        """Return a line for each boot of each device."""
        return [f"{_name(key)}: {_sum(record)}" for key, record in self._boots.items()] or ["no events received"]

    def _advance(self, key: tuple[str, str], record: _BootRecord, seq: int, *, after_interruption: bool) -> str | None:
        first, skipped = record.last + 1, seq - record.last - 1
        record.last = seq
        record.events += 1
        if not skipped:
            return None
        numbers = f"{first}" if skipped == 1 else f"{first} to {seq - 1}"
        if after_interruption:
            record.unobserved += skipped
            return f"{_name(key)}: {numbers} not received, this subscriber was disconnected"
        if record.missing_count + skipped <= _MOST_MISSING:
            record.missing.update(range(first, seq))
        else:
            record.missing_uncounted += skipped
        return f"{_name(key)}: gap, {numbers} missing"


def _name(key: tuple[str, str]) -> str:
    return printable(f"{key[0]} boot {key[1]}")


def _sum(record: _BootRecord) -> str:
    findings = [
        (record.missing_count, "missing"),
        (record.late, "out of order"),
        (record.repeated_unmarked, "repeated without a mark"),
        (record.unobserved, "not received while disconnected"),
        (record.repeated - record.repeated_unmarked, "repeated, marked"),
    ]
    counts = [f"{count} {what}" for count, what in findings if count]
    complete = [] if record.missing_count else ["none missing"]
    return ", ".join([f"{record.first} to {record.last}", f"{record.events} events", *complete, *counts])
