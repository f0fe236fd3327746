"""Covers the clocks of the machine: what one reading holds, and when the time of day counts as synchronised."""

import time

import pytest

from edge.system.clock import ClockReading, SystemClock, clock_synchronised, kernel_synchronised, machine_boot_id


def test_reading_has_the_clocks_of_this_machine() -> None:
    clock = SystemClock()
    before, reading, after = time.time(), clock.read(), time.time()
    assert before <= reading.unix <= after
    assert abs(clock.boottime_at(time.monotonic()) - reading.boottime) < 1.0
    assert clock.boottime_at(time.monotonic() - 100.0) == pytest.approx(reading.boottime - 100.0, abs=1.0)
    assert reading.synchronised is clock_synchronised()
    assert kernel_synchronised() in {True, False, None}
    assert clock.machine_boot == machine_boot_id()


def test_offset_changes_only_where_the_clock_is_set() -> None:
    assert ClockReading(1000.0, 10.0, synchronised=True).offset == 990.0
    clock = SystemClock()
    offsets = [clock.read().offset for _ in range(200)]
    assert max(offsets) - min(offsets) < 0.25


def test_clock_that_was_synchronised_once_stays_so() -> None:
    states = iter([False, True])
    clock = SystemClock(synchronised=lambda: next(states))
    assert [clock.read().synchronised for _ in range(4)] == [False, True, True, True]


def test_thread_that_is_stopped_between_two_clocks_reads_them_again() -> None:
    # The first reading takes three seconds, the second none.
    boottimes = iter([10.0, 13.0, 13.0, 13.0])
    unix = iter([1013.0, 1013.0])
    reading = SystemClock(lambda: next(unix), lambda: next(boottimes), lambda: True).read()
    assert reading.offset == 1000.0
