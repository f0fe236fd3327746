"""Pausing and resuming capture of live and finite sources."""

import threading
import time

import pytest

from edge.errors import SourceError
from support.sources import LONG_SECONDS, FixedBackoff, ManualCamera, until


class TestLive:
    def test_pause_closes_the_camera_and_resume_opens_it_anew(self, start_capture):
        first, second = ManualCamera(), ManualCamera()
        capture = start_capture(first, second)
        first.give()
        before = capture.next(LONG_SECONDS)
        first.give()
        until(lambda: capture.captured == 2)
        capture.pause()
        assert (capture.state, capture.error, capture.paused) == ("paused", None, True)
        assert capture.next(0.0) is None  # not even the frame that was in the slot
        first.give()  # the one that was being read
        assert first.closed.wait(LONG_SECONDS)
        assert capture.captured == 2
        assert not second.opened.is_set()
        time.sleep(0.05)
        capture.resume()
        assert (capture.state, capture.paused) == ("opening", False)
        assert second.opened.wait(LONG_SECONDS)
        second.give(0.0)
        after = capture.next(LONG_SECONDS)
        assert (after.number, capture.state) == (2, "ok")
        assert after.seconds - before.seconds >= 0.05
        # A pause is not an outage.
        assert capture.reopened == 0

    def test_loss_after_a_pause_is_counted(self, start_capture):
        first, second, third = ManualCamera(), ManualCamera(), ManualCamera()
        capture = start_capture(first, second, third)
        capture.pause()
        first.give()
        capture.resume()
        assert second.opened.wait(LONG_SECONDS)
        second.lose()
        assert third.opened.wait(LONG_SECONDS)
        until(lambda: capture.reopened == 1)

    def test_resume_waits_until_the_camera_is_closed(self, start_capture):
        first, second = ManualCamera(), ManualCamera()
        capture = start_capture(first, second)
        assert first.reading.wait(LONG_SECONDS)
        capture.pause()
        capture.resume()
        time.sleep(0.1)
        assert not second.opened.is_set()
        first.give()
        assert second.opened.wait(LONG_SECONDS)
        assert first.closed.is_set()

    def test_resume_does_not_wait_longer_than_stall_seconds_for_a_camera_that_hangs(self, start_capture):
        first, second = ManualCamera(), ManualCamera()
        capture = start_capture(first, second, stall_seconds=0.1)
        assert first.reading.wait(LONG_SECONDS)
        capture.pause()
        capture.resume()
        assert second.opened.wait(LONG_SECONDS)
        assert not first.closed.is_set()

    def test_camera_is_not_opened_while_paused_from_the_start(self, start_capture):
        source, other = ManualCamera(), ManualCamera()
        capture = start_capture(source, other, paused=True)
        assert capture.live
        assert capture.next(0.1) is None
        assert capture.state == "paused"
        assert not source.opened.is_set()
        capture.resume()
        # The first was only created to find out whether the source is live.
        assert other.opened.wait(LONG_SECONDS)
        other.give()
        assert capture.next(LONG_SECONDS) is not None
        assert not source.opened.is_set()
        assert capture.reopened == 0

    def test_pause_during_an_outage_stops_reopening_until_resume(self, start_capture):
        gate = threading.Event()
        backoff = FixedBackoff(gate=gate)
        first, last = ManualCamera(), ManualCamera()
        capture = start_capture(
            first,
            ManualCamera(open_error=SourceError("no such device")),
            last,
            backoff=backoff,
        )
        first.lose()
        until(lambda: backoff.attempts)
        capture.pause()
        gate.set()
        time.sleep(0.2)
        assert (backoff.attempts, capture.state) == ([0], "paused")
        capture.resume()
        assert last.opened.wait(LONG_SECONDS)
        until(lambda: capture.reopened == 1)

    def test_repeated_pause_and_resume(self, start_capture):
        sources = [ManualCamera() for _ in range(5)]
        capture = start_capture(*sources)
        for source in sources:
            assert source.opened.wait(LONG_SECONDS)
            source.give(0.0)
            assert capture.next(LONG_SECONDS) is not None
            capture.pause()
            capture.pause()
            source.give(1.0)
            assert source.closed.wait(LONG_SECONDS)
            if source is not sources[-1]:
                capture.resume()
                capture.resume()

    def test_stop_while_paused(self, start_capture):
        source = ManualCamera()
        capture = start_capture(source)
        capture.pause()
        source.give()
        begun = time.monotonic()
        capture.stop()
        assert time.monotonic() - begun < LONG_SECONDS
        assert source.closed.is_set()
        assert capture.next(0.0) is None


class TestFinite:
    @pytest.mark.parametrize("fast", [False, True])
    def test_pause_holds_a_file_where_it_is(self, start_capture, fast):
        source = ManualCamera(live=False)
        for number in range(4):
            source.give(number / 10)
        source.end()
        capture = start_capture(source, fast=fast)
        frames = [capture.next(LONG_SECONDS)]
        capture.pause()
        assert capture.state == "paused"
        assert capture.next(0.3) is None
        assert not capture.ended
        assert not source.closed.is_set()
        capture.resume()
        resumed = time.monotonic()
        frames += [capture.next(LONG_SECONDS) for _ in range(3)]
        assert [frame.seconds for frame in frames] == [0.0, 0.1, 0.2, 0.3]
        assert capture.next(LONG_SECONDS) is None
        assert capture.ended
        if not fast:
            # It goes on at its own pace, without catching up.
            assert frames[-1].captured_monotonic - resumed >= 0.19

    def test_file_paused_from_the_start_gives_no_frame_before_resume(self, start_capture):
        source = ManualCamera(live=False)
        source.give(0.0)
        source.end()
        capture = start_capture(source, paused=True)
        assert capture.next(0.1) is None
        capture.resume()
        assert capture.next(LONG_SECONDS) is not None
        assert capture.next(LONG_SECONDS) is None
        assert capture.state == "ended"

    def test_pause_after_the_last_read_does_not_withhold_the_last_frame(self, start_capture):
        source = ManualCamera(live=False)
        source.give(0.0)
        source.end()
        capture = start_capture(source)
        until(lambda: capture.state == "ended")
        capture.pause()  # too late: only a frame in the slot is left
        assert not capture.paused
        assert capture.next(LONG_SECONDS) is not None
        assert capture.ended

    def test_reader_may_end_during_a_pause(self, start_capture):
        source = ManualCamera(live=False)
        source.give(0.0)
        capture = start_capture(source)
        until(lambda: capture.captured == 1)
        capture.pause()
        source.end()
        until(lambda: capture.state == "ended")
        begun = time.monotonic()
        assert capture.next(0.05) is None
        assert time.monotonic() - begun >= 0.04  # a caller that polls in a loop must not spin
        assert not capture.ended
        capture.resume()
        assert capture.state == "ended"
        assert capture.next(LONG_SECONDS) is not None
        assert capture.ended

    def test_exception_in_the_reader_is_raised_during_a_pause(self, start_capture):
        source = ManualCamera(live=False)
        source.give(0.0)
        capture = start_capture(source)
        until(lambda: capture.captured == 1)
        capture.pause()
        source.crash()
        until(lambda: source.closed.is_set())
        with pytest.raises(ZeroDivisionError):
            capture.next(LONG_SECONDS)
