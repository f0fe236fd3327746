import time

import pytest

from edge.errors import SourceError
from support.sources import LONG_SECONDS as LONG
from support.sources import CameraByHand, until


class TestFinite:
    def test_no_frame_is_dropped_for_a_slow_consumer(self, started):
        source = CameraByHand(live=False)
        for _ in range(20):
            source.give(0.0)
        source.end()
        capture = started(source)
        numbers = []
        while not capture.ended:
            frame = capture.next(LONG)
            if frame is not None:
                numbers.append(int(frame.luma[0, 0]))
                time.sleep(0.003)
        assert len(numbers) == 20
        assert (capture.captured, capture.dropped, capture.reopened) == (20, 0, 0)
        assert capture.state == "ended"
        assert capture.error is None
        assert source.closed.wait(LONG)

    def test_the_reader_waits_for_the_slot(self, started):
        source = CameraByHand(live=False)
        for second in range(5):
            source.give(second)
        capture = started(source, fast=True)
        until(lambda: capture.captured == 1)
        time.sleep(0.05)
        # One in the slot, one in the reader's hand, the rest not read yet.
        assert capture.captured == 1
        assert source.orders.qsize() == 3

    def test_not_ended_before_the_last_frame_was_taken(self, started):
        source = CameraByHand(live=False)
        source.give()
        source.end()
        capture = started(source)
        until(lambda: capture.state == "ended")
        assert not capture.ended
        assert capture.next(LONG) is not None
        assert capture.ended
        assert capture.next(LONG) is None  # at once

    def test_paced_by_the_frames_own_time(self, started):
        source = CameraByHand(live=False)
        for number in range(5):
            source.give(number * 0.05)
        source.end()
        begun = time.monotonic()
        capture = started(source)
        frames = [capture.next(LONG) for _ in range(5)]
        assert [frame.seconds for frame in frames] == [number * 0.05 for number in range(5)]
        # Never early; how late a frame is depends on what else the machine does.
        assert all(frame.captured_monotonic - begun >= frame.seconds for frame in frames)

    def test_fast_does_not_wait(self, started):
        source = CameraByHand(live=False)
        for hour in range(5):
            source.give(hour * 3600.0)
        source.end()
        capture = started(source, fast=True)
        frames = [capture.next(LONG) for _ in range(5)]
        assert [frame.seconds for frame in frames] == [hour * 3600.0 for hour in range(5)]

    def test_a_fast_frame_is_as_old_as_the_consumers_hold_on_it(self, started):
        source = CameraByHand(live=False)
        source.give()
        capture = started(source, fast=True)
        until(lambda: capture.captured == 1)
        time.sleep(0.05)
        taken = time.monotonic()
        assert capture.next(LONG).captured_monotonic >= taken

    def test_stop_in_the_middle_of_a_pause(self, started):
        source = CameraByHand(live=False)
        source.give(0.0)
        source.give(3600.0)
        capture = started(source)
        assert capture.next(LONG) is not None
        capture.stop()
        assert source.closed.is_set()
        assert capture.next(LONG) is None

    def test_stop_with_a_full_slot(self, started):
        source = CameraByHand(live=False)
        source.give(0.0)
        source.give(0.0)
        capture = started(source)
        until(lambda: capture.captured == 1)
        capture.stop()
        capture.stop()
        assert source.closed.is_set()

    def test_an_unreadable_rest_is_raised_after_the_frames_before_it(self, started, monkeypatch):
        source = CameraByHand(live=False)
        source.give()
        capture = started(source)
        until(lambda: capture.captured == 1)
        monkeypatch.setattr(source, "read", lambda: (_ for _ in ()).throw(SourceError("b.jpg is no image")))
        source.give()
        first, second = capture.next(LONG), capture.next(LONG)
        assert first is not None
        assert second is not None
        with pytest.raises(SourceError, match=r"b\.jpg"):
            capture.next(LONG)
        assert not capture.ended
