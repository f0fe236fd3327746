import datetime
import logging
import threading

import msgspec
import numpy as np
import pytest

from edge.config.schema import Config, SummaryConfig
from edge.summary.recorder import NullRecorder, Recorder, create_recorder
from edge.summary.store import SummaryStore
from edge.system.clock import SystemClock
from edge.types import Box, Event, EventKind, Frame, TrackedFace

NOON = datetime.datetime(2026, 11, 27, 12, tzinfo=datetime.UTC).timestamp()
FRAME = Frame(0, 0.0, np.zeros((4, 4), np.uint8), 0.0, 0.0)


class Machine:
    """A machine whose clocks a test moves. `boottime`: runs; `wrong_by`: error of its time of day, seconds."""

    def __init__(self, unix=NOON, boot="boot"):
        self.boottime, self.wrong_by = 100.0, 0.0
        self._unix_at_start = unix - self.boottime
        self.clock = SystemClock(self.unix, lambda: self.boottime, lambda: True, boot)

    def unix(self):
        return self._unix_at_start + self.boottime + self.wrong_by


def face(track=1, label="happy"):
    return TrackedFace(track, Box(0, 0, 2, 2), label, 0.9, np.array([0.9, 0.1], np.float32), None, label)


def recorder(machine, file=None, utc_offset=lambda _: 0, **summary):
    config = Config(summary=SummaryConfig(**{"min_visits": 0, **summary}))
    store = None if file is None else SummaryStore(file, 100)
    made = Recorder(config, ("happy", "sad"), lambda _: 0.5, store, clock=machine.clock, utc_offset=utc_offset)
    made.start()
    return made


def live(machine, made, seconds, *, looking=True):
    """Let time pass as the daemon does; returns how often there was something to publish."""
    published = 0
    for _ in range(round(seconds)):
        published += made.tick(looking=looking)
        machine.boottime += 1
    return published + made.tick(looking=looking)


def wait_for_write():
    for thread in threading.enumerate():
        if thread.name == "summary":
            thread.join(10)


def visit(machine, made, track, seconds, label="happy"):
    made.events([Event(EventKind.FACE_APPEARED, face(track, label), None, FRAME)])
    made.state([face(track, label)])
    live(machine, made, seconds)
    made.events([Event(EventKind.FACE_LEFT, face(track, label), None, FRAME)])
    made.state([])


def test_running_hour_and_day_say_what_was_seen():
    machine = Machine()
    made = recorder(machine)
    assert live(machine, made, 30) == 0
    visit(machine, made, 1, 20)
    visit(machine, made, 2, 40, "sad")
    live(machine, made, 30, looking=False)
    summary = made.payload()
    for one in (summary.hour, summary.day):
        assert (one.visits, one.present_seconds, one.looked_seconds) == (2, 60.0, 90.0)
        assert (one.not_looked_seconds, one.valence) == (30.0, 0.5)
        assert one.emotion_seconds == {"happy": 20.0, "sad": 40.0, "unknown": 0.0}
    assert summary.day.off_seconds == 12 * 3600
    assert (summary.last_hour, summary.last_day) == (None, None)
    assert summary.hour.visit_lengths["15_to_60_s"] == 2


def test_each_minute_is_published_once_and_the_day_once_more_before_its_end():
    machine = Machine(NOON + 43_200 - 100)
    made = recorder(machine)
    assert live(machine, made, 90) == 1
    assert live(machine, made, 9) == 1  # two seconds before midnight
    visits = made.payload().day
    assert live(machine, made, 4) == 1
    after = made.payload()
    assert after.day.start == "2026-11-28T00:00:00.000Z"
    assert after.last_day.looked_seconds == pytest.approx(visits.looked_seconds, abs=2)


def test_hours_of_the_page_follow_each_other_and_end_with_the_running_one():
    machine = Machine()
    made = recorder(machine)
    visit(machine, made, 1, 10)
    hours = made.shown_hours()
    assert len(hours) == 24
    assert [one.end for one in hours[:-1]] == [one.start for one in hours[1:]]
    assert (hours[-1].visits, hours[-1].complete, hours[0].off_seconds) == (1, False, 3600.0)


def test_days_are_those_of_local_time():
    machine = Machine(NOON + 11 * 3600)
    made = recorder(machine, utc_offset=lambda _: 7200)
    assert made.payload().day.local_start == "2026-11-28T00:00:00+02:00"


def test_restart_goes_on_with_the_same_day_and_writes_only_at_full_hours_and_at_the_end(tmp_path):
    file, machine = tmp_path / "s" / "summary.sqlite3", Machine(NOON + 3500)
    made = recorder(machine, file)
    visit(machine, made, 1, 50)
    assert not file.exists()
    live(machine, made, 60)
    wait_for_write()
    assert file.exists()
    written = file.stat().st_mtime_ns
    visit(machine, made, 2, 50)
    assert file.stat().st_mtime_ns == written
    made.finish()
    assert file.stat().st_mtime_ns != written
    again = recorder(machine, file)
    assert again.payload().day.visits == 2
    again.finish()


def test_kill_costs_the_running_hour_at_most(tmp_path):
    file, machine = tmp_path / "summary.sqlite3", Machine(NOON + 3500)
    made = recorder(machine, file)
    visit(machine, made, 1, 50)
    live(machine, made, 60)
    wait_for_write()
    visit(machine, made, 2, 50)
    del made  # nothing more is written
    after = recorder(Machine(NOON + 3800, "next"), file)
    assert after.payload().day.visits == 1
    assert after.payload().last_hour.visits == 1


def test_clock_that_is_set_late_moves_what_was_seen_before(tmp_path):
    file, machine = tmp_path / "summary.sqlite3", Machine()
    machine.wrong_by = -1.5e9  # as a board without a battery starts
    made = recorder(machine, file)
    visit(machine, made, 1, 50)
    live(machine, made, 3 * 3600)
    assert made.payload().hour.start.startswith("1979")
    machine.wrong_by = 0.0
    assert live(machine, made, 2) == 1  # published at once
    summary = made.payload()
    assert (summary.day.start, summary.day.visits) == ("2026-11-27T00:00:00.000Z", 1)
    assert summary.day.looked_seconds == pytest.approx(3 * 3600 + 50, abs=5)
    made.finish()
    again = recorder(machine, file)
    assert again.payload().day.visits == 1
    assert sum(one.visits for one in again.shown_hours()) == 1
    again.finish()


def test_second_sensor_with_the_same_file_keeps_its_summary_in_memory(tmp_path, caplog):
    machine = Machine()
    first = recorder(machine, tmp_path / "summary.sqlite3")
    second = recorder(machine, tmp_path / "summary.sqlite3")
    assert "another sensor keeps its summary in" in caplog.text
    visit(machine, second, 1, 5)
    assert second.payload().day.visits == 1
    second.finish()
    first.finish()


def test_damaged_file_is_set_aside_and_a_new_one_is_written(tmp_path, caplog):
    file, machine = tmp_path / "summary.sqlite3", Machine()
    file.write_bytes(b"SQLite format 3\0" + b"x" * 8000)
    made = recorder(machine, file)
    assert "renamed to summary.sqlite3.bad, a new one is created" in caplog.text
    visit(machine, made, 1, 5)
    made.finish()
    assert recorder(machine, file).payload().day.visits == 1


def test_folder_that_cannot_be_written_to_is_logged_once_and_costs_nothing_meanwhile(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    machine = Machine()
    blocked = tmp_path / "file"
    blocked.touch()
    made = recorder(machine, blocked / "summary.sqlite3")
    visit(machine, made, 1, 10)
    for _ in range(3):
        live(machine, made, 3700)
        wait_for_write()
    assert caplog.text.count("is in memory only, and tried again in an hour") == 1
    assert made.payload().day.visits == 1


def test_groups_and_the_least_number_of_visits_can_change_while_it_runs():
    machine = Machine()
    made = recorder(machine, min_visits=5)
    visit(machine, made, 1, 10)
    assert made.payload().day.emotion_seconds["happy"] is None
    made.set_rules(Config(summary=SummaryConfig(min_visits=1), labels={"good": ["happy"]}))
    assert made.payload().day.group_seconds == {"good": 10.0}
    assert made.payload().min_visits == 1


def test_switched_off_there_is_none():
    off = create_recorder(msgspec.convert({"summary": {"enabled": False}}, Config), "cam", ("happy",), lambda _: None)
    assert type(off) is NullRecorder
    off.start()
    off.events([])
    off.state([])
    assert (off.tick(looking=True), off.payload(), off.shown_hours()) == (False, None, [])
    off.finish()
