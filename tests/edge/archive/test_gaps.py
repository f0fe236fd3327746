"""Which numbers count as missing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.archive.gaps import End, Gap, Hole, find_gaps


def hole(before: int | None, seq: int, complete_from: int | None = None) -> Hole:
    return Hole("cam", "boot", before, seq, complete_from)


@pytest.mark.parametrize(
    ("given_hole", "ranges"),
    [
        (hole(3, 5), [(4, 4)]),
        (hole(3, 9, 1), [(4, 8)]),
        (hole(None, 9, 1), [(1, 8)]),
        (hole(None, 9), []),
        (hole(3, 9, 7), [(7, 8)]),
        (hole(3, 9, 9), []),
    ],
)
def test_hole_is_missing_from_where_the_boot_is_complete(given_hole: Hole, ranges: list[tuple[int, int]]) -> None:
    assert [(gap.first, gap.last) for gap in find_gaps([given_hole])] == ranges


@pytest.mark.parametrize(
    ("end", "ranges"),
    [
        (End("cam", "boot", 1, 9, 0, 7), [(8, 9)]),
        (End("cam", "boot", 1, 9, 2, 7), []),
        (End("cam", "boot", 1, 9, 1, 7), [(8, 9)]),
        (End("cam", "boot", 1, 9, 0, 9), []),
        (End("cam", "boot", 1, 9, 0, None), [(1, 9)]),
        (End("cam", "boot", None, 9, 0, None), []),
        (End("cam", "boot", 10, 9, 0, None), []),
        (End("cam", "boot", None, 9, 0, 5), [(6, 9)]),
    ],
)
def test_end_is_missing_where_the_sensor_has_it_no_more(end: End, ranges: list[tuple[int, int]]) -> None:
    assert [(gap.first, gap.last) for gap in find_gaps([], [end])] == ranges


def test_gap_is_a_line() -> None:
    assert str(Gap("cam", "b", 4, 4)) == "cam boot b: 4 missing"
    assert str(Gap("cam", "b", 4, 6, at_end=True)) == "cam boot b: 4 to 6 missing at the end"


@given(st.sets(st.integers(1, 40)), st.integers(1, 41) | st.none())
def test_gaps_are_exactly_the_numbers_between(seqs: set[int], complete_from: int | None) -> None:
    ordered = sorted(seqs)
    before: int | None = None
    holes = []
    for seq in ordered:
        if before is None or seq > before + 1:
            holes.append(hole(before, seq, complete_from))
        before = seq
    missing = {number for gap in find_gaps(holes) for number in range(gap.first, gap.last + 1)}
    least = complete_from if complete_from is not None else min(seqs, default=1)
    assert missing == {number for number in range(least, max(seqs, default=0)) if number not in seqs}
