"""The program as a systemd service: its sd_notify messages, and a process that hangs."""

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
    """Return the messages up to the first that starts with `wanted`."""
    messages = [listening.recv(4096).decode()]
    while not messages[-1].startswith(wanted):
        messages.append(listening.recv(4096).decode())
    return messages


def test_ready_watchdog_status_and_stopping_are_sent(manager, service):
    before = until(manager, "READY=1")
    assert "WATCHDOG=1" not in before, "not before it is ready"
    messages = [line for _ in range(2) for line in until(manager, "WATCHDOG=1")]
    messages += until(manager, "STATUS=") if not any(line.startswith("STATUS=") for line in messages) else []
    (status, *_) = [line for line in before + messages if line.startswith("STATUS=")]
    assert "frames per second" in status or "no frames yet" in status
    assert "source ok" in status or "source opening" in status
    service.send_signal(signal.SIGTERM)
    until(manager, "STOPPING=1")
    assert service.wait(timeout=60) == 0


def test_process_that_hangs_starves_the_watchdog(manager, service):
    until(manager, "WATCHDOG=1")
    os.kill(service.pid, signal.SIGSTOP)
    deadline = time.monotonic() + 2 * PERIOD_SECONDS
    messages = []
    while (left := deadline - time.monotonic()) > 0:
        manager.settimeout(left)
        try:
            messages.append(manager.recv(4096).decode())
        except TimeoutError:
            break
    assert messages.count("WATCHDOG=1") <= 1, "one feed may have been in the socket"


def test_stack_of_each_thread_is_logged_on_sigabrt(manager, service):
    """Systemd sends SIGABRT once the watchdog has starved."""
    until(manager, "WATCHDOG=1")
    service.send_signal(signal.SIGABRT)
    _, err = service.communicate(timeout=60)
    assert service.returncode == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in err
    assert "in _loop" in err
    assert "\nThread 0x" in err, "every thread, not only the one that got the signal"
    assert "\nCurrent thread 0x" in err


def test_status_shows_a_broker_that_is_back_or_away_at_once(manager, make_broker, tmp_path):
    """Not only with the next report of health, which is an hour away here."""
    broker = make_broker()
    broker.reserve()
    process = start(
        "run",
        "--source",
        ENDLESS,
        "--mqtt",
        broker.url,
        NOTIFY_SOCKET=manager.getsockname(),
        STATE_DIRECTORY=str(tmp_path),
        EMOTION_EDGE_HEALTH_INTERVAL_SECONDS="3600",
        EMOTION_EDGE_MQTT_RECONNECT_MAX_SECONDS="1",
    )
    try:
        until(manager, "READY=1")
        broker.start()
        while "broker connected" not in until(manager, "STATUS=")[-1]:
            pass
        broker.kill()
        assert until(manager, "STATUS=")[-1].endswith("broker disconnected")
    finally:
        process.kill()
        process.communicate()
