"""Readings of the sensors' slice, from folders as the kernel shows them."""

import os

import pytest

from edge.system.cpu_slice import SLICE, CpuSlice
from edge.system.priority_rule import SensorUse

PATH = f"system.slice/{SLICE}"


class Kernel:
    """A kernel with control groups below `root`. `policies`: scheduling policies by process id."""

    def __init__(self, root):
        self.groups, self.processes = root / "cgroup", root / "proc"
        self.policies = {}

    def add(self, unit, cpu_seconds, *processes, policy=os.SCHED_OTHER, path=PATH):
        folder = self.groups / path / unit
        folder.mkdir(parents=True, exist_ok=True)
        stat = f"usage_usec {round(cpu_seconds * 1e6)}\nuser_usec 1\nsystem_usec 1\n"
        (folder / "cpu.stat").write_text(stat, encoding="ascii")
        (folder / "cgroup.procs").write_text("".join(f"{one}\n" for one in processes), encoding="ascii")
        self.policies |= dict.fromkeys(processes, policy)

    def slice_of(self, lines):
        """Return the slice as a process sees it whose file of control groups has these lines."""
        (self.processes / "self").mkdir(parents=True, exist_ok=True)
        (self.processes / "self" / "cgroup").write_text(lines, encoding="utf-8")
        return CpuSlice(self.processes, (self.groups.parent / "none", self.groups), self.policy)

    def policy(self, process):
        if process not in self.policies:
            raise ProcessLookupError
        return self.policies[process]


@pytest.fixture
def kernel(tmp_path):
    return Kernel(tmp_path)


def test_each_sensor_of_the_slice_is_read_and_nothing_else(kernel):
    kernel.add("emotion-edge.service", 12.5, 0, 99, 100, policy=os.SCHED_RR)
    kernel.add("emotion-edge@door.service", 3.25, 200)
    kernel.add("emotion-edge@new.service", 0.0)
    kernel.add("emotion-edge-check.service", 9.0, 300, policy=os.SCHED_RR)
    kernel.add("other.service", 9.0, 301, policy=os.SCHED_RR)
    kernel.policies.pop(99)  # it has just ended
    sensors = kernel.slice_of(f"0::/{PATH}/emotion-edge@door.service\n")
    assert sensors.own == "emotion-edge@door.service"
    assert sensors.read() == {
        "emotion-edge.service": SensorUse(12.5, realtime=True),
        "emotion-edge@door.service": SensorUse(3.25, realtime=False),
        "emotion-edge@new.service": SensorUse(0.0, realtime=False),
    }


@pytest.mark.parametrize(
    "lines",
    [
        "0::/user.slice/user-1000.slice/session-3.scope\n",
        "0::/system.slice/emotion-edge.service\n",
        f"4:cpu,cpuacct:/{PATH}/emotion-edge.service\n1:name=systemd:/{PATH}/emotion-edge.service\n",
        f"0::/{PATH}/gone.service\n",
        "0::/\n",
        "",
    ],
)
def test_outside_the_slice_nothing_is_read(lines, kernel):
    kernel.add("emotion-edge.service", 12.5, 100)
    kernel.add("emotion-edge.service", 12.5, 100, path="system.slice")
    sensors = kernel.slice_of(lines)
    assert (sensors.own, sensors.read()) == (None, {})


@pytest.mark.parametrize("content", ["", "nr_periods 0\n", "usage_usec many\n"])
def test_sensor_that_cannot_be_read_is_left_out_and_without_this_one_there_is_no_reading(content, kernel):
    for unit in ("emotion-edge.service", "emotion-edge@door.service"):
        kernel.add(unit, 1.0)
    sensors = kernel.slice_of(f"0::/{PATH}/emotion-edge.service\n")
    (kernel.groups / PATH / "emotion-edge@door.service" / "cpu.stat").write_text(content, encoding="ascii")
    assert sensors.read() == {"emotion-edge.service": SensorUse(1.0, realtime=False)}
    (kernel.groups / PATH / "emotion-edge.service" / "cpu.stat").write_text(content, encoding="ascii")
    assert sensors.read() == {}


def test_this_process_is_read_without_an_error():
    assert isinstance(CpuSlice().read(), dict)
