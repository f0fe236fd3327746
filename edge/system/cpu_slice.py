"""Reads how much processor time each sensor of this device takes, from the slice of systemd that they share.

A slice is a control group (cgroups(7), version 2) with a group for each of its services. Their files can be read by
every user and in a hardened service: ProtectControlGroups= makes them read-only, and PrivateUsers= and ProtectProc= do
not hide them (tried with systemd 252 and 257).
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from edge.system.priority_rule import SensorUse
from edge.system.service import PROGRAM

SLICE: Final = "system-emotionedge.slice"
"""Slice= of both units in systemd/. Below system.slice, so that nothing changes in how services share processors."""
REALTIME_POLICIES: Final = (os.SCHED_RR, os.SCHED_FIFO)
_PROCESSES: Final = Path("/proc")
_GROUPS: Final = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))
"""Where version 2 is mounted, alone or beside version 1."""
_MICROSECONDS: Final = 1_000_000


class CpuSlice:
    """The sensors of this device, by the names of their units. `own`: that of this process; None outside the slice.

    A program that was started by hand, one in a container and one with version 1 of control groups is outside.
    """

    def __init__(
        self,
        processes: Path = _PROCESSES,
        groups: tuple[Path, ...] = _GROUPS,
        policy: Callable[[int], int] = os.sched_getscheduler,
    ) -> None:
        """`processes`, `groups`: the kernel's folders. `policy`: returns the scheduling policy of a process."""
        self._policy = policy
        self.own: str | None = None
        path = _group_of_this_process(processes)
        if path.parent.name == SLICE:
            found = [group / path.parent.relative_to("/") for group in groups]
            self._folder = next((folder for folder in found if (folder / path.name).is_dir()), None)
            self.own = None if self._folder is None else path.name

    def read(self) -> Mapping[str, SensorUse]:
        """Return what each sensor takes now; empty outside the slice, and where this process' own group is unreadable.

        A service that ends meanwhile is left out.
        """
        if self.own is None or self._folder is None:
            return {}
        uses = {}
        try:
            services = [each for each in self._folder.iterdir() if each.name.startswith((f"{PROGRAM}.", f"{PROGRAM}@"))]
        except OSError:
            return {}
        for service in services:
            try:
                uses[service.name] = SensorUse(_cpu_seconds(service), self._is_realtime(service))
            except (OSError, ValueError):
                continue
        return uses if self.own in uses else {}

    def _is_realtime(self, service: Path) -> bool:
        """Return whether a process of a service has the real-time priority. A sensor gives it to all of its threads."""
        numbers = (service / "cgroup.procs").read_text(encoding="ascii").split()
        for number in map(int, numbers):
            try:
                # A process of another namespace is listed as 0, which would mean this process.
                if number > 0 and self._policy(number) in REALTIME_POLICIES:
                    return True
            except ProcessLookupError:
                continue
        return False


def _group_of_this_process(processes: Path) -> Path:
    """Return the control group of version 2, such as /system.slice/ssh.service; / where it is not known."""
    try:
        lines = (processes / "self" / "cgroup").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return Path("/")
    return Path(next((line.removeprefix("0::") for line in lines if line.startswith("0::/")), "/"))


def _cpu_seconds(group: Path) -> float:
    """Return the processor time of a group. Raises OSError and ValueError where it is not there."""
    for line in (group / "cpu.stat").read_text(encoding="ascii").splitlines():
        key, _, value = line.partition(" ")
        if key == "usage_usec":
            return int(value) / _MICROSECONDS
    raise ValueError("cpu.stat has no usage_usec")
