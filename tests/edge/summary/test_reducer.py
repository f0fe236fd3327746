"""Covers the reducer and the history against a count second by second."""

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.summary.history import History
from edge.summary.local_time import LocalTime
from edge.summary.reducer import GAP_SECONDS, Reducer, Seen
from edge.summary.tally import LENGTH_LIMITS_SECONDS, LENGTH_NAMES, LabelTally, Tally, length_class

HOUR = 3600
LABELS = st.sampled_from(["happy", "sad", "unknown"])
VALENCES = st.sampled_from([None, -0.5, 0.0, 1.0])
TRACKS = st.integers(1, 3)
ACTIONS = st.one_of(
    st.tuples(st.just("appear"), TRACKS),
    st.tuples(st.just("leave"), TRACKS),
    st.tuples(st.just("see"), st.dictionaries(TRACKS, st.tuples(LABELS, VALENCES), max_size=3)),
    st.tuples(st.just("look"), st.booleans()),
    st.tuples(st.just("clock"), st.integers(-200, 200)),
)
SCRIPTS = st.lists(st.tuples(st.integers(0, 500), ACTIONS), max_size=20)
"""What happens after how many seconds."""
START = 1_000.0


class Count:
    """Counts second by second what a sequence says. `seconds`: the tally of each second since the start."""

    def __init__(self, minutes_off):
        self.seconds = defaultdict(Tally)
        self.at, self.offset = 0, minutes_off
        self._looking, self._faces, self._visits = False, {}, {}

    def play(self, script):
        for wait, (kind, value) in script:
            for _ in range(wait):
                self._pass()
                self.at += 1
            getattr(self, f"_{kind}")(value)
        return self

    def _pass(self):
        tally = self.seconds[self.at]
        if not self._looking:
            tally.not_looked_seconds += 1
            return
        tally.looked_seconds += 1
        tally.present_seconds += bool(self._faces)
        for label, valence in self._faces.values():
            tally.label(label).seconds += 1
            if valence is not None:
                tally.valence_seconds += 1
                tally.valence_sum += valence

    def _look(self, looking):
        self._looking = looking

    def _clock(self, minutes_off):
        self.offset = minutes_off

    def _appear(self, track):
        if track not in self._visits:
            self._visits[track] = (self.at, set())
            self.seconds[self.at].visits += 1

    def _leave(self, track):
        if track in self._visits:
            began, _ = self._visits.pop(track)
            self.seconds[self.at].lengths[length_class(self.at - began)] += 1
            self._faces.pop(track, None)

    def _see(self, faces):
        self._faces = {track: one for track, one in faces.items() if track in self._visits}
        for track, (label, _) in self._faces.items():
            shown = self._visits[track][1]
            if label not in shown:
                shown.add(label)
                self.seconds[self.at].label(label).visits += 1


def reduced(script, minutes_off):
    """Run the reducer on the script, with a call each second as the daemon makes; returns the history and its end."""
    local = LocalTime(lambda _: 0)
    now, looking, visits = START, False, set()
    offset = 60.0 * minutes_off
    reducer, history = Reducer(now, offset), History("boot", local)
    for wait, (kind, value) in script:
        for _ in range(wait):
            reducer.advance(now, looking=looking)
            now += 1
        reducer.advance(now, looking=looking)
        if kind == "look":
            looking = value
            reducer.advance(now, looking=looking)
        elif kind == "clock":
            history.add(reducer.take(), offset)
            offset = 60.0 * value
            reducer.set_offset(now, offset)
            history.add(reducer.take(), offset)
            history.set_offset(offset)
        elif kind == "appear" and value not in visits:
            visits.add(value)
            reducer.appeared(now, value)
        elif kind == "leave":
            visits.discard(value)
            reducer.left(now, value)
        elif kind == "see":
            reducer.see(now, [Seen(track, label, valence) for track, (label, valence) in value.items()])
    history.add(reducer.finish(now), offset)
    return history, now, offset


def same(one, other):
    return (
        pytest.approx(one.looked_seconds) == other.looked_seconds
        and pytest.approx(one.not_looked_seconds) == other.not_looked_seconds
        and pytest.approx(one.present_seconds) == other.present_seconds
        and (one.visits, one.lengths) == (other.visits, other.lengths)
        and pytest.approx(one.valence_seconds) == other.valence_seconds
        and pytest.approx(one.valence_sum) == other.valence_sum
        and {name: (pytest.approx(label.seconds), label.visits) for name, label in one.labels.items()}
        == {name: (label.seconds, label.visits) for name, label in other.labels.items()}
    )


@settings(max_examples=60)  # each counts some thousand seconds
@given(SCRIPTS, st.integers(-200, 200))
def test_every_hour_is_what_the_sequence_says_second_by_second(script, minutes_off):
    """Also where the clock is set meanwhile: all seconds lie where they belong by the clock as it was set last."""
    script = [*script, (1, ("look", False))]  # so that nothing happens in a second that never comes
    count = Count(minutes_off).play(script)
    history, end, offset = reduced(script, minutes_off)
    assert (end, offset) == (START + count.at, 60.0 * count.offset)
    hours, total = defaultdict(Tally), Tally()
    for at, tally in count.seconds.items():
        hours[(START + offset + at) // HOUR * HOUR].add(tally)
        total.add(tally)
    assert same(history.total(-1e12, 1e12), total)
    for hour, tally in hours.items():
        assert same(history.total(hour, hour + HOUR), tally)


@settings(max_examples=20)
@given(SCRIPTS, st.integers(-200, 200), st.floats(-100, 100))
def test_clock_that_is_set_by_any_amount_moves_no_minute_further_than_half_of_itself(script, minutes_off, more):
    history, end, offset = reduced(script, minutes_off)
    whole = history.total(-1e12, 1e12)
    history.set_offset(offset + more)
    moved = history.total(-1e12, 1e12)
    assert (whole is None) == (moved is None)
    if whole is not None:
        assert same(whole, moved)
    start = START + offset + more
    inside = history.total(start // HOUR * HOUR, (end + offset + more) // HOUR * HOUR + HOUR)
    assert (whole or Tally()).seconds == pytest.approx((inside or Tally()).seconds)


def test_time_without_a_call_counts_as_not_looked():
    """The machine was suspended, or the process stopped: who was in view then is not known."""
    reducer = Reducer(0.0, 0.0)
    reducer.advance(0.0, looking=True)
    reducer.appeared(0.0, 1)
    reducer.see(0.0, [Seen(1, "happy")])
    reducer.advance(5.0, looking=True)
    reducer.advance(5.0 + 3 * GAP_SECONDS, looking=True)
    tally = reducer.running().tally
    assert (tally.looked_seconds, tally.not_looked_seconds, tally.present_seconds) == (5.0, 3 * GAP_SECONDS, 5.0)
    assert tally.labels == {"happy": LabelTally(5.0, 1)}


def test_call_with_an_earlier_time_changes_nothing_that_was_counted():
    reducer = Reducer(10.0, 0.0)
    reducer.advance(10.0, looking=True)
    reducer.advance(15.0, looking=True)
    reducer.advance(12.0, looking=True)
    reducer.advance(16.0, looking=True)
    assert reducer.running().tally.looked_seconds == 6.0


def test_face_that_never_appeared_is_not_counted():
    reducer = Reducer(0.0, 0.0)
    reducer.advance(0.0, looking=True)
    reducer.see(0.0, [Seen(7, "happy")])
    reducer.left(1.0, 7)
    assert reducer.running().tally == Tally(looked_seconds=1.0)


@pytest.mark.parametrize(
    ("seconds", "name"), [(0, 0), (4.9, 0), (5, 1), (14, 1), (59, 2), (299, 3), (899, 4), (1e6, 5)]
)
def test_visit_belongs_to_the_class_of_its_length(seconds, name):
    assert length_class(seconds) == name
    assert len(LENGTH_NAMES) == len(LENGTH_LIMITS_SECONDS) + 1
