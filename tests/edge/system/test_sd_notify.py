"""Tests the notify protocol on a real datagram socket."""

import os
import socket
import time

import pytest

from edge.system.sd_notify import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    """Bind a socket as the service manager does; yield it and its address as in $NOTIFY_SOCKET."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        if request.param == "path":
            address = str(tmp_path / "notify")
            listening.bind(address)
        else:
            address = f"@emotion-edge-test-{os.getpid()}-{time.monotonic_ns()}"
            listening.bind("\0" + address[1:])
        listening.settimeout(5)
        yield listening, address


def received(listening):
    return listening.recv(4096).decode()


def test_states_arrive_as_datagrams(manager):
    listening, address = manager
    notifier = Notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())})
    notifier.ready()
    assert received(listening) == "READY=1"
    notifier.alive()
    assert received(listening) == "WATCHDOG=1"
    notifier.status("12.5 frames per second,\n1 face")
    assert received(listening) == "STATUS=12.5 frames per second, 1 face"
    before_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier.reloading()
    first, second = received(listening).splitlines()
    assert first == "RELOADING=1"
    assert int(second.removeprefix("MONOTONIC_USEC=")) >= before_us
    notifier.stopping()
    assert received(listening) == "STOPPING=1"
    assert notifier.watchdog_seconds == 30
    assert notifier.feed_seconds == 10
    notifier.close()


def test_status_is_sent_only_when_it_changes(manager):
    listening, address = manager
    notifier = Notifier({"NOTIFY_SOCKET": address})
    for text in ("one", "one", "two"):
        notifier.status(text)
    assert [received(listening), received(listening)] == ["STATUS=one", "STATUS=two"]
    listening.settimeout(0.05)
    with pytest.raises(TimeoutError):
        received(listening)
    notifier.close()


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "2000000"}, 2.0),
    ],
)
def test_watchdog_is_fed_only_where_it_is_meant_for_this_process(manager, environ, seconds):
    listening, address = manager
    notifier = Notifier({"NOTIFY_SOCKET": address, **environ})
    assert notifier.watchdog_seconds == seconds
    notifier.alive()
    notifier.ready()
    assert received(listening) == ("READY=1" if seconds is None else "WATCHDOG=1")
    notifier.close()


def test_without_a_manager_nothing_is_sent():
    notifier = Notifier({})
    notifier.ready()
    notifier.status("not sent")
    notifier.close()
    notifier.stopping()


def test_manager_that_does_not_read_blocks_nothing_and_is_logged_once(manager, caplog):
    listening, address = manager
    notifier = Notifier({"NOTIFY_SOCKET": address})
    for number in range(5000):  # more than the queue of a datagram socket holds
        notifier.status(str(number))
    assert caplog.text.count("systemd does not receive STATUS=") == 1
    listening.close()
    notifier.ready()
    assert caplog.text.count("systemd does not receive") == 1, "logged once per failure"
    notifier.close()
