"""Capture of a live source: the newest frame, reopening, errors and stopping."""

import threading
import time

import pytest

from edge.capture.capture import Capture
from edge.capture.reconnect import ReconnectPolicy
from edge.errors import SourceError, SourceLostError
from support.sources import LONG_SECONDS, FixedBackoff, ManualCamera, until


def test_newest_frame_replaces_the_one_in_the_slot(start_capture):
    source = ManualCamera()
    capture = start_capture(source)
    for number in range(5):
        source.give()
        until(lambda number=number: capture.captured == number + 1)
    frame = capture.next(LONG_SECONDS)
    assert int(frame.luma[0, 0]) == 4
    assert frame.number == 4
    assert capture.dropped == 4
    assert capture.next(0.0) is None


def test_next_returns_none_after_its_timeout(start_capture):
    capture = start_capture(ManualCamera())
    assert capture.state == "opening"
    begun = time.monotonic()
    assert capture.next(0.05) is None
    assert 0.04 <= time.monotonic() - begun < LONG_SECONDS
    assert not capture.ended


def test_lost_source_is_closed_and_reopened(start_capture):
    first, second = ManualCamera(), ManualCamera()
    gate = threading.Event()
    capture = start_capture(first, second, backoff=FixedBackoff(gate=gate))
    first.give(0.0)
    before = capture.next(LONG_SECONDS)
    assert (capture.state, capture.error) == ("ok", None)
    first.lose()
    until(lambda: capture.state == "lost")
    assert capture.error == "the cable was pulled"
    assert first.closed.wait(LONG_SECONDS)
    gate.set()
    assert second.opened.wait(LONG_SECONDS)
    until(lambda: capture.reopened == 1)
    assert capture.state == "lost"  # until there is a frame
    second.give(0.0)
    after = capture.next(LONG_SECONDS)
    assert (capture.state, capture.error, capture.reopened) == ("ok", None, 1)
    assert (before.number, after.number) == (0, 1)
    assert after.seconds == pytest.approx(after.captured_monotonic - before.captured_monotonic)
    assert after.seconds > before.seconds


def test_reader_for_which_there_is_no_thread_is_tried_again(start_capture, monkeypatch):
    first, second = ManualCamera(), ManualCamera()
    gate = threading.Event()
    capture = start_capture(first, second, backoff=FixedBackoff(gate=gate))
    first.give(0.0)
    assert capture.next(LONG_SECONDS) is not None
    refused = threading.Event()
    start = threading.Thread.start

    def start_at_second_try(thread):
        if thread.name == "capture" and not refused.is_set():
            refused.set()
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_at_second_try)
    first.lose()
    gate.set()
    assert second.opened.wait(LONG_SECONDS)
    assert refused.is_set()
    second.give(0.0)
    assert capture.next(LONG_SECONDS) is not None


def test_end_of_a_live_stream_is_a_loss(start_capture):
    first, second = ManualCamera(), ManualCamera()
    capture = start_capture(first, second)
    first.end()
    assert second.opened.wait(LONG_SECONDS)
    assert not capture.ended


def test_stalled_reader_is_abandoned_and_its_late_frame_discarded(start_capture):
    first, second = ManualCamera(), ManualCamera()
    capture = start_capture(first, second, stall_seconds=0.5)
    first.give(0.0)
    assert capture.next(LONG_SECONDS).number == 0
    until(lambda: capture.error is not None)
    assert capture.error == "The source gave no frame for 0.5 s"
    assert capture.state == "stalled"
    assert second.opened.wait(LONG_SECONDS)
    assert not first.closed.is_set()
    first.give(9.0)
    assert first.closed.wait(LONG_SECONDS)  # by its own thread
    second.give(1.0)
    frame = capture.next(LONG_SECONDS)
    assert int(frame.luma[0, 0]) == 1
    assert frame.number == 1
    assert capture.captured == 2


def test_exception_in_abandoned_reader_is_ignored(start_capture):
    first, second = ManualCamera(), ManualCamera()
    capture = start_capture(first, second, stall_seconds=0.5)
    assert second.opened.wait(LONG_SECONDS)
    first.crash()
    assert first.closed.wait(LONG_SECONDS)
    second.give()
    assert capture.next(LONG_SECONDS) is not None


@pytest.mark.parametrize("live", [True, False])
def test_exception_in_current_reader_is_raised_by_next(start_capture, live):
    source = ManualCamera(live=live)
    capture = start_capture(source)
    source.give()
    assert capture.next(LONG_SECONDS) is not None
    source.crash()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError, match="a bug"):
            capture.next(LONG_SECONDS)
    assert source.closed.is_set()
    assert not capture.ended


@pytest.mark.parametrize("error", [SourceError, SourceLostError])
def test_failure_of_the_first_opening_is_raised_at_once(start_capture, error):
    with pytest.raises(SourceError, match="no such camera"):
        start_capture(ManualCamera(open_error=error("no such camera")))


def test_stop_does_not_wait_for_the_backoff(start_capture):
    source = ManualCamera()
    capture = start_capture(source, backoff=FixedBackoff(3600.0))
    source.lose()
    until(lambda: capture.state == "lost")
    begun = time.monotonic()
    capture.stop()
    assert time.monotonic() - begun < LONG_SECONDS


def test_stop_closes_a_source_whose_read_returns(start_capture):
    source = ManualCamera()
    capture = start_capture(source)
    source.give()
    assert capture.next(LONG_SECONDS) is not None
    threading.Timer(0.05, source.give).start()
    capture.stop()
    assert source.closed.is_set()
    assert capture.next(0.0) is None


def test_stop_before_start_does_nothing():
    Capture(ManualCamera, fast=False, policy=ReconnectPolicy(1.0)).stop()
