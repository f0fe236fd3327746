"""Verifies the sequence of received events: finds gaps, events out of order and duplicates, by device and boot.

Pure: no connection, no clock.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from edge.messages.payloads import EventPayload, InfoPayload
from edge.messages.previous_boot import PreviousBoot
from edge.messages.text import printable

_MOST_MISSING: Final = 100_000
"""Missing numbers that are remembered, to recognise an event that arrives late. Beyond that they are only counted."""


@dataclass(slots=True)
class _BootRecord:
    """Sequence numbers received from one boot of one device.

    `missing`: numbers that were skipped and have not arrived; `missing_uncounted`: how many more, which are not
    remembered one by one. `unobserved`: numbers skipped while this subscriber was disconnected. `waiting`: numbers at
    the end of the boot that wait in the sensor.
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
    waiting: int = 0

    @property
    def missing_count(self) -> int:
        """How many numbers have not arrived."""
        return len(self.missing) + self.missing_uncounted

    @property
    def noteworthy(self) -> bool:
        """Whether there was an event, or should have been."""
        return bool(self.events or self.repeated or self.unobserved or self.waiting or self.missing_count)


class SequenceVerifier:
    """Takes events in the order of their arrival and returns a line for each finding.

    With QoS 1 an event may arrive twice where a connection ended before it was acknowledged. It is then marked:
    `replayed` is true, or the broker sets the duplicate flag. Anything else is a fault: a skipped number, a number
    after a later one, a number that arrives twice without a mark. What a boot has lost at its end, the `info` of a
    later boot shows.
    """

    def __init__(self) -> None:
        self._boots: dict[tuple[str, str], _BootRecord] = {}
        self._interrupted: set[tuple[str, str]] = set()
        self._ended: dict[tuple[str, str], PreviousBoot] = {}  # boots whose end is not verified yet
        self._noted: set[tuple[str, str]] = set()
        self._running: dict[str, str] = {}  # by device: the boot that runs
        self._watched: set[str] = set()  # devices of which nothing was missed since that boot is known

    @property
    def faultless(self) -> bool:
        """Whether there was no gap, no event out of order and no duplicate without a mark."""
        return not any(
            record.missing_count or record.late or record.repeated_unmarked for record in self._boots.values()
        )

    def interrupted(self) -> None:
        """Note that this subscriber was disconnected: the next gap of each boot is not the sensor's fault."""
        self._interrupted = set(self._boots)
        self._watched.clear()

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

    def info(self, device: str, info: InfoPayload) -> list[str]:
        """Take the description of a sensor; returns a finding for each boot before it whose end has not arrived."""
        boots = [boot.boot_id for boot in reversed(info.previous_boots)] + [info.boot_id]
        running = self._running.get(device)
        if device in self._watched and running != info.boot_id:
            # These began while this subscriber was there: every event of theirs must arrive.
            since = boots.index(running) + 1 if running in boots else len(boots) - 1
            for boot_id in boots[since:]:
                self._boots.setdefault((device, boot_id), _BootRecord(first=1, last=0))
        self._running[device] = info.boot_id
        self._watched.add(device)
        for boot in info.previous_boots:
            self._ended[device, boot.boot_id] = boot
        # What waits is sent before the first event of the boot that runs.
        return self._verify_ends(device, lambda boot: boot.events_waiting == 0)

    def before_event(self, device: str, boot_id: str) -> list[str]:
        """Return the findings about the boots before, where `boot_id`, of which an event has arrived, is the latest."""
        if self._running.get(device) != boot_id:  # an event that waited
            return []
        return self._verify_ends(device, lambda _: True)

    def summary(self) -> list[str]:
        """Return a line for each boot of each device."""
        for (device, boot_id), boot in self._ended.items():
            record = self._boots.get((device, boot_id))
            if record is not None and boot.events_decided > record.last:
                absent = boot.events_decided - record.last
                record.waiting = min(absent, boot.events_waiting)
                if (device, boot_id) in self._interrupted:
                    record.unobserved += absent - record.waiting
                else:
                    record.missing_uncounted += absent - record.waiting
        self._ended.clear()
        lines = [f"{_name(key)}: {_sum(record)}" for key, record in self._boots.items() if record.noteworthy]
        return lines or ["no events received"]

    def _verify_ends(self, device: str, is_over: Callable[[PreviousBoot], bool]) -> list[str]:
        findings = []
        for key, boot in list(self._ended.items()):
            if key[0] == device and is_over(boot):
                del self._ended[key]
                findings += self._verify_end(key, boot)
        return findings

    def _verify_end(self, key: tuple[str, str], boot: PreviousBoot) -> list[str]:
        record = self._boots.get(key)
        least = "" if boot.events_decided_exact else " at least"
        if record is None:
            # This subscriber came later, so it cannot know what has arrived.
            if not boot.events_unaccounted or key in self._noted:
                return []
            self._noted.add(key)
            return [
                f"{_name(key)}: ended before this subscriber came; the sensor cannot account for "
                f"{boot.events_unaccounted} of{least} {boot.events_decided} events"
            ]
        first, absent = record.last + 1, boot.events_decided - record.last
        if absent <= 0:
            return []
        record.last = boot.events_decided
        numbers = f"{first}" if absent == 1 else f"{first} to {boot.events_decided}"
        if key in self._interrupted:
            record.unobserved += absent
            return [f"{_name(key)}: {numbers} at the end not received, this subscriber was disconnected"]
        self._miss(record, first, absent)
        return [f"{_name(key)}: lost at the end, {numbers} of{least} {boot.events_decided} missing"]

    def _miss(self, record: _BootRecord, first: int, count: int) -> None:
        if record.missing_count + count <= _MOST_MISSING:
            record.missing.update(range(first, first + count))
        else:
            record.missing_uncounted += count

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
        self._miss(record, first, skipped)
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
        (record.waiting, "at the end still waiting in the sensor"),
    ]
    counts = [f"{count} {what}" for count, what in findings if count]
    complete = [] if record.missing_count else ["none missing"]
    span = [f"{record.first} to {record.last}"] if record.last else []
    return ", ".join([*span, f"{record.events} events", *complete, *counts])
