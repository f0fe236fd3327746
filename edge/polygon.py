"""Polygons in shares of the picture: whether one encloses an area, what lies in it, how it turns with the picture.

The configuration gives them in shares of the camera's picture, before `[source] rotate` and `flip`. So a mask covers
the same part of the world whatever these two say. Boxes are in shares of the frame, after both: `oriented` leads from
the one to the other.
"""

from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import Final

Point = tuple[float, float]
"""Shares of the width and of the height, from the top left corner, 0 to 1."""

Polygon = Sequence[Point]
"""Its corners, in their order around the area; the last side leads back to the first corner."""

MIN_CORNERS: Final = 3
MAX_CORNERS: Final = 32
"""A circle of 32 corners differs from a round one by half a hundredth of its radius; more cost room in each `info`."""
MIN_AREA: Final = 1e-4
"""Smallest area of a polygon, as a share of the picture: 48 pixels of 640x480. Less is a slip of the pen."""

_TURNS: Final = {
    0: (False, False, False),
    90: (True, True, False),
    180: (False, True, True),
    270: (True, False, True),
}
"""For each clockwise rotation: whether x and y change places, and then whether each is counted from the other side."""


def problem_of(polygon: Polygon) -> str | None:
    """Return what is wrong with a polygon, as what follows its name in a sentence; None where it encloses an area."""
    corners = without_repeats(polygon)
    if len(polygon) > MAX_CORNERS:
        return f"has {len(polygon)} corners, but must have at most {MAX_CORNERS}"
    for point in polygon:
        if not all(0 <= share <= 1 for share in point):
            return f"has the corner {_text(point)}, but both numbers must be shares of the picture from 0 to 1"
    if len(corners) < MIN_CORNERS:
        return f"has {len(corners)} different corners, but must have at least {MIN_CORNERS}"
    crossing = first_crossing(corners)
    if crossing is not None:
        one, other = (f"{_text(a)} to {_text(b)}" for a, b in crossing)
        return (
            f"crosses itself, but must not: its side from {one} meets that from {other}; list the corners in their "
            "order around the area"
        )
    area = abs(_signed_area(corners))
    if area < MIN_AREA:
        return f"encloses {100 * area:.2g} % of the picture, but must enclose at least {100 * MIN_AREA:g} %"
    return None


def without_repeats(polygon: Polygon) -> list[Point]:
    """Return the corners without those that repeat the one before, and without a last one that repeats the first."""
    kept = [point for number, point in enumerate(polygon) if not number or point != polygon[number - 1]]
    return kept[:-1] if len(kept) > 1 and kept[0] == kept[-1] else kept


def first_crossing(corners: Sequence[Point]) -> tuple[tuple[Point, Point], tuple[Point, Point]] | None:
    """Return two sides that cross or touch although they are no neighbours, or that double back; None without.

    `corners`: as of `without_repeats`.
    """
    sides = list(pairwise([*corners, corners[0]]))
    for (first, one), (second, other) in combinations(enumerate(sides), 2):
        if second == first + 1:
            meet = _doubles_back(one[1], one[0], other[1])
        elif first == 0 and second == len(sides) - 1:
            meet = _doubles_back(one[0], one[1], other[0])
        else:
            meet = _meet(*one, *other)
        if meet:
            return one, other
    return None


def contains(polygon: Polygon, point: Point) -> bool:
    """Return whether a point lies in a polygon that does not cross itself; on its border it may be either."""
    x, y = point
    inside = False
    for (x1, y1), (x2, y2) in pairwise([*polygon, polygon[0]]):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1):
            inside = not inside
    return inside


def oriented(polygon: Polygon, rotate: int, flip: str) -> list[Point]:
    """Return a polygon of the camera's picture as it lies in the frame.

    `rotate`: clockwise, 0, 90, 180 or 270 degrees; then `flip`: none, horizontal or vertical; as `[source]` has both.
    """
    swapped, other_x, other_y = _TURNS[rotate]
    other_x, other_y = other_x != (flip == "horizontal"), other_y != (flip == "vertical")
    found = []
    for x, y in polygon:
        across, down = (y, x) if swapped else (x, y)
        found.append((1 - across if other_x else across, 1 - down if other_y else down))
    return found


def _text(point: Point) -> str:
    return f"[{point[0]:.6g}, {point[1]:.6g}]"


def _signed_area(corners: Sequence[Point]) -> float:
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairwise([*corners, corners[0]])) / 2


def _turn(a: Point, b: Point, c: Point) -> float:
    """Return on which side of the line from `a` to `b` the point `c` lies: positive, negative, or 0 on it."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _doubles_back(corner: Point, before: Point, after: Point) -> bool:
    """Return whether the two sides at a corner lie upon each other."""
    ahead = (before[0] - corner[0]) * (after[0] - corner[0]) + (before[1] - corner[1]) * (after[1] - corner[1])
    return _turn(corner, before, after) == 0 and ahead > 0


def _between(a: Point, b: Point, c: Point) -> bool:
    """Return whether `c`, which lies on the line through `a` and `b`, lies between them."""
    return min(a[0], b[0]) <= c[0] <= max(a[0], b[0]) and min(a[1], b[1]) <= c[1] <= max(a[1], b[1])


def _meet(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Return whether the sides from `a` to `b` and from `c` to `d` have a point in common."""
    turns = _turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b)
    if turns[0] * turns[1] < 0 and turns[2] * turns[3] < 0:
        return True
    ends = ((a, b, c), (a, b, d), (c, d, a), (c, d, b))
    return any(turn == 0 and _between(*end) for turn, end in zip(turns, ends, strict=True))
