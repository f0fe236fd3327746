"""What is still to be published: events in order, and of everything retained the last word.

The pipeline's thread puts things in, the publisher's takes them out, the keeper's copies to the disk
what must outlive the process. The lock is here, and nobody waits for a network or a disk under it.
"""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

from edge.config.schema import MqttConfig
from edge.messages.payloads import EventPayload, encode
from edge.messages.topics import ONLINE, Kind
from edge.mqtt.outbox.queue import DiskWork, EventQueue, StoredRow
from edge.mqtt.outbox.stored_event import StoredEvent
from edge.sinks.base import PublishedCallback, stamped

_ON_CONNECT: Final[tuple[Kind, ...]] = ("status", "info", "state", "health")
"""Order in which a new connection says them: first that we are there, then what we are and see."""

SAVE_SECONDS: Final = 1.0
"""An event that the broker has not acknowledged for this long goes to the disk. A broker that is there
and quick answers within milliseconds, and then nothing is ever written: SD cards wear out."""

_DELETE_SECONDS: Final = 1.0
"""Rows whose event is acknowledged are deleted together, this much later: a commit for each would write
as much again as the events themselves. A crash meanwhile sends them twice, marked."""

_LOOK_SECONDS: Final = 60.0
"""How often ages are looked at while something waits; they are bounded in hours."""

_NOTE_SECONDS: Final = 3600.0
"""How often the age clock is written while events are on disk: a crash makes them younger by this at most."""


class Outbox:
    """Thread-safe. `mqtt` has the bounds of the outbox and its pace; retained payloads are one per kind.

    `published` hears each event that was handed over.
    """

    def __init__(self, mqtt: MqttConfig, published: PublishedCallback | None = None) -> None:
        self._published = published
        self.replay_per_second = mqtt.replay_per_second
        self._lock = threading.Lock()
        self._for_disk = threading.Condition(self._lock)
        self._outbox = EventQueue(mqtt.outbox_max_events, mqtt.outbox_max_age_hours * 3600)
        self._retained: dict[Kind, bytes] = {"status": ONLINE.encode()}
        self._unsent: list[Kind] = []  # kinds whose last word the connection has not been given
        self._connected = False
        self._finishing = False
        self._overflowed = 0
        self._overflow_told = False
        self._doomed_since: float | None = None
        self._noted_monotonic = time.monotonic()

    @property
    def connected(self) -> bool:
        """Whether there is a connection that can be published on."""
        return self._connected

    @property
    def depth(self) -> int:
        """Events not acknowledged yet."""
        with self._lock:
            return self._outbox.depth

    @property
    def dropped(self) -> int:
        """Events that a full outbox let go, or that the broker refused."""
        with self._lock:
            return self._outbox.dropped

    @property
    def unsaved(self) -> int:
        """Events neither acknowledged nor on disk."""
        with self._lock:
            return self._outbox.unsaved

    @property
    def accepted_seq(self) -> int:
        """Each event of this run up to this number is acknowledged (or dropped) or on disk."""
        with self._lock:
            return self._outbox.accepted_seq

    def overflow_began(self) -> bool:
        """Whether the outbox has had to let events go, said once until it was empty again."""
        with self._lock:
            if self._outbox.depth == 0:
                self._overflow_told = False
            news = self._outbox.overflowed > self._overflowed and not self._overflow_told
            self._overflowed = self._outbox.overflowed
            self._overflow_told = self._overflow_told or news
            return news

    def add(self, payload: EventPayload, captured_monotonic: float) -> None:
        """Take an event. Raises ValueError where its `seq` does not grow."""
        now = time.monotonic()
        with self._lock:
            self._outbox.expire(now)
            self._outbox.add(payload, captured_monotonic, now, connected=self._connected)
            self._for_disk.notify()

    def retain(self, kind: Kind, payload: bytes) -> None:
        """Take the last word of a kind; one that has not been sent yet is replaced."""
        with self._lock:
            self._retained[kind] = payload
            if kind not in self._unsent:
                self._unsent.append(kind)

    def connection_made(self) -> None:
        """A connection is there: everything retained is to be said again."""
        with self._lock:
            self._connected = True
            self._outbox.expire(time.monotonic())
            self._unsent = [kind for kind in _ON_CONNECT if kind in self._retained]

    def connection_lost(self) -> None:
        """The connection is gone: what it did not acknowledge waits for the next, and goes to the disk."""
        with self._lock:
            self._connected = False
            self._outbox.connection_lost()
            self._for_disk.notify()

    def take_retained(self) -> tuple[Kind, bytes] | None:
        """The next last word to publish; None where all are out."""
        with self._lock:
            if not self._unsent:
                return None
            kind = self._unsent.pop(0)
            return kind, self._retained[kind]

    def hand_next(self, publish: Callable[[bytes], int], may_replay: Callable[[], bool]) -> bool:
        """Give the next event to `publish`, which returns its message id; False where none may go now.

        `may_replay` is asked where the next is a replayed one. The lock is held meanwhile, or a full
        outbox could let go of the very event that is being handed over; neither may wait for anything.
        """
        with self._lock:
            entry = self._outbox.next_waiting()
            if entry is None or (entry.replayed and not may_replay()):
                return False
            if isinstance(entry.event, StoredEvent):
                payload = entry.event.resent(time.time())
            else:
                payload = encode(stamped(entry.event, entry.captured_monotonic, replayed=entry.replayed))
            self._outbox.handed(publish(payload))
        if self._published is not None:
            self._published(payload)
        return True

    def settled(self, mid: int, *, accepted: bool) -> bool:
        """The broker answered for `mid`; False where that is no event."""
        with self._lock:
            known = self._outbox.settled(mid, accepted=accepted)
            if self._outbox.doomed:
                self._for_disk.notify()
            return known

    def reconcile(self, rows: Iterable[StoredRow]) -> None:
        """Take over what was found on disk."""
        with self._lock:
            self._outbox.reconcile(rows)

    def finish(self) -> None:
        """From now on everything is to go to the disk, and `disk_work` ends once it has."""
        with self._lock:
            self._finishing = True
            self._for_disk.notify()

    def wait_for_finish(self, seconds: float) -> bool:
        """Wait until `finish`, at most `seconds`; ages are bounded meanwhile. True once it was called."""
        with self._lock:
            self._outbox.expire(time.monotonic())
            return self._for_disk.wait_for(lambda: self._finishing, seconds)

    def disk_work(self, *, wait: bool = True) -> DiskWork | None:
        """Wait for something that the disk should be told; None once `finish` was called and nothing is left.

        Without `wait` None says that there is nothing now.
        """
        with self._lock:
            while True:
                now = time.monotonic()
                self._outbox.expire(now)
                work = self._work_due(now)
                if work is not None:
                    return work
                if self._finishing or not wait:
                    return None
                self._for_disk.wait(self._seconds_to_work(now))

    def disk_did(self, work: DiskWork, numbers: list[int]) -> None:
        """The disk has done `work`; `numbers` are the rows of what was written."""
        with self._lock:
            self._outbox.done(work, numbers)
            self._noted_monotonic = time.monotonic()
            self._doomed_since = None

    def _work_due(self, now: float) -> DiskWork | None:
        at_once = self._finishing or not self._connected
        write = self._outbox.unsaved_until(now if at_once else now - SAVE_SECONDS)
        if self._outbox.doomed and self._doomed_since is None:
            self._doomed_since = now
        waited = self._doomed_since is not None and now - self._doomed_since >= _DELETE_SECONDS
        if write or waited or (self._outbox.doomed and self._finishing):
            return DiskWork(write, self._outbox.to_delete())
        if self._outbox.saved and now - self._noted_monotonic >= _NOTE_SECONDS:
            return DiskWork()
        return None

    def _seconds_to_work(self, now: float) -> float | None:
        """How long nothing can be due, unless told; None: for ever."""
        moments = []
        oldest = self._outbox.oldest_unsaved()
        if oldest is not None:
            moments.append(oldest.taken_monotonic + SAVE_SECONDS)
        if self._doomed_since is not None:
            moments.append(self._doomed_since + _DELETE_SECONDS)
        if self._outbox.next_waiting() is not None:
            moments.append(now + _LOOK_SECONDS)
        return max(0.0, min(moments) - now) if moments else None
