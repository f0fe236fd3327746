"""Real policies of real processes; a system that allows none is imitated by a refusal."""

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


def policies_after(*looks):
    """Raise a process with a second thread, let it look at these (seconds, processor seconds); policies by thread."""
    code = f"""
import json, os, sys, threading, time
from edge.system.realtime import RealtimePriority
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
priority = RealtimePriority()
priority.go_first()
for seconds, cpu in {looks!r}:
    priority.look(seconds, cpu * len(os.sched_getaffinity(0)))
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
print(json.dumps([priority.state, *(os.sched_getscheduler(int(task)) for task in os.listdir("/proc/self/task"))]))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    state, *policies = json.loads(ran.stdout)
    assert len(policies) == 3
    return state, set(policies)


@pytest.mark.usefixtures("allowed")
def test_all_threads_go_first_old_and_new():
    assert policies_after() == ("realtime", {os.SCHED_RR})


@pytest.mark.usefixtures("allowed")
def test_doctor_tries_it_and_gives_it_back():
    before = os.sched_getscheduler(0)
    assert describe_priority("auto").startswith("the lowest real-time priority is allowed")
    assert describe_priority("normal") == "ordinary, as budget.priority says"
    assert os.sched_getscheduler(0) == before


def test_doctor_says_what_would_allow_it(monkeypatch):
    def refuse(*_arguments):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    assert describe_priority("auto").startswith("no real-time priority (Operation not permitted), so that busy")
    assert "LimitRTPRIO=1" in describe_priority("auto")


@pytest.mark.usefixtures("allowed")
def test_one_that_takes_too_much_goes_back_into_the_row():
    busy = [(float(second), 0.6 * second) for second in range(7)]
    assert policies_after(*busy) == ("normal", {os.SCHED_OTHER})
    assert policies_after(*busy[:5]) == ("realtime", {os.SCHED_RR})  # a busy moment
    modest = [(float(second), 0.4 * second) for second in range(30)]
    assert policies_after(*modest) == ("realtime", {os.SCHED_RR})


def test_where_it_is_not_allowed_it_says_what_would_allow_it(monkeypatch, caplog):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    priority = RealtimePriority()
    with caplog.at_level(logging.INFO):
        priority.go_first()
    assert "Operation not permitted" in caplog.text
    assert "LimitRTPRIO=1" in caplog.text
    for second in range(10):
        priority.look(float(second), 100.0 * second)  # nothing to give back
    assert priority.state == "normal"


@pytest.mark.usefixtures("allowed")
@pytest.mark.parametrize(("wanted", "policy"), [("auto", os.SCHED_RR), ("normal", os.SCHED_OTHER)])
def test_the_program_follows_the_configuration(wanted, policy):
    process = start("run", "--source", "scripted:happy=9?loop=1", EMOTION_EDGE_BUDGET_PRIORITY=wanted)
    try:
        assert "face_appeared" in process.stdout.readline()
        tasks = {os.sched_getscheduler(int(task.name)) for task in Path(f"/proc/{process.pid}/task").iterdir()}
        assert tasks == {policy}
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


@pytest.mark.usefixtures("allowed")
def test_a_file_played_quickly_does_not_go_first():
    """It would take a whole processor."""
    result = run("run", "--fast", "--source", "scripted:happy=1")
    assert result.returncode == 0
    assert "real-time" not in result.stderr
