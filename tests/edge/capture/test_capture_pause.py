import time

import pytest

from edge.errors import SourceError
from support.sources import LONG_SECONDS as LONG
from support.sources import CameraByHand, FixedBackoff, until


class TestLive:
    def test_a_pause_lets_go_of_the_camera(self, started):
        first, second = CameraByHand(), CameraByHand()
        capture = started(first, second)
        first.give()
        before = capture.next(LONG)
        first.give()
        until(lambda: capture.captured == 2)
        capture.pause()
        assert (capture.state, capture.error, capture.paused) == ("paused", None, True)
        assert capture.next(0.0) is None  # not even the frame that was there already
        first.give()  # the one that was being read
        assert first.closed.wait(LONG)
        assert capture.captured == 2
        assert not second.opened.is_set()
        time.sleep(0.05)
        capture.resume()
        assert (capture.state, capture.paused) == ("opening", False)
        assert second.opened.wait(LONG)
        second.give(0.0)
        after = capture.next(LONG)
        assert (after.number, capture.state) == (2, "ok")
        assert after.seconds - before.seconds >= 0.05
        # That was no fault of the camera's.
        assert capture.reopened == 0

    def test_the_next_loss_counts_again(self, started):
        first, second, third = CameraByHand(), CameraByHand(), CameraByHand()
        capture = started(first, second, third)
        capture.pause()
        first.give()
        capture.resume()
        assert second.opened.wait(LONG)
        second.lose()
        assert third.opened.wait(LONG)
        until(lambda: capture.reopened == 1)

    def test_a_camera_that_is_still_being_closed_is_waited_for(self, started):
        first, second = CameraByHand(), CameraByHand()
        capture = started(first, second)
        assert first.reading.wait(LONG)
        capture.pause()
        capture.resume()
        time.sleep(0.1)
        assert not second.opened.is_set()
        first.give()
        assert second.opened.wait(LONG)
        assert first.closed.is_set()

    def test_a_camera_that_hangs_is_not_waited_for_for_ever(self, started):
        first, second = CameraByHand(), CameraByHand()
        capture = started(first, second, stall_seconds=0.1)
        assert first.reading.wait(LONG)
        capture.pause()
        capture.resume()
        assert second.opened.wait(LONG)
        assert not first.closed.is_set()

    def test_paused_from_the_start_the_camera_is_not_opened(self, started):
        source, other = CameraByHand(), CameraByHand()
        capture = started(source, other, paused=True)
        assert capture.live
        assert capture.next(0.1) is None
        assert capture.state == "paused"
        assert not source.opened.is_set()
        capture.resume()
        # The first was only asked whether it is live.
        assert other.opened.wait(LONG)
        other.give()
        assert capture.next(LONG) is not None
        assert not source.opened.is_set()
        assert capture.reopened == 0

    def test_paused_while_it_is_away(self, started):
        backoff = FixedBackoff(0.3)
        first, last = CameraByHand(), CameraByHand()
        capture = started(
            first,
            CameraByHand(open_error=SourceError("no such device")),
            last,
            backoff=backoff,
        )
        first.lose()
        until(lambda: backoff.attempts)
        capture.pause()
        time.sleep(0.5)
        assert (backoff.attempts, capture.state) == ([0], "paused")
        capture.resume()
        assert last.opened.wait(LONG)
        until(lambda: capture.reopened == 1)

    def test_again_and_again(self, started):
        sources = [CameraByHand() for _ in range(5)]
        capture = started(*sources)
        for source in sources:
            assert source.opened.wait(LONG)
            source.give(0.0)
            assert capture.next(LONG) is not None
            capture.pause()
            capture.pause()
            source.give(1.0)
            assert source.closed.wait(LONG)
            if source is not sources[-1]:
                capture.resume()
                capture.resume()

    def test_a_stop_ends_a_pause(self, started):
        source = CameraByHand()
        capture = started(source)
        capture.pause()
        source.give()
        begun = time.monotonic()
        capture.stop()
        assert time.monotonic() - begun < LONG
        assert source.closed.is_set()
        assert capture.next(0.0) is None


class TestFinite:
    @pytest.mark.parametrize("fast", [False, True])
    def test_a_pause_holds_it_where_it_is(self, started, fast):
        source = CameraByHand(live=False)
        for number in range(4):
            source.give(number / 10)
        source.end()
        capture = started(source, fast=fast)
        frames = [capture.next(LONG)]
        capture.pause()
        assert capture.state == "paused"
        assert capture.next(0.3) is None
        assert not capture.ended
        assert not source.closed.is_set()
        capture.resume()
        resumed = time.monotonic()
        frames += [capture.next(LONG) for _ in range(3)]
        assert [frame.seconds for frame in frames] == [0.0, 0.1, 0.2, 0.3]
        assert capture.next(LONG) is None
        assert capture.ended
        if not fast:
            # It goes on at its own pace, and catches up with nothing.
            assert frames[-1].captured_monotonic - resumed >= 0.19

    def test_paused_from_the_start(self, started):
        source = CameraByHand(live=False)
        source.give(0.0)
        source.end()
        capture = started(source, paused=True)
        assert capture.next(0.1) is None
        capture.resume()
        assert capture.next(LONG) is not None
        assert capture.next(LONG) is None
        assert capture.state == "ended"

    def test_its_end_is_none_before_the_frame_that_is_held(self, started):
        source = CameraByHand(live=False)
        source.give(0.0)
        source.end()
        capture = started(source)
        until(lambda: capture.state == "ended")
        capture.pause()  # too late: there is nothing left to pause but a frame in the slot
        assert not capture.paused
        assert capture.next(LONG) is not None
        assert capture.ended

    def test_the_reader_may_end_during_a_pause(self, started):
        source = CameraByHand(live=False)
        source.give(0.0)
        capture = started(source)
        until(lambda: capture.captured == 1)
        capture.pause()
        source.end()
        until(lambda: capture.state == "ended")
        begun = time.monotonic()
        assert capture.next(0.05) is None
        assert time.monotonic() - begun >= 0.04  # who asks in a loop is not to spin
        assert not capture.ended
        capture.resume()
        assert capture.state == "ended"
        assert capture.next(LONG) is not None
        assert capture.ended

    def test_what_ends_the_thread_is_raised_all_the_same(self, started):
        source = CameraByHand(live=False)
        source.give(0.0)
        capture = started(source)
        until(lambda: capture.captured == 1)
        capture.pause()
        source.crash()
        until(lambda: source.closed.is_set())
        with pytest.raises(ZeroDivisionError):
            capture.next(LONG)
