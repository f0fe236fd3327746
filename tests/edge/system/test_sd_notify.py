"""The notify protocol on a real datagram socket, and the unit as systemd itself reads it."""

import configparser
import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from edge.system.sd_notify import Notifier

UNIT = Path(__file__).parents[3] / "systemd" / "emotion-edge.service"
MOST_EXPOSED = 1.6


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    """A socket as the service manager binds it, and its address as $NOTIFY_SOCKET names it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        if request.param == "path":
            address = str(tmp_path / "notify")
            listening.bind(address)
        else:
            address = f"@emotion-edge-test-{os.getpid()}-{time.monotonic_ns()}"
            listening.bind("\0" + address[1:])
        listening.settimeout(5)
        yield listening, address


def said(listening):
    return listening.recv(4096).decode()


def test_states_arrive_as_datagrams(manager):
    listening, address = manager
    notifier = Notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())})
    notifier.ready()
    assert said(listening) == "READY=1"
    notifier.alive()
    assert said(listening) == "WATCHDOG=1"
    notifier.status("12.5 frames per second,\n1 face")
    assert said(listening) == "STATUS=12.5 frames per second, 1 face"
    before_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier.reloading()
    first, second = said(listening).splitlines()
    assert first == "RELOADING=1"
    assert int(second.removeprefix("MONOTONIC_USEC=")) >= before_us
    notifier.stopping()
    assert said(listening) == "STOPPING=1"
    assert notifier.watchdog_seconds == 30
    assert notifier.feed_seconds == 10
    notifier.close()


def test_a_status_is_sent_when_it_changes(manager):
    listening, address = manager
    notifier = Notifier({"NOTIFY_SOCKET": address})
    for text in ("one", "one", "two"):
        notifier.status(text)
    assert [said(listening), said(listening)] == ["STATUS=one", "STATUS=two"]
    listening.settimeout(0.05)
    with pytest.raises(TimeoutError):
        said(listening)
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
def test_the_watchdog_is_fed_only_where_it_is_meant_for_us(manager, environ, seconds):
    listening, address = manager
    notifier = Notifier({"NOTIFY_SOCKET": address, **environ})
    assert notifier.watchdog_seconds == seconds
    notifier.alive()
    notifier.ready()
    assert said(listening) == ("READY=1" if seconds is None else "WATCHDOG=1")
    notifier.close()


def test_without_a_manager_nothing_happens():
    notifier = Notifier({})
    notifier.ready()
    notifier.status("nobody reads this")
    notifier.close()
    notifier.stopping()


def test_a_manager_that_is_away_or_does_not_read_holds_nothing_up(manager, caplog):
    listening, address = manager
    notifier = Notifier({"NOTIFY_SOCKET": address})
    for number in range(5000):  # more than any queue of datagrams holds
        notifier.status(str(number))
    assert caplog.text.count("systemd cannot be told of STATUS=") == 1
    listening.close()
    notifier.ready()
    assert caplog.text.count("systemd cannot be told") == 1, "one line, however often it fails"
    notifier.close()


def unit_values(key):
    parser = configparser.RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#",), interpolation=None)
    parser.optionxform = str
    parser.read_string(UNIT.read_text(encoding="utf-8"))
    return parser["Service"].get(key) or parser["Unit"].get(key)


def test_the_unit_is_what_the_program_expects():
    assert unit_values("Type") == "notify"
    assert unit_values("Restart") == "on-failure"
    assert "kill -HUP $MAINPID" in unit_values("ExecReload"), "edge/daemon/daemon.py reads its configuration again then"
    assert unit_values("StartLimitIntervalSec") == "0", "a limit would leave it dead after a bad night"
    assert unit_values("StateDirectory") == "emotion-edge"
    assert int(unit_values("WatchdogSec")) > 15, "opening a camera may take that long"


needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)


@needs_systemd
def test_systemd_knows_every_line_of_the_unit(tmp_path):
    # The program need not be installed here: something that is takes its place.
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text(encoding="utf-8").replace("/opt/emotion-edge/current/bin/emotion-edge", "/bin/true"))
    found = analyze("verify", "--man=no", str(unit))
    complaints = [line for line in (found.stdout + found.stderr).splitlines() if UNIT.name in line]
    assert not complaints
    assert found.returncode == 0, found.stderr


@needs_systemd
def test_the_unit_is_hardened():
    found = analyze("security", "--offline=true", str(UNIT))
    if "offline" in found.stderr and found.returncode:
        pytest.skip(f"this systemd-analyze knows no --offline: {found.stderr.strip()}")
    exposed = re.search(r"Overall exposure level for \S+: ([0-9.]+)", found.stdout)
    assert exposed, found.stdout + found.stderr
    assert float(exposed[1]) <= MOST_EXPOSED
