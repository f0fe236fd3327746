import pytest

from edge.capture.capture import Capture
from edge.capture.reconnect import ReconnectPolicy
from support.sources import LONG_SECONDS, FixedBackoff


@pytest.fixture
def start_capture():
    """Start captures over these sources, one per opening; stop them after the test."""
    running = []

    def start(*sources, fast=False, stall_seconds=LONG_SECONDS, backoff=None, paused=False, **limits):
        remaining = iter(sources)
        policy = ReconnectPolicy(stall_seconds, **limits)
        capture = Capture(lambda: next(remaining), fast=fast, policy=policy, backoff=backoff or FixedBackoff())
        running.append((capture, sources))
        if paused:
            capture.pause()
        capture.start()
        return capture

    yield start
    for capture, sources in running:
        for source in sources:
            source.end()  # so that no read() blocks for ever
        capture.stop()
