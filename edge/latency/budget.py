"""The latency budget: answers the timings of frames with a level of the ladder. Pure, and without a clock.

Down: of the frames seen at this level within ten seconds more than one, and more than the hundredth that
the promise leaves free, took 80 % of the budget or longer. Up: for two seconds no frame took over 60 %.
An up-step that did not last is tried again only after a pause that doubles each time, or as soon as
frames are clearly quicker on average than they were before it: then what kept the processor busy has gone.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from edge.levels import LADDER

Cause = Literal["start", "latency", "room", "throttled", "hot"]

NEAR: Final = 0.8
"""Share of the budget that counts as too slow: there must be time to act before the promise is broken."""
ROOM: Final = 0.6
"""Share of the budget that leaves room for more work; the gap to NEAR is what keeps a level."""
FREE: Final = 0.01
"""The promise is on the 99th percentile."""
WINDOW_SECONDS: Final = 10.0
WINDOW_FRAMES: Final = 10
"""At least so many frames are looked at, however old: one a second must be judged too."""
SETTLE_FRAMES: Final = 1
"""Not counted after a step: it waited in the slot while the frame before it was slow."""
CALM_SECONDS: Final = 2.0
"""Without a frame over ROOM before a step up: three of them bring the last level back to the first in six."""
TRIAL_SECONDS: Final = 10.0
"""A step up that lasted for so long has succeeded."""
FIRST_PAUSE_SECONDS: Final = 4.0
LAST_PAUSE_SECONDS: Final = 60.0
"""An attempt that fails costs two slow frames; at 10 frames a second that is a third of what is free."""
QUICKER: Final = 0.7
"""Mean latency, as a share of that before the attempt that failed, that makes another one worth it."""
START_SECONDS: Final = 1.0
"""At the start a level counts as measured once it was kept for so long."""
WARM_UP_FRAMES: Final = 5
"""Not counted at the start: caches are cold and buffers are allocated."""
STRAIN_SECONDS: Final = 30.0
"""Between two steps down because of heat, and after it before a step up: a heat sink takes that long."""
HOT_C: Final = 80.0
"""From here on a Raspberry Pi slows its processor down (Raspberry Pi documentation, frequency management)."""
UNREACHABLE_SECONDS: Final = 3.0
"""At the last level before the budget is said to be out of reach."""
WAITING: Final = "waiting"
"""What no stage accounts for: the wait for a frame's turn, and for a processor."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step along the ladder, `seconds` on the caller's clock; `detail` is a sentence without its full stop."""

    seconds: float
    from_level: int
    to_level: int
    cause: Cause
    detail: str


@dataclass(slots=True)
class _Failure:
    """A step up that did not last: how long not to repeat it, and the mean latency before it, if known."""

    pause_seconds: float
    until: float
    calm_ms: float | None


class _Window:
    """The frames seen at a level of late, and how many of them took longer than each limit."""

    def __init__(self, near_ms: float, budget_ms: float) -> None:
        self._near_ms, self._budget_ms = near_ms, budget_ms
        self.clear()

    def clear(self) -> None:
        self._frames: deque[tuple[float, float]] = deque()
        self.near = self.over = 0

    def __len__(self) -> int:
        return len(self._frames)

    def add(self, seconds: float, latency_ms: float) -> None:
        self._frames.append((seconds, latency_ms))
        self._count(latency_ms, 1)
        while len(self._frames) > WINDOW_FRAMES and self._frames[0][0] < seconds - WINDOW_SECONDS:
            self._count(self._frames.popleft()[1], -1)

    def _count(self, latency_ms: float, by: int) -> None:
        self.near += by * (latency_ms >= self._near_ms)
        self.over += by * (latency_ms > self._budget_ms)

    def too_many(self, count: int) -> bool:
        """Tell whether `count` frames are more than the promise leaves free: one in each hundred begun."""
        return count > max(1, math.ceil(FREE * len(self._frames)))

    @property
    def p99_ms(self) -> float:
        """Smallest latency that 99 of 100 frames do not exceed."""
        ranked = sorted(latency_ms for _, latency_ms in self._frames)
        return ranked[math.ceil((1 - FREE) * len(ranked)) - 1] if ranked else 0.0


class Budget:
    """Keeps the 99th percentile of `latency_ms` within a budget by choosing among `levels` levels, 0 the best.

    `seconds` of all calls are on one clock that does not go backwards. `level` is where the line should
    be now; `steps` are the last few of the ways there; `measured` says whether the start is over.
    """

    def __init__(self, latency_ms: float, levels: int = len(LADDER)) -> None:
        self._budget_ms = latency_ms
        self._last = levels - 1
        self.level = 0
        self.steps: deque[Step] = deque(maxlen=8)
        self.measured = False
        self._skip = WARM_UP_FRAMES
        self._now = 0.0
        self._window = _Window(NEAR * latency_ms, latency_ms)
        self._since = -math.inf  # when the level was last changed; at the start, when it was first measured
        self._blame: dict[str, float] = {}
        self._calm_since = math.inf
        self._calm_frames = 0
        self._calm_sum_ms = 0.0
        self._attempt: float | None = None  # mean latency before the step up that is on trial
        self._failures: dict[int, _Failure] = {}  # by the level that the step up began on
        self._strain_step = -math.inf
        self._strained_until = -math.inf

    def frame(self, seconds: float, latency_ms: float, stage_ms: Mapping[str, float]) -> Step | None:
        """Take one processed frame's latency and its stages' times, milliseconds; a step where it leads to one."""
        self._now = seconds
        if self._skip:
            self._skip -= 1
            return None
        if not math.isfinite(self._since):
            self._since = seconds
        self._window.add(seconds, latency_ms)
        self._note(seconds, latency_ms, stage_ms)
        # First up: at the last level slow frames of a load that has gone stay in the window for a while.
        if self._may_rise(seconds):
            return self._rise(seconds)
        if self.level < self._last and self._window.too_many(self._window.near):
            return self._down(seconds)
        self._judge(seconds)
        return None

    def board(self, seconds: float, temperature_c: float | None, *, throttled: bool | None) -> Step | None:
        """Take the board's word, None where it says nothing; a step down where it is under strain."""
        if throttled:
            cause: Cause = "throttled"
            detail = "the firmware holds the processor's clock down"
        elif temperature_c is not None and temperature_c >= HOT_C:
            cause, detail = "hot", f"the processor is at {temperature_c:.0f} degrees C, and slows down from {HOT_C:.0f}"
        else:
            return None
        self._strained_until = seconds + STRAIN_SECONDS
        if self.level == self._last or seconds - self._strain_step < STRAIN_SECONDS:
            return None
        self._strain_step = seconds
        self._attempt = None
        return self._step(seconds, self.level + 1, cause, detail)

    @property
    def reachable_ms(self) -> float | None:
        """99th percentile at the last level where even that breaks the budget; else None."""
        if self.level < self._last or not self._window.too_many(self._window.over):
            return None
        return self._window.p99_ms if self._now - self._since >= UNREACHABLE_SECONDS else None

    def _note(self, seconds: float, latency_ms: float, stage_ms: Mapping[str, float]) -> None:
        """Remember what slow frames spent their time on, and for how long there has been room."""
        if latency_ms >= NEAR * self._budget_ms:
            for stage, spent in {**stage_ms, WAITING: latency_ms - sum(stage_ms.values())}.items():
                self._blame[stage] = self._blame.get(stage, 0.0) + spent
        if latency_ms > ROOM * self._budget_ms:
            self._calm_since = math.inf
        elif not math.isfinite(self._calm_since):
            self._calm_since, self._calm_frames, self._calm_sum_ms = seconds, 1, latency_ms
        else:
            self._calm_frames += 1
            self._calm_sum_ms += latency_ms

    def _may_rise(self, seconds: float) -> bool:
        if self.level == 0 or not self.measured or seconds < self._strained_until:
            return False
        if seconds - self._calm_since < CALM_SECONDS or self._calm_frames < WINDOW_FRAMES:
            return False
        failure = self._failures.get(self.level)
        if failure is None or seconds >= failure.until:
            return True
        return failure.calm_ms is not None and self._calm_ms <= QUICKER * failure.calm_ms

    @property
    def _calm_ms(self) -> float:
        return self._calm_sum_ms / self._calm_frames

    def _rise(self, seconds: float) -> Step:
        self._attempt = self._calm_ms
        detail = f"no frame took over {ROOM * self._budget_ms:.3g} ms for {seconds - self._calm_since:.1f} s"
        return self._step(seconds, self.level - 1, "room", detail)

    def _down(self, seconds: float) -> Step:
        worst = max(self._blame, key=lambda stage: self._blame[stage])
        detail = (
            f"{self._window.near} of {len(self._window)} frames took {NEAR * self._budget_ms:.3g} ms or longer of the "
            f"budget of {self._budget_ms:g}, most of it {worst if worst == WAITING else f'in {worst}'}"
        )
        if not self.measured:
            # Nobody knows yet how quick frames are below, so only time allows another try.
            self._fail(self.level + 1, seconds, None)
        elif self._attempt is not None:
            self._fail(self.level + 1, seconds, self._attempt)
        self._attempt = None
        return self._step(seconds, self.level + 1, "latency" if self.measured else "start", detail)

    def _fail(self, level: int, seconds: float, calm_ms: float | None) -> None:
        before = self._failures.get(level)
        pause = FIRST_PAUSE_SECONDS if before is None else min(LAST_PAUSE_SECONDS, 2 * before.pause_seconds)
        if before is not None and before.calm_ms is not None and calm_ms is not None:
            # The least that is known not to be enough: quick frames by chance end a pause only a few times.
            calm_ms = min(calm_ms, before.calm_ms)
        self._failures[level] = _Failure(pause, seconds + pause, calm_ms)

    def _judge(self, seconds: float) -> None:
        """End the start, or a trial, once the level has been kept for long enough."""
        kept = seconds - self._since
        if kept >= START_SECONDS and len(self._window) >= WINDOW_FRAMES:
            self.measured = True
        if self._attempt is not None and kept >= TRIAL_SECONDS:
            self._attempt = None
            self._failures = {level: failure for level, failure in self._failures.items() if level <= self.level}

    def _step(self, seconds: float, level: int, cause: Cause, detail: str) -> Step:
        step = Step(seconds, self.level, level, cause, detail)
        self.steps.append(step)
        self.level, self._since, self._skip = level, seconds, SETTLE_FRAMES
        self._window.clear()
        self._blame.clear()
        self._calm_since = math.inf
        return step
