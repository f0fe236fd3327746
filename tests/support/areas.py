"""Polygons for property tests."""

import math

from hypothesis import strategies as st

from edge.polygon import MAX_CORNERS, Point, problem_of

SHARES = st.integers(0, 1000).map(lambda thousandths: thousandths / 1000)


@st.composite
def polygons(draw: st.DrawFn) -> list[Point]:
    """Generate polygons that can be used: corners around a point, at different distances, either way round."""
    x, y = draw(st.floats(0.2, 0.8)), draw(st.floats(0.2, 0.8))
    count = draw(st.integers(3, 12))
    corners = []
    for number in range(count):
        angle = 2 * math.pi * (number + draw(st.floats(-0.2, 0.2))) / count
        reach = draw(st.floats(0.05, 0.7))
        corners.append(
            tuple(round(min(1.0, max(0.0, at)), 3) for at in (x + reach * math.cos(angle), y + reach * math.sin(angle)))
        )
    if draw(st.booleans()):
        corners.reverse()
    return corners


USABLE = polygons().filter(lambda corners: problem_of(corners) is None)
ANY = st.lists(st.tuples(SHARES, SHARES), min_size=0, max_size=MAX_CORNERS + 1)
