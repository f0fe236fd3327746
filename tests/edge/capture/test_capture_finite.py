"""Capture of a finite source: no frame is dropped, and frames keep their pace."""

import time

import pytest

from edge.errors import SourceError
from support.sources import LONG_SECONDS, ManualCamera, until


def test_no_frame_is_dropped_for_a_slow_consumer(start_capture):
    source = ManualCamera(live=False)
    for _ in range(20):
        source.give(0.0)
    source.end()
    capture = start_capture(source)
    numbers = []
    while not capture.ended:
        frame = capture.next(LONG_SECONDS)
        if frame is not None:
            numbers.append(int(frame.luma[0, 0]))
            time.sleep(0.003)
    assert len(numbers) == 20
    assert (capture.captured, capture.dropped, capture.reopened) == (20, 0, 0)
    assert capture.state == "ended"
    assert capture.error is None
    assert source.closed.wait(LONG_SECONDS)


def test_reader_waits_until_the_slot_is_empty(start_capture):
    source = ManualCamera(live=False)
    for second in range(5):
        source.give(second)
    capture = start_capture(source, fast=True)
    until(lambda: capture.captured == 1)
    time.sleep(0.05)
    # One frame is in the slot, the reader holds one, the rest has not been read.
    assert capture.captured == 1
    assert source.orders.qsize() == 3


def test_capture_has_ended_only_after_the_last_frame_was_taken(start_capture):
    source = ManualCamera(live=False)
    source.give()
    source.end()
    capture = start_capture(source)
    until(lambda: capture.state == "ended")
    assert not capture.ended
    assert capture.next(LONG_SECONDS) is not None
    assert capture.ended
    assert capture.next(LONG_SECONDS) is None  # at once


def test_frames_are_paced_by_their_own_time(start_capture):
    source = ManualCamera(live=False)
    for number in range(5):
        source.give(number * 0.05)
    source.end()
    begun = time.monotonic()
    capture = start_capture(source)
    frames = [capture.next(LONG_SECONDS) for _ in range(5)]
    assert [frame.seconds for frame in frames] == [number * 0.05 for number in range(5)]
    # Never early; how late a frame is depends on what else the machine does.
    assert all(frame.captured_monotonic - begun >= frame.seconds for frame in frames)


def test_fast_capture_does_not_pace(start_capture):
    source = ManualCamera(live=False)
    for hour in range(5):
        source.give(hour * 3600.0)
    source.end()
    capture = start_capture(source, fast=True)
    frames = [capture.next(LONG_SECONDS) for _ in range(5)]
    assert [frame.seconds for frame in frames] == [hour * 3600.0 for hour in range(5)]


def test_frame_of_fast_capture_is_stamped_when_it_is_taken(start_capture):
    source = ManualCamera(live=False)
    source.give()
    capture = start_capture(source, fast=True)
    until(lambda: capture.captured == 1)
    time.sleep(0.05)
    taken = time.monotonic()
    assert capture.next(LONG_SECONDS).captured_monotonic >= taken


def test_stop_ends_the_wait_for_the_time_of_the_next_frame(start_capture):
    source = ManualCamera(live=False)
    source.give(0.0)
    source.give(3600.0)
    capture = start_capture(source)
    assert capture.next(LONG_SECONDS) is not None
    capture.stop()
    assert source.closed.is_set()
    assert capture.next(LONG_SECONDS) is None


def test_stop_with_a_full_slot_closes_the_source(start_capture):
    source = ManualCamera(live=False)
    source.give(0.0)
    source.give(0.0)
    capture = start_capture(source)
    until(lambda: capture.captured == 1)
    capture.stop()
    capture.stop()
    assert source.closed.is_set()


def test_read_error_is_raised_after_the_frames_before_it(start_capture):
    source = ManualCamera(live=False)
    source.give()
    capture = start_capture(source)
    until(lambda: capture.captured == 1)
    source.give()
    source.fail(SourceError("b.jpg is no image"))
    first, second = capture.next(LONG_SECONDS), capture.next(LONG_SECONDS)
    assert first is not None
    assert second is not None
    with pytest.raises(SourceError, match=r"b\.jpg"):
        capture.next(LONG_SECONDS)
    assert not capture.ended
