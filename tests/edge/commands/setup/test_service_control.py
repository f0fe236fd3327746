"""The service of setup, with programs in place of systemctl and of the installation's: no systemd runs the tests."""

import signal
import subprocess
import threading

import pytest

from edge.commands.setup.service_control import ServiceControl
from edge.system.service import Service
from support.mqtt import wait_until
from support.service_programs import FakeSystemctl


@pytest.fixture
def machine(tmp_path):
    return FakeSystemctl(tmp_path)


def test_check_is_that_of_the_installation_for_this_instance(machine, tmp_path):
    control = machine.control(Service("door"))
    machine.share_service(exit_code=0)
    assert control.check(tmp_path / "door.toml", None)
    machine.share_service(exit_code=1)
    assert not control.check(tmp_path / "door.toml", None)
    assert machine.checks == ["check door", "check door"]
    assert machine.control(Service()).check(tmp_path / "config.toml", None) is False
    assert machine.checks[-1] == "check"


def test_check_that_is_interrupted_may_still_remove_its_traces(machine, tmp_path, monkeypatch):
    machine.share_service(exit_code=0)
    traces, waiting, interrupted = tmp_path / "traces", threading.Event(), threading.Event()
    (machine.share / "service").write_text(
        f"trap 'rm {traces}; exit 130' TERM; touch {traces}; while :; do sleep 0.05; done\n"
    )

    class WaitedFor(subprocess.Popen):
        def wait(self, timeout=None):
            waiting.set()
            return super().wait(timeout)

        def terminate(self):
            interrupted.set()
            super().terminate()

    def interrupt():
        waiting.wait(60)
        wait_until(traces.exists)
        while not interrupted.is_set():
            # To the thread that waits: the process's signal may go to another one, and would wake nobody. Again where
            # it came in the moment before the system call, which it does not end.
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            interrupted.wait(5)

    monkeypatch.setattr(subprocess, "Popen", WaitedFor)
    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        machine.control(Service()).check(tmp_path / "config.toml", None)
    assert not traces.exists()


def test_start_enables_and_restarts_the_unit(machine):
    control = machine.control(Service("door"))
    assert control.is_installed
    assert control.start() is None
    assert machine.commands[-2:] == ["enable emotion-edge@door", "restart emotion-edge@door"]
    assert (machine.enabled, machine.active) == (True, True)


def test_service_that_does_not_start_is_told(machine):
    machine.fails = {"restart": "Job for emotion-edge.service failed."}
    assert machine.control(Service()).start() == "Job for emotion-edge.service failed."
    machine.fails = {"enable": ""}
    assert machine.control(Service()).start() == "systemctl enable ended with 1"


@pytest.mark.parametrize(("enabled", "active"), [(False, False), (True, True), (True, False)])
def test_undo_leaves_the_service_as_it_was(machine, enabled, active):
    machine.enabled, machine.active = enabled, active
    control = machine.control(Service())
    control.undo()
    assert machine.commands == []
    control.start()
    control.undo()
    assert (machine.enabled, machine.active) == (enabled, active)
    assert machine.commands[-1] == ("restart" if active else "stop") + " emotion-edge"


def test_without_systemd_or_the_unit_nothing_is_installed(machine, tmp_path):
    machine.known = False
    assert not machine.control(Service()).is_installed
    assert not ServiceControl(Service(), booted=tmp_path / "nowhere").is_installed

    def absent(_):
        raise FileNotFoundError(2, "No such file or directory")

    control = ServiceControl(Service(), booted=tmp_path, run=absent)
    assert not control.is_installed
    assert control.start() == "systemctl cannot be run (No such file or directory)"


def test_real_systemctl_is_asked_as_it_understands():
    if not (help_text := _help()):
        pytest.skip("systemctl is not installed")
    for verb in ("show", "is-active", "is-enabled", "enable", "disable", "restart", "stop"):
        assert f"  {verb} " in help_text


def _help():
    try:
        return subprocess.run(["systemctl", "--help"], capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return ""
