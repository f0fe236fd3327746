"""Tests the scheduling policies of real processes; a refused system call imitates a system that allows none."""

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge.system.realtime import RealtimePriority, describe_priority
from support.program import run, start

ROUND_ROBIN = "import os; os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))"


@pytest.fixture(scope="module")
def allowed():
    tried = subprocess.run([sys.executable, "-c", ROUND_ROBIN], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip("this system allows no real-time priority")


def policies_after(*checks):
    """Return state and policies of a process with three threads after these checks (seconds, processor seconds)."""
    code = f"""
import json, os, sys, threading, time
from edge.system.realtime import RealtimePriority
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
priority = RealtimePriority()
priority.acquire()
for seconds, cpu in {checks!r}:
    priority.check(seconds, cpu * len(os.sched_getaffinity(0)))
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
print(json.dumps([priority.state, *(os.sched_getscheduler(int(task)) for task in os.listdir("/proc/self/task"))]))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    state, *policies = json.loads(ran.stdout)
    assert len(policies) == 3
    return state, set(policies)


@pytest.mark.usefixtures("allowed")
def test_old_and_new_threads_get_realtime_priority():
    assert policies_after() == ("realtime", {os.SCHED_RR})


@pytest.mark.usefixtures("allowed")
def test_describing_the_priority_does_not_change_it():
    before = os.sched_getscheduler(0)
    assert describe_priority("auto").startswith("the lowest real-time priority is allowed")
    assert describe_priority("normal") == "ordinary priority, as budget.priority demands"
    assert os.sched_getscheduler(0) == before


def test_description_of_a_refused_priority_names_the_remedy(monkeypatch):
    def refuse(*_arguments):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    assert describe_priority("auto").startswith("no real-time priority (Operation not permitted), so that busy")
    assert "LimitRTPRIO=1" in describe_priority("auto")


@pytest.mark.usefixtures("allowed")
def test_priority_is_given_back_only_after_lasting_heavy_use():
    busy = [(float(second), 0.6 * second) for second in range(7)]
    assert policies_after(*busy) == ("normal", {os.SCHED_OTHER})
    assert policies_after(*busy[:5]) == ("realtime", {os.SCHED_RR})  # a busy moment
    modest = [(float(second), 0.4 * second) for second in range(30)]
    assert policies_after(*modest) == ("realtime", {os.SCHED_RR})


TOGETHER = """
import logging, os, sys
from edge.system.priority_rule import SensorUse
from edge.system.realtime import RealtimePriority

class Slice:
    own = "emotion-edge@hall.service"
    seconds = 0
    def read(self):
        self.seconds += 1
        used = self.seconds * len(os.sched_getaffinity(0))
        others = {f"emotion-edge{end}.service": SensorUse(0.125 * used, realtime=True) for end in ("", "@door")}
        return others | {self.own: SensorUse(0.375 * used, realtime=True)}

logging.basicConfig(stream=sys.stdout, format="%(message)s")
priority = RealtimePriority(Slice())
priority.acquire()
for second in range(7):
    print(second, priority.state, flush=True)
    priority.check(float(second), 0.0)
"""


@pytest.mark.usefixtures("allowed")
def test_sensors_of_one_device_count_together_and_the_log_says_so():
    ran = subprocess.run([sys.executable, "-c", TOGETHER], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == [
        *(f"{second} realtime" for second in range(6)),
        "back to ordinary priority: the 3 sensors of this device that have the real-time priority use 62 % of all "
        "processors, this one 38 %, and would starve other programs",
        "6 normal",
    ]


def test_refused_priority_is_logged_with_the_remedy(monkeypatch, caplog):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    priority = RealtimePriority()
    with caplog.at_level(logging.INFO):
        priority.acquire()
    assert "Operation not permitted" in caplog.text
    assert "LimitRTPRIO=1" in caplog.text
    for second in range(10):
        priority.check(float(second), 100.0 * second)  # nothing to give back
    assert priority.state == "normal"


@pytest.mark.usefixtures("allowed")
@pytest.mark.parametrize(("wanted", "policy"), [("auto", os.SCHED_RR), ("normal", os.SCHED_OTHER)])
def test_run_command_applies_the_configured_priority(wanted, policy):
    process = start("run", "--source", "scripted:happy=9?loop=1", EMOTION_EDGE_BUDGET_PRIORITY=wanted)
    try:
        assert "face_appeared" in process.stdout.readline()
        tasks = {os.sched_getscheduler(int(task.name)) for task in Path(f"/proc/{process.pid}/task").iterdir()}
        assert tasks == {policy}
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


@pytest.mark.usefixtures("allowed")
def test_fast_playback_stays_at_ordinary_priority():
    """It uses a whole processor."""
    result = run("run", "--fast", "--source", "scripted:happy=1")
    assert result.returncode == 0
    assert "real-time" not in result.stderr
