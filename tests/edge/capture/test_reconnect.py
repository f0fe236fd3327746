import logging
import queue
import re
import threading
import time

import numpy as np
import pytest

from edge.capture.reconnect import CaptureSession, ReconnectPolicy, SessionEnd, reopen_backoff
from edge.errors import SourceError, SourceLostError
from edge.types import Frame
from support.sources import LONG_SECONDS, FixedBackoff, ManualCamera, until

POLICY = ReconnectPolicy(stall_seconds=5.0)


@pytest.fixture
def log(caplog):
    """Record the supervisor's log from level INFO."""
    caplog.set_level(logging.INFO, logger="edge.capture.reconnect")
    return caplog


def failing(reasons):
    return [ManualCamera(open_error=SourceError(reason)) for reason in reasons]


class TestCaptureSession:
    def test_open_source_stalls_after_stall_seconds_without_a_frame(self):
        session = CaptureSession(ManualCamera(), POLICY, 100.0)
        assert session.end(104.9) is None
        assert session.seconds_to_stall(104.0) == pytest.approx(1.0)
        assert session.end(105.0) == SessionEnd("stalled", "The source gave no frame for 5 s")
        assert session.record_frame(104.0)
        assert not session.record_frame(108.0)
        assert session.end(112.9) is None
        assert session.lasted_seconds == 4.0
        assert session.end(113.0) is not None

    def test_opening_may_take_longer_than_a_frame(self):
        session = CaptureSession(None, POLICY, 100.0)
        assert session.end(114.9) is None
        assert session.end(115.0) == SessionEnd("stalled", "The source could not be opened for 15 s")
        assert CaptureSession(None, ReconnectPolicy(20.0), 100.0).end(115.0) is None
        session.mark_opened(114.0)
        assert session.end(118.9) is None
        assert session.end(119.0) == SessionEnd("stalled", "The source gave no frame for 5 s")

    def test_loss_ends_the_session_at_once_with_its_reason(self):
        session = CaptureSession(ManualCamera(), POLICY, 100.0)
        session.lost_reason = "the cable was pulled"
        assert session.end(100.0) == SessionEnd("lost", "the cable was pulled")
        assert session.lasted_seconds == 0.0


class TestReopening:
    def test_waits_grow_to_half_a_minute_and_differ(self):
        fleet = [reopen_backoff(5.0) for _ in range(200)]
        for limit in [0.5, 1, 2, 4, 8, 16, 30, 30, 30]:
            waits = [backoff.next_seconds() for backoff in fleet]
            assert limit / 2 <= min(waits) < max(waits) <= limit
            assert len(set(waits)) > 100

    def test_failed_openings_are_retried_with_growing_waits(self, start_capture):
        backoff = FixedBackoff()
        first, last = ManualCamera(), ManualCamera()
        refused = [ManualCamera(open_error=SourceError("no camera")), ManualCamera(open_error=SourceLostError("busy"))]
        capture = start_capture(first, *refused, last, backoff=backoff)
        first.lose()
        assert last.opened.wait(LONG_SECONDS)
        last.give()
        assert capture.next(LONG_SECONDS) is not None
        assert backoff.attempts == [0, 1, 2]
        assert capture.reopened == 1

    def test_stable_session_resets_the_wait(self, start_capture):
        backoff = FixedBackoff(stable_seconds=0.2)
        sources = [ManualCamera() for _ in range(4)]
        capture = start_capture(*sources, backoff=backoff)
        sources[0].lose()
        assert sources[1].opened.wait(LONG_SECONDS)
        sources[1].lose()
        assert sources[2].opened.wait(LONG_SECONDS)
        for _ in range(3):
            sources[2].give()
            assert capture.next(LONG_SECONDS) is not None
            time.sleep(0.11)
        sources[2].lose()
        assert sources[3].opened.wait(LONG_SECONDS)
        assert backoff.attempts == [0, 1, 0]

    def test_opening_that_hangs_is_abandoned(self, start_capture):
        gate = threading.Event()
        first, hanging, last = ManualCamera(), ManualCamera(open_gate=gate), ManualCamera()
        capture = start_capture(first, hanging, last, stall_seconds=0.5, min_open_seconds=0.5)
        first.lose()
        # Counted once the opening has returned, a moment after it began.
        until(lambda: capture.reopened == 1)
        assert last.opened.is_set()
        gate.set()
        assert hanging.closed.wait(LONG_SECONDS)
        assert capture.reopened == 1

    def test_number_of_hung_threads_is_limited(self, start_capture):
        sources = [ManualCamera() for _ in range(4)]
        capture = start_capture(*sources, stall_seconds=0.05, max_hung_threads=2, hung_poll_seconds=0.02)
        assert sources[1].opened.wait(LONG_SECONDS)
        time.sleep(0.3)
        assert not sources[2].opened.is_set()
        until(lambda: capture.state == "stalled")
        sources[0].end()
        assert sources[2].opened.wait(LONG_SECONDS)


class SlowCamera(ManualCamera):
    """A camera that gives a frame when it is opened, and one in each interval afterwards; `given` counts them."""

    interval_seconds = 0.3

    def __init__(self):
        super().__init__()
        self.given = 0

    def read(self):
        """Wait for the next frame, or for the end."""
        if self.given:
            try:
                self.orders.get(timeout=self.interval_seconds)
            except queue.Empty:
                pass
            else:
                return None
        self.given += 1
        return Frame(0, self.given, np.zeros((4, 4), np.uint8), time.monotonic(), time.time())


class TestSlowCamera:
    def test_camera_whose_frames_are_further_apart_than_the_limit_is_not_reopened_for_ever(self, start_capture):
        cameras = [SlowCamera() for _ in range(30)]
        capture = start_capture(*cameras, stall_seconds=0.1, max_hung_threads=30)
        until(lambda: any(camera.given >= 6 for camera in cameras))
        assert capture.reopened >= 1, "at first its interval is not known"
        assert capture.stall_seconds >= 3 * 0.3 * 0.9
        assert 0 < capture.fps < 1 / 0.29


class TestLog:
    def test_long_outage_logs_each_reason_once_and_the_recovery(self, start_capture, log):
        begun = time.monotonic()
        first, last = ManualCamera(), ManualCamera()
        start_capture(first, *failing(["no such device", "busy"] * 100), last)
        first.lose()
        assert last.opened.wait(LONG_SECONDS)
        last.give()
        until(lambda: len(log.records) == 4)
        *outage, back = [record.message for record in log.records]
        assert outage == [
            "the cable was pulled; reopening is retried until it succeeds",
            "the source is still unavailable: no such device",
            "the source is still unavailable: busy",
        ]
        duration = re.fullmatch(r"the source is back after (\d+) s", back)
        assert int(duration[1]) <= time.monotonic() - begun + 1
        assert [record.levelname for record in log.records] == ["WARNING"] * 3 + ["INFO"]

    def test_outage_that_lasts_is_logged_at_intervals(self, start_capture, log):
        first = ManualCamera()
        refused = failing(["no such device"] * 10_000)
        start_capture(first, *refused, backoff=FixedBackoff(0.01), remind_seconds=0.2)
        first.lose()
        until(lambda: len(log.records) >= 5)
        assert log.records[1].message == "the source is still unavailable: no such device"
        for record in log.records[2:]:
            assert re.fullmatch(r"the source has been unavailable for \d+ s: no such device", record.message)

    def test_lines_of_a_source_that_fails_repeatedly_are_limited(self, start_capture, log):
        sources = [ManualCamera() for _ in range(30)]  # as behind a loose plug
        capture = start_capture(*sources)
        for source in sources[:-1]:
            assert source.opened.wait(LONG_SECONDS)
            source.give()
            assert capture.next(LONG_SECONDS) is not None
            source.lose()
        assert sources[-1].opened.wait(LONG_SECONDS)
        sources[-1].give()
        assert capture.next(LONG_SECONDS) is not None
        messages = [record.message for record in log.records]
        assert len(messages) == 7, messages
        assert messages[-1] == (
            "the source fails repeatedly: the cable was pulled; its recovery is logged once it is stable"
        )
        assert capture.state == "ok"
