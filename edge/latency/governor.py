"""Feeds the budget controller with latencies and the board's state, and reports its steps in log and health."""

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
"""Interval at which temperature and throttling are read, from two small files of the kernel."""
MAX_LATE_IN_A_ROW: Final = 4
"""Maximum number of late frames dropped in a row: a sensor that drops every frame would keep any budget."""
_NEWER_WITHIN_MS: Final = 200.0
"""Time within which a newer frame must be due for a late one to be dropped. From 5 frames a second on that is always
so; at one frame in ten seconds, who is dropped is not seen for ten seconds."""
_MAX_LOGGED_STEPS: Final = 12
"""Maximum number of steps logged per hour: a load that comes and goes each minute would fill the log overnight."""


class Governor:
    """Sets the level at which the pipeline works.

    `fixed` keeps the best level whatever it costs: a file that is played as quickly as it can be processed has no
    latency to keep, and must give the same events on every machine. `late` counts the frames dropped for their age.
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
        self._board_due_at = 0.0
        self._late_in_a_row = 0
        self._unreachable_logged = False
        self._steps: list[BudgetStep] = []
        self._log_quota = LogQuota(_MAX_LOGGED_STEPS)

    @property
    def level(self) -> Level:
        """Level at which the pipeline should work now."""
        return LADDER[self._budget.level]

    def too_late(self, age_ms: float, interval_ms: float = 0.0) -> bool:
        """Return whether to drop a camera's frame that exceeds the budget before any work on it, and count it if so.

        `age_ms`: milliseconds since its capture. `interval_ms`: milliseconds between two frames of the camera, 0 where
        that is not known. A frame is dropped only where a newer one, which shows more of the present, is about to
        follow.
        """
        newer_is_far = interval_ms - age_ms > _NEWER_WITHIN_MS
        if self.fixed or age_ms <= self._latency_ms or newer_is_far or self._late_in_a_row >= MAX_LATE_IN_A_ROW:
            self._late_in_a_row = 0
            return False
        self._late_in_a_row += 1
        self.late += 1
        return True

    def frame(self, now_monotonic: float, latency_ms: float, stage_ms: Mapping[str, float]) -> None:
        """Record the latency and stage times of a processed frame, in milliseconds; `level` may change."""
        if self.fixed:
            return
        self._report_step(self._budget.frame(now_monotonic, latency_ms, stage_ms))
        if now_monotonic >= self._board_due_at:
            self._board_due_at = now_monotonic + _BOARD_SECONDS
            self._report_step(self._budget.board(now_monotonic, self._temperature_c(), throttled=self._throttled()))
            self._priority.check(now_monotonic, time.process_time())
            self._warn_if_unreachable()

    def start(self, priority: Literal["auto", "normal"], *, fixed: bool) -> None:
        """Start once the source is open: set `fixed`, and acquire the real-time priority where `priority` is "auto".

        With `fixed` the priority stays ordinary, because the sensor then uses a whole processor.
        """
        self.fixed = fixed
        if priority == "auto" and not fixed:
            self._priority.acquire()

    def set_budget(self, latency_ms: float) -> None:
        """Apply another budget from now on; measuring starts anew, at the level in force."""
        level = self._budget.level
        self._budget = Budget(latency_ms)
        self._budget.level = level
        self._latency_ms = latency_ms
        self._unreachable_logged = False

    def report(self) -> BudgetPayload:
        """Return the level in force and the last steps, for the health payload."""
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

    def _report_step(self, step: Step | None) -> None:
        if step is None:
            return
        old, new = LADDER[step.from_level].name, LADDER[step.to_level].name
        left = self._log_quota.left(step.seconds)
        if left:
            more = "; further steps within the hour are reported in health only" if left == 1 else ""
            log.info("level %s to %s: %s%s", old, new, step.detail, more)
        reported = BudgetStep(
            time=timestamp(time.time()), from_level=old, to_level=new, reason=step.cause, detail=step.detail
        )
        self._steps = [*self._steps, reported][-(self._budget.steps.maxlen or 0) :]

    def _warn_if_unreachable(self) -> None:
        reachable = self._budget.reachable_ms
        if reachable is not None and not self._unreachable_logged:
            self._unreachable_logged = True
            log.warning(
                "budget.latency_ms is %g, but even at the last level, %s, the 99th percentile is %.0f ms: "
                "set it to %.0f or more, or reduce the load",
                self._latency_ms,
                self.level.name,
                reachable,
                reachable + 1,
            )
