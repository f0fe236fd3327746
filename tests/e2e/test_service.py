"""The program as systemd sees it: what it says over the socket of sd_notify, and when it stops saying it."""

import os
import signal
import socket
import time

import pytest

from support.program import start

ENDLESS = "scripted:happy=2,none=1?seed=5&loop=1"
PERIOD_SECONDS = 1.5


@pytest.fixture
def manager(tmp_path):
    """A socket as the service manager binds it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(60)
        yield listening


@pytest.fixture
def service(manager):
    process = start(
        "run",
        "--source",
        ENDLESS,
        NOTIFY_SOCKET=manager.getsockname(),
        WATCHDOG_USEC=str(round(PERIOD_SECONDS * 1_000_000)),
        EMOTION_EDGE_HEALTH_INTERVAL_SECONDS="1",
    )
    yield process
    process.send_signal(signal.SIGCONT)
    process.kill()
    process.communicate()


def until(listening, wanted):
    """What is said until it is `wanted`, which is the last of it."""
    said = [listening.recv(4096).decode()]
    while not said[-1].startswith(wanted):
        said.append(listening.recv(4096).decode())
    return said


def test_it_is_ready_alive_and_stops_as_it_says(manager, service):
    before = until(manager, "READY=1")
    assert "WATCHDOG=1" not in before, "not before it has begun"
    said = [line for _ in range(2) for line in until(manager, "WATCHDOG=1")]
    said += until(manager, "STATUS=") if not any(line.startswith("STATUS=") for line in said) else []
    (status, *_) = [line for line in before + said if line.startswith("STATUS=")]
    assert "frames per second" in status
    assert "source ok" in status or "source opening" in status
    service.send_signal(signal.SIGTERM)
    until(manager, "STOPPING=1")
    assert service.wait(timeout=60) == 0


def test_a_process_that_hangs_starves_the_watchdog(manager, service):
    until(manager, "WATCHDOG=1")
    os.kill(service.pid, signal.SIGSTOP)
    deadline = time.monotonic() + 2 * PERIOD_SECONDS
    said = []
    while (left := deadline - time.monotonic()) > 0:
        manager.settimeout(left)
        try:
            said.append(manager.recv(4096).decode())
        except TimeoutError:
            break
    assert said.count("WATCHDOG=1") <= 1, "only what was on its way already"


def test_what_it_did_when_it_hung_is_in_the_log(manager, service):
    """SIGABRT is what systemd sends once the watchdog has starved."""
    until(manager, "WATCHDOG=1")
    service.send_signal(signal.SIGABRT)
    _, err = service.communicate(timeout=60)
    assert service.returncode == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in err
    assert "in _loop" in err
    assert "\nThread 0x" in err, "each thread says where it was, not only the one that got the signal"
    assert "\nCurrent thread 0x" in err
