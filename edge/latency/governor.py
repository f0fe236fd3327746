"""Feeds the budget controller with what the daemon and the board say, and tells people what it decides."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Final, Literal

from edge.latency.budget import Budget, Step
from edge.levels import LADDER, Level
from edge.logs.outage import LogQuota
from edge.messages.payload_builder import timestamp
from edge.messages.payloads import BudgetPayload, BudgetStep
from edge.system import board
from edge.system.realtime import RealtimePriority

log = logging.getLogger(__name__)

_BOARD_SECONDS: Final = 1.0
"""Between two looks at temperature and throttling: two small files of the kernel."""
_LATE_IN_A_ROW: Final = 4
"""At most so many frames are dropped for their age: a sensor that looks at nothing keeps any promise."""
_MOST_LINES: Final = 12
"""Steps that are logged within an hour: a load that comes and goes each minute would fill the log overnight."""


class Governor:
    """Says for each frame at which level the line should work.

    `fixed` keeps the best level whatever it costs: a file that is played as quickly as it can be
    processed has no latency to keep, and must give the same events on every machine.
    """

    def __init__(
        self,
        latency_ms: float,
        *,
        temperature_c: Callable[[], float | None] = board.temperature_c,
        throttled: Callable[[], bool | None] = board.throttled,
    ) -> None:
        self.fixed = False
        self.late = 0
        self._latency_ms = latency_ms
        self._budget = Budget(latency_ms)
        self._priority = RealtimePriority()
        self._temperature_c, self._throttled = temperature_c, throttled
        self._board_due = 0.0
        self._late_in_a_row = 0
        self._said = False
        self._steps: list[BudgetStep] = []
        self._lines = LogQuota(_MOST_LINES)

    @property
    def level(self) -> Level:
        """Level at which the line should work now."""
        return LADDER[self._budget.level]

    def too_late(self, age_ms: float) -> bool:
        """Tell whether a camera's frame is beyond its budget before any work on it, and count it if so.

        A newer one is about to come, and says more about now than this one.
        """
        if self.fixed or age_ms <= self._latency_ms or self._late_in_a_row >= _LATE_IN_A_ROW:
            self._late_in_a_row = 0
            return False
        self._late_in_a_row += 1
        self.late += 1
        return True

    def frame(self, now_monotonic: float, latency_ms: float, stage_ms: Mapping[str, float]) -> None:
        """Take a processed frame's latency and stage times, milliseconds; `level` may change."""
        if self.fixed:
            return
        self._tell(self._budget.frame(now_monotonic, latency_ms, stage_ms))
        if now_monotonic >= self._board_due:
            self._board_due = now_monotonic + _BOARD_SECONDS
            self._tell(self._budget.board(now_monotonic, self._temperature_c(), throttled=self._throttled()))
            self._priority.check(now_monotonic, time.process_time())
            self._complain()

    def start(self, priority: Literal["auto", "normal"], *, fixed: bool) -> None:
        """Begin, once the source is open. What is played as quickly as possible would take a whole processor."""
        self.fixed = fixed
        if priority == "auto" and not fixed:
            self._priority.acquire()

    def set_budget(self, latency_ms: float) -> None:
        """Keep another budget from here on; it is measured anew, from the level in force."""
        level = self._budget.level
        self._budget = Budget(latency_ms)
        self._budget.level = level
        self._latency_ms = latency_ms
        self._said = False

    def report(self) -> BudgetPayload:
        """Say where the line is on the ladder, and how it came there."""
        reachable = self._budget.reachable_ms
        return BudgetPayload(
            state="fixed" if self.fixed else "steady" if self._budget.measured else "measuring",
            level=self.level.name,
            level_index=self._budget.level,
            levels=[level.name for level in LADDER],
            priority=self._priority.state,
            reachable_ms=None if reachable is None else round(reachable, 2),
            steps=list(self._steps),
        )

    def _tell(self, step: Step | None) -> None:
        if step is None:
            return
        old, new = LADDER[step.from_level].name, LADDER[step.to_level].name
        left = self._lines.left(step.seconds)
        if left:
            more = "; more such steps within the hour are in health alone" if left == 1 else ""
            log.info("level %s to %s: %s%s", old, new, step.detail, more)
        said = BudgetStep(
            time=timestamp(time.time()), from_level=old, to_level=new, reason=step.cause, detail=step.detail
        )
        self._steps = [*self._steps, said][-(self._budget.steps.maxlen or 0) :]

    def _complain(self) -> None:
        reachable = self._budget.reachable_ms
        if reachable is not None and not self._said:
            self._said = True
            log.warning(
                "budget.latency_ms is %g, but even at the last level, %s, 99 frames of 100 take up to %.0f ms here at "
                "present: set it to %.0f or more, or give the sensor less to do",
                self._latency_ms,
                self.level.name,
                reachable,
                reachable + 1,
            )
