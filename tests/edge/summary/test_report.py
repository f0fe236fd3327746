import jsonschema
import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.messages.schemas import load
from edge.messages.summary import SummaryPayload
from edge.summary.report import Rules, local_timestamp, period, withheld, withheld_groups
from edge.summary.tally import LabelTally, Tally

VALIDATOR = jsonschema.Draft202012Validator(load("summary"))
HOUR = (1_795_780_800.0, 1_795_784_400.0)
LABELS = ("angry", "happy", "sad")


def rules(min_visits=5, groups=None, labels=LABELS):
    return Rules(labels, groups or {}, min_visits, lambda _: 3600)


def tally(**visits):
    total = sum(visits.values())
    labels = {name: LabelTally(10.0 * number, number) for name, number in visits.items()}
    return Tally(3600.0, 0.0, 500.0, total, [0] * 6, labels, 500.0, 100.0)


def test_figures_of_fewer_than_five_visits_are_withheld():
    one = period(tally(happy=6, sad=4, angry=1), HOUR, HOUR[1], rules())
    assert one.emotion_seconds == {"angry": None, "happy": 60.0, "sad": None, "unknown": None}
    assert (one.visits, one.present_seconds, one.valence) == (11, 500.0, 0.2)


def test_one_figure_alone_is_never_withheld_because_the_others_would_give_it_away():
    one = period(tally(happy=6, sad=7, angry=1, unknown=9), HOUR, HOUR[1], rules())
    assert one.emotion_seconds == {"angry": None, "happy": None, "sad": 70.0, "unknown": 90.0}


def test_valence_of_few_visits_is_withheld():
    assert period(tally(happy=4), HOUR, HOUR[1], rules()).valence is None
    assert period(tally(happy=4), HOUR, HOUR[1], rules(min_visits=4)).valence == 0.2


def test_hour_without_anybody_says_so():
    one = period(Tally(3000.0, 600.0), HOUR, HOUR[1], rules())
    assert one.emotion_seconds == dict.fromkeys((*LABELS, "unknown"), 0.0)
    assert (one.visits, one.valence, one.complete) == (0, None, True)


def test_group_is_withheld_where_it_would_give_one_of_its_labels_away():
    groups = {"negative": ["angry", "sad"], "positive": ["happy"]}
    one = period(tally(happy=6, sad=7, angry=1), HOUR, HOUR[1], rules(groups=groups))
    assert one.emotion_seconds["angry"] is None
    assert one.group_seconds == {"negative": None, "positive": 60.0}
    both = period(tally(happy=6, sad=4, angry=4), HOUR, HOUR[1], rules(groups=groups))
    assert both.group_seconds == {"negative": None, "positive": 60.0}
    assert period(tally(happy=6, sad=4, angry=4), HOUR, HOUR[1], rules(0, groups)).group_seconds["negative"] == 80.0


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 12), min_size=2), st.integers(0, 8))
def test_what_is_shown_rests_on_enough_visits_and_no_hidden_one_can_be_computed(visits, min_visits):
    labels = {name: LabelTally(10.0 * number, number) for name, number in visits.items()}
    hidden = withheld(labels, min_visits)
    if any(visits.values()):
        assert all(visits[name] >= min_visits for name in visits if name not in hidden)
    shown_by_nobody = [name for name in hidden if not visits[name]]
    assert len(hidden) != 1 or shown_by_nobody
    groups = {"g": sorted(visits)[:2]}
    if "g" not in withheld_groups(groups, labels, hidden, min_visits) and len(hidden) > 1:
        assert sum(name in hidden for name in groups["g"]) != 1


def test_time_in_which_the_sensor_did_not_run_is_named():
    one = period(Tally(1000.0, 200.0), HOUR, HOUR[0] + 1800, rules())
    assert (one.looked_seconds, one.not_looked_seconds, one.off_seconds) == (1000.0, 200.0, 600.0)
    assert not one.complete


@settings(max_examples=15)  # each takes 20 ms, nearly all of it in jsonschema
@given(st.integers(0, 30), st.integers(0, 30), st.floats(-1, 1))
def test_any_summary_fits_the_schema(happy, sad, valence):
    made = tally(happy=happy, sad=sad)
    made.valence_sum = valence * made.valence_seconds
    one = period(made, HOUR, HOUR[1], rules())
    payload = SummaryPayload(time=one.end, min_visits=5, hour=one, day=one, last_hour=one, last_day=None)
    VALIDATOR.validate(msgspec.json.decode(msgspec.json.encode(payload)))
    assert msgspec.json.decode(msgspec.json.encode(payload), type=SummaryPayload) == payload


def test_local_time_has_its_offset():
    assert local_timestamp(1_795_780_800.0, lambda _: -12_600) == "2026-11-27T08:30:00-03:30"
