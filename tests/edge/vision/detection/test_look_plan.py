from hypothesis import given
from hypothesis import strategies as st

from edge.levels import LADDER
from edge.types import Box, TrackPrediction, Verification
from edge.vision.detection.look_plan import LOOK_SECONDS, LookPlan, LookTile, look_tiles

FULL = LADDER[0]


def track(number, *, confirmed=True, misses=1):
    return TrackPrediction(
        number, Box(10, 10, 30, 30), 0.0, misses, new=False, confirmed=confirmed, verification=Verification()
    )


def tiles(count):
    return [LookTile(100 * number, 0, 100 * number + 100, 100, 10.0) for number in range(count)]


def run(plan, frames, fps, missed=(), level=FULL, limit=1):
    """Plan the frames of a stream; returns the looks of each frame after the first."""
    looks = [plan.plan(missed, number / fps, level, limit) for number in range(frames)]
    return looks[1:]


@given(
    width=st.integers(20, 2000),
    height=st.integers(20, 1200),
    smallest=st.floats(10, 200),
    tile_faces=st.floats(6, 20),
    place=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    size=st.floats(0, 1),
)
def test_every_face_lies_as_a_whole_in_a_tile_that_looks_for_its_size(width, height, smallest, tile_faces, place, size):
    found = look_tiles(width, height, smallest, tile_faces)
    largest = min(width, height)
    if largest < smallest:
        return
    side = smallest + size * (largest - smallest)
    box = Box(place[0] * (width - side), place[1] * (height - side), side, side)
    seen_in = [
        tile
        for tile in found
        if tile.smallest_px <= side + 1e-6
        and tile.left - 1 <= box.x
        and box.x + side <= tile.right + 1
        and tile.top - 1 <= box.y
        and box.y + side <= tile.bottom + 1
    ]
    assert seen_in


@given(
    width=st.integers(20, 2000),
    height=st.integers(20, 1200),
    smallest=st.floats(10, 200),
    tile_faces=st.floats(6, 20),
)
def test_no_tile_is_larger_than_what_a_look_may_cost_or_outside_the_frame(width, height, smallest, tile_faces):
    for tile in look_tiles(width, height, smallest, tile_faces):
        assert 0 <= tile.left < tile.right <= width
        assert 0 <= tile.top < tile.bottom <= height
        assert max(tile.right - tile.left, tile.bottom - tile.top) <= tile_faces * tile.smallest_px + 2


def test_face_that_a_tile_cuts_off_is_known_and_one_at_the_edge_of_the_frame_is_not_cut():
    tile = LookTile(0, 100, 200, 300, 20.0)
    assert tile.cuts(Box(180, 150, 40, 40), 480, 300)
    assert tile.cuts(Box(50, 90, 40, 40), 480, 300)
    assert not tile.cuts(Box(-10, 270, 40, 40), 480, 300)
    assert not tile.cuts(Box(50, 150, 40, 40), 480, 300)


def test_first_frame_is_looked_at_as_a_whole():
    assert LookPlan(tiles(5)).plan([], 3.0, FULL).tiles == tuple(tiles(5))


@given(count=st.integers(1, 12), fps=st.floats(1, 60), level=st.sampled_from(LADDER))
def test_frame_is_covered_once_a_period_by_looks_in_different_frames(count, fps, level):
    period = LOOK_SECONDS * level.look_interval
    frames = round(4 * max(period * fps, count)) + 2
    looks = run(LookPlan(tiles(count)), frames, fps, level=level)
    assert max(len(one.tiles) for one in looks) <= 1
    made = [tile for one in looks for tile in one.tiles]
    assert made == [tiles(count)[number % count] for number in range(len(made))]
    expected = (frames - 1) / fps / period * count
    assert abs(len(made) - min(expected, frames - 1)) <= max(2, 0.05 * expected)


@given(
    fps=st.floats(2, 60),
    confirmed=st.integers(0, 4),
    tentative=st.integers(0, 4),
    limit=st.integers(1, 4),
    count=st.integers(1, 8),
    level=st.sampled_from(LADDER),
)
def test_no_frame_has_more_looks_than_its_limit_and_nothing_waits_for_ever(
    fps, confirmed, tentative, limit, count, level
):
    missed = [track(number) for number in range(confirmed)]
    missed += [track(10 + number, confirmed=False) for number in range(tentative)]
    frames = 40 + round(8 * max(level.look_interval * fps, 2 * count))
    looks = run(LookPlan(tiles(count)), frames, fps, missed, level, limit)
    assert max(len(one.tiles) + len(one.again) for one in looks) <= limit
    assert set(tiles(count)) == {tile for one in looks for tile in one.tiles}
    looked_for = {one.id for look in looks for one in look.again}
    # Faces that are not announced yet come first, and take the looks of announced ones where there are too few.
    assert {one.id for one in missed if not one.confirmed} <= looked_for
    if not tentative:
        assert looked_for == {one.id for one in missed}


def test_new_face_that_is_lost_has_a_look_in_every_frame_but_those_of_the_frame():
    looks = run(LookPlan(tiles(3)), 51, 25, [track(1, confirmed=False)])
    again = sum(bool(one.again) for one in looks)
    assert again + sum(bool(one.tiles) for one in looks) == 50
    assert again >= 42


def test_announced_face_that_stays_lost_is_looked_for_in_every_second_frame():
    looks = run(LookPlan(tiles(1)), 51, 25, [track(1, misses=9)])
    assert 22 <= sum(bool(one.again) for one in looks) <= 26


def test_lower_levels_look_for_announced_faces_more_seldom():
    counts = [sum(bool(one.again) for one in run(LookPlan(tiles(1)), 61, 30, [track(1)], level)) for level in LADDER]
    assert counts == sorted(counts, reverse=True)
    assert len(set(counts)) == len(LADDER)


@given(steps=st.lists(st.floats(0, 5), min_size=2, max_size=30))
def test_same_times_give_the_same_looks(steps):
    def looks():
        plan, seconds, made = LookPlan(tiles(4)), 0.0, []
        for step in steps:
            seconds += step
            made.append(plan.plan([track(1), track(2, confirmed=False)], seconds, FULL, 2))
        return made

    assert looks() == looks()
