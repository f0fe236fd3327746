"""Goes before other programs, where the system allows it, and never for long.

Work that needs 4 ms of a processor every 66 ms is far less than a fair share, and still took 80 to 217 ms
at the 99th percentile on two processors under a load of four (Linux 6.18, ordinary policy, nice 0 and -10
alike, 200 turns each): a turn is over after some milliseconds, and the next has to be waited for. At the
lowest real-time priority it took 4.3 ms. Doing less work is no help against waiting.
"""

import logging
import os
from pathlib import Path
from typing import Final, Literal

log = logging.getLogger(__name__)

_TASKS: Final = Path("/proc/self/task")
_LOWEST: Final = 1
_REAL_TIME: Final = (os.SCHED_RR, os.SCHED_FIFO)
MOST_SHARE: Final = 0.5
"""Of all processors: who needs more is no small task that may go first, and would starve the others."""
_PATIENCE: Final = 5
"""Looks in a row with more than that, before the priority is given back."""


_REMEDY: Final = (
    ", so that busy programs can hold up frames: LimitRTPRIO=1 in a service, or an rtprio limit of 1 for this user "
    "(limits.conf), allows it"
)


def describe_priority(wanted: Literal["auto", "normal"]) -> str:
    """Say for `doctor` what `budget.priority` comes to here, by trying it."""
    if wanted == "normal":
        return "ordinary, as budget.priority says"
    before, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(_LOWEST))
    except OSError as error:
        return f"no real-time priority ({error.strerror}){_REMEDY}"
    os.sched_setscheduler(0, before, parameters)
    return "the lowest real-time priority is allowed: busy programs do not hold up frames"


class RealtimePriority:
    """The scheduling policy of this process, all its threads alike: one that waits would hold up the others."""

    def __init__(self) -> None:
        self._raised = False
        self._last: tuple[float, float] | None = None
        self._greedy = 0

    @property
    def state(self) -> Literal["realtime", "normal"]:
        """What is in force for the calling thread, whoever set it."""
        return "realtime" if os.sched_getscheduler(0) in _REAL_TIME else "normal"

    def go_first(self) -> None:
        """Take the lowest real-time priority, if allowed; new threads inherit it."""
        if self.state == "realtime":  # the service manager has done it
            return
        try:
            _set_all(os.SCHED_RR, _LOWEST)
        except OSError as error:
            log.info("no real-time priority (%s)%s", error.strerror, _REMEDY)
            return
        self._raised = True
        log.info("at the lowest real-time priority, to keep the budget beside busy programs")

    def look(self, now_monotonic: float, cpu_seconds: float) -> None:
        """Give the priority back where this process takes too much; called every second or so.

        `cpu_seconds`: processor time of the process so far.
        """
        last, self._last = self._last, (now_monotonic, cpu_seconds)
        if not self._raised or last is None or now_monotonic <= last[0]:
            return
        share = (cpu_seconds - last[1]) / (now_monotonic - last[0]) / len(os.sched_getaffinity(0))
        self._greedy = self._greedy + 1 if share > MOST_SHARE else 0
        if self._greedy >= _PATIENCE:
            self._raised = False
            _set_all(os.SCHED_OTHER, 0)
            log.warning(
                "back to ordinary priority: the sensor takes %.0f %% of all processors, and would starve other work",
                100 * share,
            )


def _set_all(policy: int, priority: int) -> None:
    for task in sorted(int(entry.name) for entry in _TASKS.iterdir()):
        try:
            os.sched_setscheduler(task, policy, os.sched_param(priority))
        except ProcessLookupError:
            continue  # a thread that ended meanwhile
