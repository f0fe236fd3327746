"""Decides which looks of a strong finder are made in which frame, and where: a few, at a bounded cost.

A look of a network costs as much as the whole work of some frames. So the cascades search every frame, and a network
is asked for three things only: whether a candidate is a face (`verification` decides when), where a tracked face is
that the cascade lost in this frame, and, once a second, for what the cascade does not see at all.

A function of times and tracks. Reads no clock.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from edge.levels import Level
from edge.types import Box, TrackPrediction

LOOK_SECONDS: Final = 1.0
"""Time in which the whole frame is looked at once, at level `full`."""
_OVERLAP: Final = 3.0
"""Overlap of two tiles, in smallest faces of their layer: faces up to this size lie in one of the two as a whole."""
_LAYER_RATIO: Final = 2.5
"""Ratio between the smallest faces of two layers; below _OVERLAP, so that every size is seen as a whole in one."""
_PATIENT_MISSES: Final = 4
"""A face that was not found in this many frames is looked for in every second frame."""
_ROUNDING: Final = 1e-6


@dataclass(frozen=True, slots=True)
class LookTile:
    """A part of the frame that one look covers.

    `left`, `top`, `right`, `bottom`: pixels of the frame. `smallest_px`: side of the smallest face that is looked for.
    """

    left: int
    top: int
    right: int
    bottom: int
    smallest_px: float

    def cuts(self, box: Box, width: int, height: int) -> bool:
        """Return whether a face, in pixels of the frame, is cut off by a side of the tile inside the frame."""
        return (
            (self.left > 0 and box.x < self.left)
            or (self.top > 0 and box.y < self.top)
            or (self.right < width and box.x + box.width > self.right)
            or (self.bottom < height and box.y + box.height > self.bottom)
        )


@dataclass(frozen=True, slots=True)
class FrameLooks:
    """The looks of one frame: `again` are the tracks to be found again, `tiles` the parts of the frame to look at."""

    again: tuple[TrackPrediction, ...]
    tiles: tuple[LookTile, ...]


def look_tiles(width: int, height: int, smallest_px: float, tile_faces: float) -> list[LookTile]:
    """Divide a frame into tiles, pixels.

    `smallest_px`: side of the smallest face. `tile_faces`: side of a tile in smallest faces, which bounds the cost of a
    look, because a finder reduces a picture until the smallest face is as small as it can find. Small faces are looked
    for in small tiles, larger ones in larger tiles, up to one that is the whole frame.
    """
    tiles: list[LookTile] = []
    smallest = smallest_px
    while True:
        side = tile_faces * smallest
        across, down = _spans(width, side, smallest), _spans(height, side, smallest)
        tiles += [LookTile(left, top, right, bottom, smallest) for top, bottom in down for left, right in across]
        if len(across) == len(down) == 1:
            return tiles
        smallest *= _LAYER_RATIO


def _spans(length: int, side: float, smallest: float) -> list[tuple[int, int]]:
    """Divide a length into the fewest equal parts of at most `side` that overlap."""
    overlap = _OVERLAP * smallest
    if length <= side:
        return [(0, length)]
    count = math.ceil((length - overlap) / (side - overlap) - _ROUNDING)
    step = (length - overlap) / count
    return [
        (round(number * step), length if number == count - 1 else round(number * step + step + overlap))
        for number in range(count)
    ]


class LookPlan:
    """Plans the looks of the frames of one stream.

    A frame has one look, or more where frames are far apart. Lost faces come first, before all those that are not
    announced yet, because they wait for it; in every second frame the tiles that are due come first. Each level of the
    ladder below `full` makes looks rarer, by `Level.look_interval`.
    """

    def __init__(self, tiles: Sequence[LookTile], first: Sequence[LookTile] = ()) -> None:
        """`tiles`: as `look_tiles` returns them; in a period each is looked at once.

        `first`: those of the first frame, by default all.
        """
        self._tiles = tuple(tiles)
        self._first = tuple(first) or self._tiles
        self._next_tile = 0
        self._credit = 0.0
        self._seconds: float | None = None
        self._frame = 0
        self._looked: dict[int, int] = {}
        """By `TrackPrediction.id`: the last frame in which a track was looked for."""

    def plan(self, missed: Sequence[TrackPrediction], seconds: float, level: Level, limit: int = 1) -> FrameLooks:
        """Return the looks of the next frame, at most `limit`; the first frame has looks of its own.

        `missed`: the tracks that the cascade has not found in this frame. `seconds`: time of the frame.
        """
        self._frame += 1
        first = self._seconds is None
        elapsed = 0.0 if self._seconds is None else max(0.0, seconds - self._seconds)
        self._seconds = seconds
        if first:
            return FrameLooks((), self._first)
        count = len(self._tiles)
        # One more than the tiles, so that no fraction is lost where a frame takes all of them.
        self._credit = min(self._credit + elapsed * count / (LOOK_SECONDS * level.look_interval), count + 1.0)
        self._looked = {one.id: self._looked[one.id] for one in missed if one.id in self._looked}
        waiting = [one for one in missed if self._is_due(one, level)]
        waiting.sort(key=lambda one: (one.confirmed, self._looked.get(one.id, 0), one.id))
        tiles = self._take_tiles(self._turns_for_tiles(len(waiting), limit))
        again = waiting[: limit - len(tiles)]
        self._looked.update((one.id, self._frame) for one in again)
        return FrameLooks(tuple(again), tiles)

    def _is_due(self, track: TrackPrediction, level: Level) -> bool:
        interval = 1 if not track.confirmed else level.look_interval * (2 if track.misses > _PATIENT_MISSES else 1)
        return self._frame - self._looked.get(track.id, -math.inf) >= interval

    def _turns_for_tiles(self, waiting: int, limit: int) -> int:
        """Return how many looks of this frame are for tiles, which in every second frame may take half of them."""
        room = max(0, limit - waiting)
        if self._frame % 2:
            room = max(room, (limit + 1) // 2)
        return min(int(self._credit + _ROUNDING), room)

    def _take_tiles(self, count: int) -> tuple[LookTile, ...]:
        tiles = tuple(self._tiles[(self._next_tile + number) % len(self._tiles)] for number in range(count))
        self._next_tile = (self._next_tile + count) % len(self._tiles)
        self._credit -= count
        return tiles
