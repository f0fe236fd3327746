"""Gives the frames of a source to all variants, in alternating small blocks, and measures their time.

The blocks are small because a machine's clock, temperature and other load change within seconds, and must be the same
for all variants. The variants take turns in being first, second and last.

The first frame of a block finds the processor's caches full of the data of the variant before it, and takes up to
twice as long as any other. Means count it; percentiles, which show how even a variant's own work is, do not.
"""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from edge.capture.source import Source
from edge.commands.bench.report import Cost, Run, Spread
from edge.commands.bench.variants import Variant, Work
from edge.errors import SourceError, SourceLostError
from edge.types import Frame

WARM_UP_FRAMES: Final = 20
"""Frames that all variants process before counting begins: caches fill, the interpreter warms up, a face is found."""
FEWEST_FRAMES: Final = 10
"""Fewest counted frames: below this, percentiles mean nothing."""
_BLOCK_FRAMES: Final = 10
_LONGEST_GAP_SECONDS: Final = 0.2
"""Longest gap between two frames of a camera. Its clock runs on while the other variants work; without this limit
the pipeline would conclude that every face has left."""
_DECIMALS: Final = 3


@dataclass(frozen=True)
class Limit:
    """When to stop: after `frames` counted frames, or at the end of the first block that ends after `seconds`."""

    frames: int | None = None
    seconds: float | None = None


@dataclass
class _Tally:
    """Times of one variant, or of capture: sums over all frames, and each frame's but the first of a block."""

    frames: int = 0
    total_wall_ms: float = 0.0
    total_cpu_ms: float = 0.0
    faces: int = 0
    frames_with_face: int = 0
    wall_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    stage_ms: dict[str, list[float]] = field(default_factory=dict)

    def add(self, wall_seconds: float, cpu_seconds: float, work: Work, *, first: bool) -> None:
        """Count a frame; `first`: it is the first of its block."""
        self.frames += 1
        self.total_wall_ms += 1000 * wall_seconds
        self.total_cpu_ms += 1000 * cpu_seconds
        self.faces += work.faces
        self.frames_with_face += work.faces > 0
        if first:
            return
        self.wall_ms.append(1000 * wall_seconds)
        self.cpu_ms.append(1000 * cpu_seconds)
        for stage, spent in work.stage_ms.items():
            self.stage_ms.setdefault(stage, []).append(spent)


class _BlockReader:
    """Reads blocks of frames from an open source, and measures the time of reading."""

    def __init__(self, source: Source, after_frame: Callable[[int], None]) -> None:
        """`after_frame` is called with the number of frames that this block has so far: a camera may be slow."""
        self._source = source
        self._after_frame = after_frame
        self._seconds = 0.0
        self._last: float | None = None
        self.size = (0, 0)

    def read(self, count: int, tally: _Tally) -> list[Frame]:
        frames: list[Frame] = []
        while len(frames) < count:
            wall, cpu = time.perf_counter(), time.process_time()
            try:
                frame = self._source.read()
            except SourceLostError as error:
                raise SourceError(str(error)) from error
            if frame is None:
                break
            spent = time.perf_counter() - wall, time.process_time() - cpu
            tally.add(*spent, Work(faces=0), first=not frames)
            frames.append(self._with_limited_gap(frame))
            height, width = frame.luma.shape
            self.size = (width, height)
            self._after_frame(len(frames))
        return frames

    def _with_limited_gap(self, frame: Frame) -> Frame:
        if not self._source.live:
            return frame
        gap = 0.0 if self._last is None else frame.seconds - self._last
        self._last = frame.seconds
        self._seconds += min(gap, _LONGEST_GAP_SECONDS)
        return replace(frame, seconds=self._seconds)


def measure(  # noqa: PLR0913 - what is measured, and two callbacks
    make: Callable[[], Source],
    variants: dict[str, Variant],
    threads: int,
    limit: Limit,
    after_block: Callable[[int, float], None],
    progress: Callable[[str], None],
) -> tuple[Run, tuple[int, int]]:
    """Measure the variants `line`, `plain` and `floor` on the source of `make()`; returns the run and (width, height).

    `after_block` is called with the frames counted so far and the seconds spent, `progress` with what is done, at each
    frame of the warm-up and at each that is read. Raises SourceError where
    the source cannot be read or has too few frames.
    """
    source = make()
    try:
        source.open()
    except SourceLostError as error:
        raise SourceError(str(error)) from error
    with closing(source):
        reader = _BlockReader(source, lambda number: progress(f"reading frame {number} of the next block"))
        warm_up = reader.read(WARM_UP_FRAMES, _Tally())
        for name, variant in variants.items():
            for number, frame in enumerate(warm_up, 1):
                progress(f"warm-up of {name}, frame {number} of {len(warm_up)}")
                variant.work(frame)
        capture, tallies = _Tally(), {name: _Tally() for name in variants}
        began, order = time.perf_counter(), list(variants)
        while _more(limit, capture.frames, time.perf_counter() - began):
            left = _BLOCK_FRAMES if limit.frames is None else min(_BLOCK_FRAMES, limit.frames - capture.frames)
            frames = reader.read(left, capture)
            if not frames:
                break
            for name in order:
                _work_block(variants[name], frames, tallies[name])
            order = order[1:] + order[:1]
            after_block(capture.frames, time.perf_counter() - began)
    if capture.frames < FEWEST_FRAMES:
        raise SourceError(
            f"{source.uri} has {len(warm_up) + capture.frames} frames, but a benchmark needs at least "
            f"{WARM_UP_FRAMES + FEWEST_FRAMES}"
        )
    return _run(threads, capture, tallies), reader.size


def _more(limit: Limit, frames: int, seconds: float) -> bool:
    if limit.frames is not None:
        return frames < limit.frames
    return frames < FEWEST_FRAMES or limit.seconds is None or seconds < limit.seconds


def _work_block(variant: Variant, frames: list[Frame], tally: _Tally) -> None:
    for place, frame in enumerate(frames):
        # Stamped anew, so that the time of the other variants does not count as latency of this one.
        frame = replace(frame, captured_monotonic=time.monotonic(), captured_unix=time.time())  # noqa: PLW2901
        wall, cpu = time.perf_counter(), time.process_time()
        work = variant.work(frame)
        tally.add(time.perf_counter() - wall, time.process_time() - cpu, work, first=place == 0)


def _run(threads: int, capture: _Tally, tallies: dict[str, _Tally]) -> Run:
    frames = capture.frames
    pipeline, plain, floor = tallies["line"], tallies["plain"], tallies["floor"]
    return Run(
        threads=threads,
        frames=frames,
        frames_with_face=pipeline.frames_with_face,
        faces_per_frame=round(pipeline.faces / frames, _DECIMALS),
        plain_faces_per_frame=round(plain.faces / frames, _DECIMALS),
        capture=_spread(capture.wall_ms),
        stages={stage: _spread(spent) for stage, spent in pipeline.stage_ms.items()},
        end_to_end=_spread(pipeline.wall_ms),
        end_to_end_cpu=_spread(pipeline.cpu_ms),
        plain=_spread(plain.wall_ms),
        floor=_spread(floor.wall_ms),
        fps=round(1000 * frames / max(capture.total_wall_ms + pipeline.total_wall_ms, 1e-6), _DECIMALS),
        cpu_ms=Cost(
            capture=round(capture.total_cpu_ms / frames, _DECIMALS),
            line=round(pipeline.total_cpu_ms / frames, _DECIMALS),
            plain=round(plain.total_cpu_ms / frames, _DECIMALS),
            floor=round(floor.total_cpu_ms / frames, _DECIMALS),
        ),
    )


def _spread(values: list[float]) -> Spread:
    p50, p95, p99 = (round(float(value), _DECIMALS) for value in np.percentile(values, (50, 95, 99)))
    return Spread(frames=len(values), p50_ms=p50, p95_ms=p95, p99_ms=p99, max_ms=round(max(values), _DECIMALS))
