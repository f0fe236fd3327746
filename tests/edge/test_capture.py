import itertools
import threading
import time

import pytest

from edge import capture as capture_module
from edge.capture import Capture, backoff_seconds
from edge.errors import SourceError, SourceLostError
from sources import CameraByHand

pytestmark = pytest.mark.device

LONG = 5.0
"""Bound of a wait that ends by itself; only a failing test waits that long."""


def until(condition, seconds=LONG):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


@pytest.fixture
def started():
    """Start captures over these sources, one per opening; stops them after the test."""
    running = []

    def start(*sources, fast=False, stall_seconds=LONG, backoff=lambda _attempt: 0.0):
        remaining = iter(sources)
        capture = Capture(lambda: next(remaining), fast=fast, stall_seconds=stall_seconds, backoff=backoff)
        running.append((capture, sources))
        capture.start()
        return capture

    yield start
    for capture, sources in running:
        for source in sources:
            source.end()  # so that no read() hangs for ever
        capture.stop()


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
        assert 0.19 <= time.monotonic() - begun < 1.5
        assert [frame.seconds for frame in frames] == [number * 0.05 for number in range(5)]
        for earlier, later in itertools.pairwise(frames):
            assert later.captured_monotonic - earlier.captured_monotonic > 0.02

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


class TestLive:
    def test_the_newest_frame_wins(self, started):
        source = CameraByHand()
        capture = started(source)
        for number in range(5):
            source.give()
            until(lambda number=number: capture.captured == number + 1)
        frame = capture.next(LONG)
        assert int(frame.luma[0, 0]) == 4
        assert frame.number == 4
        assert capture.dropped == 4
        assert capture.next(0.0) is None

    def test_next_gives_up_in_time(self, started):
        capture = started(CameraByHand())
        assert capture.state == "opening"
        begun = time.monotonic()
        assert capture.next(0.05) is None
        assert 0.04 <= time.monotonic() - begun < 1
        assert not capture.ended

    def test_lost_and_opened_again(self, started):
        first, second = CameraByHand(), CameraByHand()
        gate = threading.Event()
        capture = started(first, second, backoff=lambda _attempt: float(not gate.wait(LONG)))
        first.give(0.0)
        before = capture.next(LONG)
        assert (capture.state, capture.error) == ("ok", None)
        first.lose()
        until(lambda: capture.state == "lost")
        assert capture.error == "the cable was pulled"
        assert first.closed.wait(LONG)
        gate.set()
        assert second.opened.wait(LONG)
        until(lambda: capture.reopened == 1)
        assert capture.state == "lost"  # until there is a frame
        second.give(0.0)
        after = capture.next(LONG)
        assert (capture.state, capture.error, capture.reopened) == ("ok", None, 1)
        assert (before.number, after.number) == (0, 1)
        assert after.seconds == pytest.approx(after.captured_monotonic - before.captured_monotonic)
        assert after.seconds > before.seconds

    def test_the_end_of_a_live_stream_is_a_loss(self, started):
        first, second = CameraByHand(), CameraByHand()
        capture = started(first, second)
        first.end()
        assert second.opened.wait(LONG)
        assert not capture.ended

    def test_one_that_blocks_for_ever_is_abandoned(self, started):
        first, second = CameraByHand(), CameraByHand()
        capture = started(first, second, stall_seconds=0.1)
        first.give(0.0)
        assert capture.next(LONG).number == 0
        until(lambda: capture.error is not None)
        assert capture.error == "The source gave no frame for 0.1 s"
        assert capture.state == "stalled"
        assert second.opened.wait(LONG)
        assert not first.closed.is_set()
        # The late frame of the first is thrown away, and its own thread closes it.
        first.give(9.0)
        assert first.closed.wait(LONG)
        second.give(1.0)
        frame = capture.next(LONG)
        assert int(frame.luma[0, 0]) == 1
        assert frame.number == 1
        assert capture.captured == 2

    def test_a_bug_in_an_abandoned_one_is_nobodys_business(self, started):
        first, second = CameraByHand(), CameraByHand()
        capture = started(first, second, stall_seconds=0.1)
        assert second.opened.wait(LONG)
        first.crash()
        assert first.closed.wait(LONG)
        second.give()
        assert capture.next(LONG) is not None

    def test_opening_again_fails_for_a_while(self, started):
        attempts = []
        first, last = CameraByHand(), CameraByHand()
        failing = [
            CameraByHand(open_error=SourceError("no camera")),
            CameraByHand(open_error=SourceLostError("busy")),
        ]
        capture = started(first, *failing, last, backoff=lambda attempt: attempts.append(attempt) or 0.0)
        first.lose()
        assert last.opened.wait(LONG)
        last.give()
        assert capture.next(LONG) is not None
        assert attempts == [0, 1, 2]
        assert capture.reopened == 1

    def test_an_opening_that_hangs_is_abandoned_too(self, started, monkeypatch):
        monkeypatch.setattr(capture_module, "_MIN_OPEN_SECONDS", 0.1)
        first, hanging, last = CameraByHand(), CameraByHand(), CameraByHand()
        release = threading.Event()
        monkeypatch.setattr(hanging, "open", lambda: release.wait(LONG))
        capture = started(first, hanging, last, stall_seconds=0.1)
        first.lose()
        assert last.opened.wait(LONG)
        release.set()
        assert hanging.closed.wait(LONG)
        assert capture.reopened == 1

    def test_threads_that_hang_are_few(self, started, monkeypatch):
        monkeypatch.setattr(capture_module, "_MAX_HUNG", 2)
        monkeypatch.setattr(capture_module, "FIRST_BACKOFF_SECONDS", 0.02)
        sources = [CameraByHand() for _ in range(4)]
        capture = started(*sources, stall_seconds=0.05)
        assert sources[1].opened.wait(LONG)
        time.sleep(0.3)
        assert not sources[2].opened.is_set()
        assert capture.state == "stalled"
        sources[0].end()
        assert sources[2].opened.wait(LONG)

    def test_one_that_ran_well_starts_over_with_the_shortest_wait(self, started):
        attempts = []
        sources = [CameraByHand() for _ in range(4)]
        capture = started(*sources, stall_seconds=0.2, backoff=lambda attempt: attempts.append(attempt) or 0.0)
        sources[0].lose()
        assert sources[1].opened.wait(LONG)
        sources[1].lose()
        assert sources[2].opened.wait(LONG)
        for _ in range(3):
            sources[2].give()
            assert capture.next(LONG) is not None
            time.sleep(0.11)
        sources[2].lose()
        assert sources[3].opened.wait(LONG)
        assert attempts == [0, 1, 0]

    def test_a_stop_does_not_wait_for_the_backoff(self, started):
        source = CameraByHand()
        capture = started(source, backoff=lambda _attempt: 3600.0)
        source.lose()
        until(lambda: capture.state == "lost")
        begun = time.monotonic()
        capture.stop()
        assert time.monotonic() - begun < 1

    def test_stop_closes_a_source_that_reads(self, started):
        source = CameraByHand()
        capture = started(source)
        source.give()
        assert capture.next(LONG) is not None
        threading.Timer(0.05, source.give).start()
        capture.stop()
        assert source.closed.is_set()
        assert capture.next(0.0) is None


@pytest.mark.parametrize("live", [True, False])
def test_an_unexpected_end_of_the_thread_is_raised(started, live):
    source = CameraByHand(live=live)
    capture = started(source)
    source.give()
    assert capture.next(LONG) is not None
    source.crash()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError, match="a bug"):
            capture.next(LONG)
    assert source.closed.is_set()
    assert not capture.ended


@pytest.mark.parametrize("error", [SourceError, SourceLostError])
def test_the_first_opening_fails_at_once(started, error):
    with pytest.raises(SourceError, match="no such camera"):
        started(CameraByHand(open_error=error("no such camera")))


def test_stop_before_start():
    Capture(CameraByHand, fast=False, stall_seconds=1.0).stop()


def test_waits_grow_to_half_a_minute_and_differ():
    for attempt, full in enumerate([0.5, 1, 2, 4, 8, 16, 30, 30, 30]):
        waits = [backoff_seconds(attempt) for _ in range(200)]
        assert full / 2 <= min(waits) < max(waits) <= full
        assert len(set(waits)) > 100
    assert backoff_seconds(10**9) <= 30
