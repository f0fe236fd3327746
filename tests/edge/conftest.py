import pytest

from edge.capture import Capture
from sources import LONG_SECONDS


@pytest.fixture
def started():
    """Start captures over these sources, one per opening; stops them after the test."""
    running = []

    def start(*sources, fast=False, stall_seconds=LONG_SECONDS, backoff=lambda _attempt: 0.0, paused=False):
        remaining = iter(sources)
        capture = Capture(lambda: next(remaining), fast=fast, stall_seconds=stall_seconds, backoff=backoff)
        running.append((capture, sources))
        if paused:
            capture.pause()
        capture.start()
        return capture

    yield start
    for capture, sources in running:
        for source in sources:
            source.end()  # so that no read() hangs for ever
        capture.stop()
