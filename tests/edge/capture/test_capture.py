import logging
import threading
import time

import pytest

from edge.capture import generation as generation_module
from edge.capture import reconnect as supervisor_module
from edge.capture.capture import Capture
from edge.errors import SourceError, SourceLostError
from edge.logs.outage import OutageLog
from support.sources import LONG_SECONDS as LONG
from support.sources import CameraByHand, FixedBackoff, until


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
        assert 0.04 <= time.monotonic() - begun < LONG
        assert not capture.ended

    def test_lost_and_opened_again(self, started, monkeypatch):
        first, second = CameraByHand(), CameraByHand()
        gate = threading.Event()
        backoff = FixedBackoff()
        monkeypatch.setattr(backoff, "next_seconds", lambda: float(not gate.wait(LONG)))
        capture = started(first, second, backoff=backoff)
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
        capture = started(first, second, stall_seconds=0.5)
        assert second.opened.wait(LONG)
        first.crash()
        assert first.closed.wait(LONG)
        second.give()
        assert capture.next(LONG) is not None

    def test_opening_again_fails_for_a_while(self, started):
        backoff = FixedBackoff()
        first, last = CameraByHand(), CameraByHand()
        failing = [
            CameraByHand(open_error=SourceError("no camera")),
            CameraByHand(open_error=SourceLostError("busy")),
        ]
        capture = started(first, *failing, last, backoff=backoff)
        first.lose()
        assert last.opened.wait(LONG)
        last.give()
        assert capture.next(LONG) is not None
        assert backoff.attempts == [0, 1, 2]
        assert capture.reopened == 1

    def test_an_opening_that_hangs_is_abandoned_too(self, started, monkeypatch):
        monkeypatch.setattr(generation_module, "_MIN_OPEN_SECONDS", 0.5)
        first, hanging, last = CameraByHand(), CameraByHand(), CameraByHand()
        release = threading.Event()
        monkeypatch.setattr(hanging, "open", lambda: release.wait(LONG))
        capture = started(first, hanging, last, stall_seconds=0.5)
        first.lose()
        # Counted once the opening has returned, a moment after it began.
        until(lambda: capture.reopened == 1)
        assert last.opened.is_set()
        release.set()
        assert hanging.closed.wait(LONG)
        assert capture.reopened == 1

    def test_threads_that_hang_are_few(self, started, monkeypatch):
        monkeypatch.setattr(supervisor_module, "_MAX_HUNG", 2)
        monkeypatch.setattr(supervisor_module, "_FIRST_WAIT_SECONDS", 0.02)
        sources = [CameraByHand() for _ in range(4)]
        capture = started(*sources, stall_seconds=0.05)
        assert sources[1].opened.wait(LONG)
        time.sleep(0.3)
        assert not sources[2].opened.is_set()
        assert capture.state == "stalled"
        sources[0].end()
        assert sources[2].opened.wait(LONG)

    def test_one_that_ran_well_starts_over_with_the_shortest_wait(self, started):
        backoff = FixedBackoff(stable_seconds=0.2)
        sources = [CameraByHand() for _ in range(4)]
        capture = started(*sources, stall_seconds=0.2, backoff=backoff)
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
        assert backoff.attempts == [0, 1, 0]

    def test_a_stop_does_not_wait_for_the_backoff(self, started):
        source = CameraByHand()
        capture = started(source, backoff=FixedBackoff(3600.0))
        source.lose()
        until(lambda: capture.state == "lost")
        begun = time.monotonic()
        capture.stop()
        assert time.monotonic() - begun < LONG

    def test_stop_closes_a_source_that_reads(self, started):
        source = CameraByHand()
        capture = started(source)
        source.give()
        assert capture.next(LONG) is not None
        threading.Timer(0.05, source.give).start()
        capture.stop()
        assert source.closed.is_set()
        assert capture.next(0.0) is None


def failing(reasons):
    return [CameraByHand(open_error=SourceError(reason)) for reason in reasons]


def test_a_camera_that_is_away_for_long_is_few_lines(started, caplog):
    caplog.set_level(logging.INFO, logger="edge.capture.reconnect")
    first, last = CameraByHand(), CameraByHand()
    reasons = ["no such device", "busy"] * 100
    capture = started(first, *failing(reasons), last)
    first.lose()
    assert last.opened.wait(LONG)
    last.give()
    until(lambda: len(caplog.records) == 4)
    assert [record.message for record in caplog.records] == [
        "the cable was pulled; it is tried again until it is back",
        "the source is still away: no such device",
        "the source is still away: busy",
        f"the source is back after {capture._supervisor._absence.seconds:.0f} s",
    ]
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3 + ["INFO"]


def test_a_reminder_comes_as_long_as_it_is_away(started, caplog):
    first = CameraByHand()
    capture = started(first, *failing(["no such device"] * 10_000), backoff=FixedBackoff(0.01))
    capture._supervisor._absence = OutageLog(remind_seconds=0.2)
    first.lose()
    until(lambda: len(caplog.records) >= 5)
    assert caplog.records[1].message == "the source is still away: no such device"
    for record in caplog.records[2:]:
        assert record.message.startswith("the source has been away for ")
        assert record.message.endswith(" s: no such device")


def test_a_camera_that_comes_and_goes_is_few_lines(started, caplog):
    """A plug that is loose: what is said about it does not grow with the night."""
    caplog.set_level(logging.INFO, logger="edge.capture.reconnect")
    sources = [CameraByHand() for _ in range(30)]
    capture = started(*sources)
    for source in sources[:-1]:
        assert source.opened.wait(LONG)
        source.give()
        assert capture.next(LONG) is not None
        source.lose()
    assert sources[-1].opened.wait(LONG)
    sources[-1].give()
    assert capture.next(LONG) is not None
    said = [record.message for record in caplog.records]
    assert len(said) == 7, said
    assert said[-1] == "the source comes and goes: the cable was pulled; once it lasts, that is said"
    assert capture.state == "ok"


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
