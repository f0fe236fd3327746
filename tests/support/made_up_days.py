"""Plays three made-up days to the recorder of summaries, many thousand times as fast as they would pass.

    python -m support.made_up_days FILE SEED FIRST BOOT BOOT_BEGAN

FILE: where the summary is kept. FIRST: second of the days at which this run begins. BOOT, BOOT_BEGAN: identity of this
start of the machine, and the second at which it began. Prints each minute, in seconds, once it is over.
"""

import datetime
import random
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from edge.config.schema import Config, SummaryConfig
from edge.summary.local_time import LocalTime
from edge.summary.recorder import Recorder
from edge.summary.store import SummaryStore
from edge.system.clock import SystemClock
from edge.types import Box, Event, EventKind, Frame, TrackedFace

HOUR = 3600
SECONDS = 72 * HOUR
ZONE = ZoneInfo("Europe/Berlin")
BEGAN = 1_792_814_400
"""The first second: 24 October 2026, 6:00 in Berlin. The day after it has 25 hours."""
LABELS = ("happy", "neutral", "sad")
VALENCES = {"happy": 1.0, "neutral": 0.0, "sad": -0.5}
WRONG = ((0, 5 * HOUR, -1_500_000_000), (30 * HOUR, 30 * HOUR + 1300, 3600), (50 * HOUR, 52 * HOUR, -172_800))
"""From and until when the time of day is wrong, and by how many seconds: no battery, and two mistakes."""
FRAME = Frame(0, 0.0, np.zeros((2, 2), np.uint8), 0.0, 0.0)


def utc_offset(unix):
    return round(datetime.datetime.fromtimestamp(unix, tz=ZONE).utcoffset().total_seconds())


def wrong_by(second):
    return next((by for begin, end, by in WRONG if begin <= second < end), 0)


@dataclass(frozen=True)
class Visit:
    number: int
    begin: int
    end: int

    def label(self, second):
        """The label changes every seven seconds."""
        return LABELS[(self.number + (second - self.begin) // 7) % len(LABELS)]


class Days:
    """Who is there, and when the sensor is paused, second by second. The same seed gives the same days."""

    def __init__(self, seed):
        rng = random.Random(seed)
        self.visits, self.pauses, at = [], [], 0.0
        while at < SECONDS:
            at += rng.expovariate(1 / 240)
            length = min(3000, rng.lognormvariate(3.5, 1.3))
            self.visits.append(Visit(len(self.visits) + 1, round(at), round(at + length) + 1))
        at = 0.0
        while at < SECONDS:
            at += rng.expovariate(1 / (4 * HOUR))
            self.pauses.append((round(at), round(at + rng.uniform(20, 4000))))

    def paused(self, second):
        return any(begin <= second < end for begin, end in self.pauses)

    def there(self, second):
        return [visit for visit in self.visits if visit.begin <= second < visit.end]


def main(file, seed, first, boot, boot_began):
    days, now = Days(seed), [first]
    clock = SystemClock(
        lambda: float(BEGAN + now[0] + wrong_by(now[0])), lambda: float(now[0] - boot_began), lambda: True, boot
    )
    recorder = Recorder(
        Config(summary=SummaryConfig(min_visits=0)),
        LABELS,
        lambda face: VALENCES[face.label],
        SummaryStore(file, 10_000),
        clock=clock,
        utc_offset=utc_offset,
    )
    recorder.start()
    present = {}
    begins = {visit.begin for visit in days.visits} | {visit.end for visit in days.visits} | {first}
    begins |= {moment for pause in days.pauses for moment in pause}
    there, paused = [], False
    while now[0] < SECONDS:
        second = now[0]
        if second in begins:
            paused = days.paused(second)
            there = [] if paused else days.there(second)
        recorder.tick(looking=not paused)
        for thread in threading.enumerate():
            # A write takes as long as it does: without this the days would run away from it.
            if thread.name == "summary":
                thread.join()
        step(recorder, there, second, present)
        now[0] += 1
        if now[0] % 60 == 0:
            sys.stdout.write(f"{now[0]}\n")
            sys.stdout.flush()
    recorder.tick(looking=False)
    recorder.finish()


def step(recorder, there, second, present):
    """Publish what changes at a second, as the daemon does: events, then the state."""
    faces = {visit.number: face(visit.number, visit.label(second)) for visit in there}
    events = [Event(EventKind.FACE_LEFT, one, None, FRAME) for number, one in present.items() if number not in faces]
    events += [
        Event(EventKind.FACE_APPEARED, one, None, FRAME) for number, one in faces.items() if number not in present
    ]
    changed = {number: one.label for number, one in faces.items()} != {n: one.label for n, one in present.items()}
    if events:
        recorder.events(events)
    if events or changed:
        recorder.state(list(faces.values()))
    present.clear()
    present.update(faces)


def face(track, label):
    return TrackedFace(track, Box(0, 0, 1, 1), label, 0.9, np.array([0.9], np.float32), None, label)


def local():
    return LocalTime(utc_offset)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], int(sys.argv[5]))
