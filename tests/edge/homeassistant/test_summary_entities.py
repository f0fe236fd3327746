"""What Home Assistant shows of the running day, and what its long-term statistics take."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.homeassistant.discovery import discovery
from edge.messages.payloads import encode
from edge.messages.summary import SummaryPayload
from edge.messages.topics import Topics
from edge.summary.report import Rules, period
from edge.summary.tally import LabelTally, Tally
from support import homeassistant_rules as rules
from support import homeassistant_view as view
from support.mqtt import info

TOPICS = Topics("emotion-edge", "cam")
DAY = (1_795_737_600.0, 1_795_824_000.0)


def entities(**changes):
    message = discovery("homeassistant", TOPICS, msgspec.structs.replace(info(), **changes))
    return rules.read(message.topic, message.payload)


def summary(labels=("happy", "neutral"), visits=7):
    tally = Tally(40_000.0, 600.0, 5_400.0, visits, [visits, 0, 0, 0, 0, 0])
    tally.labels = {label: LabelTally(60.0 * (at + 1), visits) for at, label in enumerate(labels)}
    tally.valence_seconds, tally.valence_sum = 5_400.0, -540.0
    one = period(tally, DAY, DAY[0] + 43_200, Rules(labels, {}, 5, lambda _: 0))
    return encode(SummaryPayload(time=one.start, min_visits=5, hour=one, day=one, last_hour=None, last_day=None))


def test_figures_of_the_day_are_shown_in_minutes():
    shown = {key: view.take(one, summary()) for key, one in entities().items() if key.endswith("_today")}
    assert shown == {
        "visits_today": 7,
        "present_today": 90,
        "not_looked_today": 10,
        "label_happy_today": 1,
        "label_neutral_today": 2,
        "valence_today": -0.1,
    }


def test_figure_that_is_withheld_is_unknown():
    for key in ("label_happy_today", "label_neutral_today", "valence_today"):
        assert view.take(entities()[key], summary(visits=2)) is None


def test_statistics_of_sums_know_when_the_day_began():
    for key, one in entities().items():
        if not key.endswith("_today"):
            continue
        assert isinstance(one, rules.Sensor)
        assert one.numeric
        assert one.state_class == ("measurement" if key == "valence_today" else "total")
        if one.state_class == "total":
            assert view.render(one.last_reset_value_template, summary()) == "2026-11-27T00:00:00.000Z"


@given(st.lists(st.text(min_size=1, max_size=12).filter(str.strip), min_size=2, max_size=6, unique=True))
def test_any_label_has_an_entity_of_its_own(labels):
    model = msgspec.structs.replace(info().model, labels=labels)
    found = entities(model=model, valence=None)
    keys = [key for key in found if key.startswith("label_")]
    assert len(keys) == len([label for label in labels if label != "unknown"])
    if "unknown" not in labels:
        assert [view.take(found[key], summary(tuple(labels))) for key in keys] == list(range(1, len(labels) + 1))


def test_without_a_summary_its_entities_are_removed():
    assert not [key for key in entities(summary=False) if key.endswith("_today")]
    message = discovery("homeassistant", TOPICS, msgspec.structs.replace(info(), summary=False))
    assert msgspec.json.decode(message.payload)["components"]["visits_today"] == {"platform": "sensor"}


@pytest.mark.parametrize("change", [{"state_class": "measurement"}, {"state_class": "total_increasing"}])
def test_restated_rules_refuse_a_last_reset_of_what_is_no_total(change):
    message = discovery("homeassistant", TOPICS, info())
    raw = msgspec.json.decode(message.payload)
    raw["components"]["visits_today"] |= change
    with pytest.raises(ValueError, match="last reset"):
        rules.read(message.topic, msgspec.json.encode(raw))


@given(st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=6), min_size=1, max_size=5))
def test_sum_of_the_statistics_is_that_of_the_last_figures_of_the_days(days):
    """Also where a figure becomes smaller within a day, because a power cut took the last hour."""
    entity = entities()["visits_today"]
    states = [(0.0, "2026-11-26T00:00:00.000Z")]  # the zero point
    for number, figures in enumerate(days):
        bounds = (DAY[0] + 86_400 * number, DAY[1] + 86_400 * number)
        for visits in figures:
            one = period(Tally(visits=visits), bounds, bounds[0] + 60, Rules(("happy",), {}, 5, lambda _: 0))
            payload = encode(
                SummaryPayload(time=one.start, min_visits=5, hour=one, day=one, last_hour=None, last_day=None)
            )
            states.append((view.take(entity, payload), view.render(entity.last_reset_value_template, payload)))
    assert view.statistics_sum(states) == sum(figures[-1] for figures in days)
