"""Acquires the lowest real-time priority where the system allows it, and gives it back when the sensors take too much.

Work that needs 4 ms of a processor every 66 ms is far less than a fair share, and still took 80 to 217 ms
at the 99th percentile on two processors under a load of four (Linux 6.18, ordinary policy, nice 0 and -10
alike, 200 frames each): a time slice ends after some milliseconds, and the process waits for the next one. At the
lowest real-time priority the work took 4.3 ms. Doing less work per frame does not shorten the wait.
"""

import logging
import os
import resource
from pathlib import Path
from typing import Final, Literal

from edge.system.cpu_slice import REALTIME_POLICIES, CpuSlice
from edge.system.priority_rule import PriorityRule, SensorUse

log = logging.getLogger(__name__)

_TASKS: Final = Path("/proc/self/task")
_LOWEST_PRIORITY: Final = 1


def _remedy() -> str:
    """Return what can be done where the priority is refused; the end of a sentence."""
    if resource.getrlimit(resource.RLIMIT_RTPRIO)[0] >= _LOWEST_PRIORITY:
        return ", so that busy programs can delay frames: this system does not allow it, as in a container"
    return (
        ", so that busy programs can delay frames: set LimitRTPRIO=1 in the service, or an rtprio limit of 1 for this "
        "user in limits.conf"
    )


def describe_priority(wanted: Literal["auto", "normal"]) -> str:
    """Try the real-time priority on the calling thread; return for `doctor` what `budget.priority` leads to here."""
    if wanted == "normal":
        return "ordinary priority, as budget.priority demands"
    before, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(_LOWEST_PRIORITY))
    except OSError as error:
        return f"no real-time priority ({error.strerror}){_remedy()}"
    os.sched_setscheduler(0, before, parameters)
    return "the lowest real-time priority is allowed: busy programs do not delay frames"


class RealtimePriority:
    """Controls the scheduling policy of this process, the same for all threads: they wait for one another.

    `sensors`: those of this device, which must not take too much together.
    """

    def __init__(self, sensors: CpuSlice | None = None) -> None:
        self._acquired = False
        self._sensors = sensors or CpuSlice()
        self._own = self._sensors.own or ""
        self._rule = PriorityRule(self._own)

    @property
    def state(self) -> Literal["realtime", "normal"]:
        """Policy of the calling thread, set by this process or by its service manager."""
        return "realtime" if os.sched_getscheduler(0) in REALTIME_POLICIES else "normal"

    def acquire(self) -> None:
        """Acquire the lowest real-time priority where the system allows it; new threads inherit it."""
        if self.state == "realtime":  # set by the service manager
            return
        try:
            _set_all(os.SCHED_RR, _LOWEST_PRIORITY)
        except OSError as error:
            log.info("no real-time priority (%s)%s", error.strerror, _remedy())
            return
        self._acquired = True
        log.info("running at the lowest real-time priority, so that busy programs do not delay frames")

    def check(self, now_monotonic: float, cpu_seconds: float) -> None:
        """Give the priority back where the rule demands it (`PriorityRule`); call it about once a second.

        `cpu_seconds`: processor time that this process has used so far. It counts alone outside the sensors' slice.
        """
        if not self._acquired:
            return
        uses = self._sensors.read() or {self._own: SensorUse(cpu_seconds, realtime=True)}
        excess = self._rule.check(now_monotonic, uses, len(os.sched_getaffinity(0)))
        if excess is None:
            return
        self._acquired = False
        _set_all(os.SCHED_OTHER, 0)
        if excess.sensors > 1:
            log.warning(
                "back to ordinary priority: the %d sensors of this device that have the real-time priority use %.0f %% "
                "of all processors, this one %.0f %%, and would starve other programs",
                excess.sensors,
                100 * excess.together,
                100 * excess.own,
            )
            return
        log.warning(
            "back to ordinary priority: the sensor uses %.0f %% of all processors and would starve other programs",
            100 * excess.together,
        )


def _set_all(policy: int, priority: int) -> None:
    for task in sorted(int(entry.name) for entry in _TASKS.iterdir()):
        try:
            os.sched_setscheduler(task, policy, os.sched_param(priority))
        except ProcessLookupError:
            continue  # the thread has ended
