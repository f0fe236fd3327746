"""The kinds of fault of broker and network. Each begins, lasts for a while, and ends so that the sensor can recover."""

import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from .broker import wait_for
from .stage import SETTLE_SECONDS, Stage

SMALL_PACKET_BYTES: Final = 900
"""Above an event (some 650 bytes with its topic), below `info` and `health`: the broker takes events only, so that
`watch --verify` still proves that none is missing. Refused events are tested in tests/edge/mqtt."""

_HELD_SECONDS: Final = 1.0
_PULSE_SECONDS: Final = (0.6, 0.15)
"""A slow broker: stopped for the first, running for the second."""


def _end_broker(stage: Stage, rng: random.Random, *, kill: bool) -> None:
    """End the broker while acknowledgements, or events, are on their way."""
    stage.admitted[0] = False
    if rng.random() < 0.5:
        # The broker has the events, the sensor no acknowledgement: it must send them again, marked.
        stage.proxy.hold_down.set()
        stage.hold(_HELD_SECONDS)
    stage.drain_broker()
    (stage.broker.kill if kill else stage.broker.stop)()
    stage.proxy.reset()
    stage.proxy.heal()


def _start_broker(stage: Stage) -> None:
    position = stage.broker.log_size()
    stage.broker.start()
    if not wait_for(lambda: stage.broker.subscribed_since(position), SETTLE_SECONDS):
        stage.breaches.append(f"watch did not reconnect within {SETTLE_SECONDS:g} s of the broker's start")
    stage.admitted[0] = True


def broker_killed(stage: Stage, rng: random.Random, seconds: float) -> str:
    """SIGKILL, and a new start later."""
    _end_broker(stage, rng, kill=True)
    stage.hold(seconds)
    _start_broker(stage)
    return ""


def broker_restarted(stage: Stage, rng: random.Random, _seconds: float) -> str:
    """SIGTERM, and a new start at once."""
    _end_broker(stage, rng, kill=False)
    _start_broker(stage)
    return ""


@contextmanager
def _other_settings(stage: Stage, rng: random.Random, *extra: str, refuse: bool = False) -> Iterator[None]:
    """Start the broker with other settings, and with the usual ones at the end."""
    _end_broker(stage, rng, kill=False)
    stage.broker.extra, stage.broker.refuse_sensor = extra, refuse
    _start_broker(stage)
    yield
    _end_broker(stage, rng, kill=False)
    stage.broker.extra, stage.broker.refuse_sensor = (), False
    _start_broker(stage)


def broker_not_authorised(stage: Stage, rng: random.Random, seconds: float) -> str:
    """It refuses the sensor: not authorised."""
    with _other_settings(stage, rng, refuse=True):
        stage.hold(seconds)
    return ""


def broker_small_packets(stage: Stage, rng: random.Random, seconds: float) -> str:
    """It takes no packet as long as `info` or `health`."""
    setting = rng.choice(["max_packet_size", "message_size_limit"])
    with _other_settings(stage, rng, f"{setting} {SMALL_PACKET_BYTES}"):
        stage.hold(seconds)
    return setting


def broker_without_retain(stage: Stage, rng: random.Random, seconds: float) -> str:
    """It retains nothing."""
    with _other_settings(stage, rng, "retain_available false"):
        stage.hold(seconds)
    return ""


def broker_slow(stage: Stage, _rng: random.Random, seconds: float) -> str:
    """It runs a fifth of the time."""
    until = time.monotonic() + seconds
    stopped, running = _PULSE_SECONDS
    while time.monotonic() < until:
        stage.broker.send(signal.SIGSTOP)
        try:
            stage.hold(stopped)
        finally:
            stage.broker.send(signal.SIGCONT)
        time.sleep(running)
    return ""


def broker_half_open(stage: Stage, rng: random.Random, seconds: float) -> str:
    """The connection stands, and nothing passes; then it goes on, or is reset."""
    stage.proxy.hold_up.set()
    stage.proxy.hold_down.set()
    stage.hold(seconds)
    goes_on = rng.random() < 0.5
    if not goes_on:
        stage.proxy.reset()
    stage.proxy.heal()
    return "goes on" if goes_on else "is reset"


def broker_port_closed(stage: Stage, _rng: random.Random, seconds: float) -> str:
    """The port is closed; a connection that stands stays."""
    stage.proxy.stop_listening()
    stage.hold(seconds / 2)
    stage.proxy.reset()
    stage.hold(seconds / 2)
    stage.proxy.listen_again()
    return ""


def network_cut(stage: Stage, _rng: random.Random, seconds: float) -> str:
    """Nothing passes, and no new connection is made."""
    stage.proxy.hold_up.set()
    stage.proxy.hold_down.set()
    stage.proxy.stop_listening()
    stage.hold(seconds)
    stage.proxy.reset()
    stage.proxy.heal()
    stage.proxy.listen_again()
    return ""


def network_delayed(stage: Stage, rng: random.Random, seconds: float) -> str:
    """Each piece of data is delayed."""
    stage.proxy.delay_seconds = rng.choice([0.05, 0.3, 1.5])
    text = f"{stage.proxy.delay_seconds:g} s"
    stage.hold(seconds)
    stage.proxy.heal()
    return text


def network_reset(stage: Stage, rng: random.Random, _seconds: float) -> str:
    """Every connection is reset, several times in a row."""
    count = rng.randint(1, 3)
    for _ in range(count):
        stage.proxy.reset()
        stage.hold(rng.uniform(0.2, 2.0))
    return f"{count} times"
