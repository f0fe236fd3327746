"""Chooses the level of the ladder from the latencies of frames, so that the budget is kept. Pure, and without a clock.

Step down: of the frames of the last ten seconds at this level more than one, and more than one in a hundred, took 80 %
of the budget or longer; the 99th percentile leaves one in a hundred free. Step up: for two seconds no frame took more
than 60 %. A step up that did not last is repeated only after a pause that doubles each time, or as soon as frames are
clearly quicker on average than before it: then the load that kept the processor busy has gone.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from edge.levels import LADDER

Cause = Literal["start", "latency", "room", "throttled", "hot"]

SLOW_SHARE: Final = 0.8
"""Share of the budget from which a frame counts as slow: there must be time to act before the budget is broken."""
ROOM_SHARE: Final = 0.6
"""Share of the budget up to which a frame leaves room for more work; between it and SLOW_SHARE the level stays."""
FREE_SHARE: Final = 0.01
"""Share of frames that may exceed the budget, which limits the 99th percentile."""
WINDOW_SECONDS: Final = 10.0
"""Age up to which frames count for a step down."""
WINDOW_FRAMES: Final = 10
"""Number of frames that count whatever their age: the rule must work at one frame a second too."""
SETTLE_FRAMES: Final = 1
"""Frames that do not count after a step: the next one waited in the slot while the frame before it was slow."""
CALM_SECONDS: Final = 2.0
"""Time without a frame over ROOM_SHARE before a step up: three steps lead from the last level to the first in six."""
TRIAL_SECONDS: Final = 10.0
"""Time for which a step up must last to count as a success, and WINDOW_FRAMES frames where these take longer."""
FIRST_PAUSE_SECONDS: Final = 4.0
"""Pause after the first step up that failed, and FRAMES_PER_PAUSE_SECOND frames for each of its seconds where these
take longer; it doubles up to MAX_PAUSE_SECONDS."""
MAX_PAUSE_SECONDS: Final = 60.0
"""Longest pause. A failed step up costs two slow frames: at 10 frames a second a third of the share that is free."""
FRAMES_PER_PAUSE_SECOND: Final = 10
"""Frames that a second of a pause stands for: at one frame a second a minute would not make failed steps rare."""
QUICKER_SHARE: Final = 0.7
"""Mean latency, as a share of that before the step up that failed, from which another step up is worth it."""
START_SECONDS: Final = 1.0
"""Time for which a level must be kept at the start to count as measured."""
WARM_UP_FRAMES: Final = 5
"""Frames that do not count at the start: caches are cold and buffers are allocated."""
STRAIN_SECONDS: Final = 30.0
"""Time between two steps down because of heat, and from heat to a step up: a heat sink takes that long, at any rate of
frames."""
HOT_C: Final = 80.0
"""Temperature from which a Raspberry Pi slows its processor down (Raspberry Pi documentation, frequency management)."""
UNREACHABLE_SECONDS: Final = 3.0
"""Time at the last level before the budget counts as out of reach, and WINDOW_FRAMES frames where these take longer."""
WAITING: Final = "waiting"
"""Stands for the latency that no stage accounts for: the wait for the pipeline and for a processor."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step along the ladder, at `seconds` on the caller's clock. `detail` is a sentence without its full stop."""

    seconds: float
    from_level: int
    to_level: int
    cause: Cause
    detail: str


@dataclass(slots=True)
class _Failure:
    """A step up that did not last: the pause until it may be repeated, and the mean latency before it, if known.

    The pause ends at `until_seconds`, and not before frame number `until_frame`.
    """

    pause_seconds: float
    until_seconds: float
    until_frame: int
    calm_mean_ms: float | None


class _Window:
    """Latencies of the recent frames at the present level, and how many of them exceed each limit."""

    def __init__(self, slow_ms: float, budget_ms: float) -> None:
        self._slow_ms, self._budget_ms = slow_ms, budget_ms
        self.clear()

    def clear(self) -> None:
        self._frames: deque[tuple[float, float]] = deque()
        self.slow = self.over = 0

    def __len__(self) -> int:
        return len(self._frames)

    def add(self, seconds: float, latency_ms: float) -> None:
        self._frames.append((seconds, latency_ms))
        self._count(latency_ms, 1)
        while len(self._frames) > WINDOW_FRAMES and self._frames[0][0] < seconds - WINDOW_SECONDS:
            self._count(self._frames.popleft()[1], -1)

    def _count(self, latency_ms: float, by: int) -> None:
        self.slow += by * (latency_ms >= self._slow_ms)
        self.over += by * (latency_ms > self._budget_ms)

    def too_many(self, count: int) -> bool:
        """Return whether `count` frames are more than FREE_SHARE allows: one in each hundred begun."""
        return count > max(1, math.ceil(FREE_SHARE * len(self._frames)))

    @property
    def p99_ms(self) -> float:
        """99th percentile: the smallest latency that 99 of 100 frames do not exceed."""
        ranked = sorted(latency_ms for _, latency_ms in self._frames)
        return ranked[math.ceil((1 - FREE_SHARE) * len(ranked)) - 1] if ranked else 0.0


class Budget:
    """Keeps the 99th percentile of latencies within `latency_ms` by choosing among `levels` levels, 0 the best.

    `seconds` of all calls are on one clock that does not go backwards. `level` is the index of the level at which the
    pipeline should work now; `steps` are the last steps; `measured`: whether the start is over.
    """

    def __init__(self, latency_ms: float, levels: int = len(LADDER)) -> None:
        self._budget_ms = latency_ms
        self._last_level = levels - 1
        self.level = 0
        self.steps: deque[Step] = deque(maxlen=8)
        self.measured = False
        self._frames_to_skip = WARM_UP_FRAMES
        self._now_seconds = 0.0
        self._frame = 0
        self._window = _Window(SLOW_SHARE * latency_ms, latency_ms)
        self._level_since = -math.inf  # when the level was last changed; at the start, when it was first measured
        self._slow_stage_ms: dict[str, float] = {}  # time that slow frames spent, by stage
        self._calm_since = math.inf
        self._calm_frames = 0
        self._calm_sum_ms = 0.0
        self._trial_ms: float | None = None  # mean latency before the step up that is on trial
        self._failures: dict[int, _Failure] = {}  # by the level that the step up began on
        self._strain_step_at = -math.inf
        self._strained_until = -math.inf

    def frame(self, seconds: float, latency_ms: float, stage_ms: Mapping[str, float]) -> Step | None:
        """Record a processed frame's latency and stage times, in milliseconds; return the step it leads to, if any."""
        self._now_seconds = seconds
        self._frame += 1
        if self._frames_to_skip:
            self._frames_to_skip -= 1
            return None
        if not math.isfinite(self._level_since):
            self._level_since = seconds
        self._window.add(seconds, latency_ms)
        self._record(seconds, latency_ms, stage_ms)
        # Up before down: at the last level slow frames of a load that has gone stay in the window for a while.
        if self._may_step_up(seconds):
            return self._step_up(seconds)
        if self.level < self._last_level and self._window.too_many(self._window.slow):
            return self._step_down(seconds)
        self._end_start_or_trial(seconds)
        return None

    def board(self, seconds: float, temperature_c: float | None, *, throttled: bool | None) -> Step | None:
        """Record the board's state, None where it is unknown; return the step down where it is hot or throttled."""
        if throttled:
            cause: Cause = "throttled"
            detail = "the firmware limits the processor's clock"
        elif temperature_c is not None and temperature_c >= HOT_C:
            cause, detail = "hot", f"the processor is at {temperature_c:.0f} degrees C; it slows down from {HOT_C:.0f}"
        else:
            return None
        self._strained_until = seconds + STRAIN_SECONDS
        if self.level == self._last_level or seconds - self._strain_step_at < STRAIN_SECONDS:
            return None
        self._strain_step_at = seconds
        self._trial_ms = None
        return self._move(seconds, self.level + 1, cause, detail)

    @property
    def reachable_ms(self) -> float | None:
        """99th percentile in milliseconds at the last level, where even that breaks the budget; else None."""
        if self.level < self._last_level or not self._window.too_many(self._window.over):
            return None
        kept = self._now_seconds - self._level_since
        return self._window.p99_ms if kept >= UNREACHABLE_SECONDS and len(self._window) >= WINDOW_FRAMES else None

    def _record(self, seconds: float, latency_ms: float, stage_ms: Mapping[str, float]) -> None:
        """Record on which stages slow frames spend their time, and for how long there has been room."""
        if latency_ms >= SLOW_SHARE * self._budget_ms:
            for stage, spent in {**stage_ms, WAITING: latency_ms - sum(stage_ms.values())}.items():
                self._slow_stage_ms[stage] = self._slow_stage_ms.get(stage, 0.0) + spent
        if latency_ms > ROOM_SHARE * self._budget_ms:
            self._calm_since = math.inf
        elif not math.isfinite(self._calm_since):
            self._calm_since, self._calm_frames, self._calm_sum_ms = seconds, 1, latency_ms
        else:
            self._calm_frames += 1
            self._calm_sum_ms += latency_ms

    def _may_step_up(self, seconds: float) -> bool:
        if self.level == 0 or not self.measured or seconds < self._strained_until:
            return False
        if seconds - self._calm_since < CALM_SECONDS or self._calm_frames < WINDOW_FRAMES:
            return False
        failure = self._failures.get(self.level)
        if failure is None or (seconds >= failure.until_seconds and self._frame >= failure.until_frame):
            return True
        return failure.calm_mean_ms is not None and self._calm_mean_ms <= QUICKER_SHARE * failure.calm_mean_ms

    @property
    def _calm_mean_ms(self) -> float:
        return self._calm_sum_ms / self._calm_frames

    def _step_up(self, seconds: float) -> Step:
        self._trial_ms = self._calm_mean_ms
        detail = f"no frame took over {ROOM_SHARE * self._budget_ms:.3g} ms for {seconds - self._calm_since:.1f} s"
        return self._move(seconds, self.level - 1, "room", detail)

    def _step_down(self, seconds: float) -> Step:
        worst = max(self._slow_stage_ms, key=lambda stage: self._slow_stage_ms[stage])
        detail = (
            f"{self._window.slow} of {len(self._window)} frames took {SLOW_SHARE * self._budget_ms:.3g} ms or longer, "
            f"of the budget of {self._budget_ms:g} ms, most of it {worst if worst == WAITING else f'in {worst}'}"
        )
        if not self.measured:
            # The latency at the level below is not known yet, so a step up waits for the whole pause.
            self._record_failure(self.level + 1, seconds, None)
        elif self._trial_ms is not None:
            self._record_failure(self.level + 1, seconds, self._trial_ms)
        self._trial_ms = None
        return self._move(seconds, self.level + 1, "latency" if self.measured else "start", detail)

    def _record_failure(self, level: int, seconds: float, calm_mean_ms: float | None) -> None:
        before = self._failures.get(level)
        pause = FIRST_PAUSE_SECONDS if before is None else min(MAX_PAUSE_SECONDS, 2 * before.pause_seconds)
        if before is not None and before.calm_mean_ms is not None and calm_mean_ms is not None:
            # The lowest mean that was not enough: frames that are quick by chance end a pause only a few times.
            calm_mean_ms = min(calm_mean_ms, before.calm_mean_ms)
        until_frame = self._frame + round(pause * FRAMES_PER_PAUSE_SECOND)
        self._failures[level] = _Failure(pause, seconds + pause, until_frame, calm_mean_ms)

    def _end_start_or_trial(self, seconds: float) -> None:
        """End the start, or the trial of a step up, once the level has been kept for long enough."""
        kept = seconds - self._level_since
        if kept >= START_SECONDS and len(self._window) >= WINDOW_FRAMES:
            self.measured = True
        if self._trial_ms is not None and kept >= TRIAL_SECONDS and len(self._window) >= WINDOW_FRAMES:
            self._trial_ms = None
            self._failures = {level: failure for level, failure in self._failures.items() if level <= self.level}

    def _move(self, seconds: float, level: int, cause: Cause, detail: str) -> Step:
        step = Step(seconds, self.level, level, cause, detail)
        self.steps.append(step)
        self.level, self._level_since, self._frames_to_skip = level, seconds, SETTLE_FRAMES
        self._window.clear()
        self._slow_stage_ms.clear()
        self._calm_since = math.inf
        return step
