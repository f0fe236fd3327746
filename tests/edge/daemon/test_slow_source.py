"""What is said about a slow source, as a function of its rate and the configuration."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config.schema import Config, EventsConfig, SourceConfig, TrackerConfig
from edge.daemon.slow_source import SlowSourceLog, slow_source_effects, slow_source_sentence

KEYS = {
    "tracker.confirm_hits": "announced",
    "tracker.lost_seconds": "leaves",
    "events.dwell_seconds": "changed",
    "source.stall_seconds": "stalled",
    "budget.latency_ms": "judged",
}


def named(fps, config=None, *, live=True):
    """Return the configuration keys that are named."""
    text = "; ".join(slow_source_effects(config or Config(), fps, live=live))
    return {key for key in KEYS if key in text}


@pytest.mark.parametrize("fps", [2.0, 5.0, 12.5, 25.0, 60.0])
def test_usual_rates_are_not_mentioned(fps):
    assert named(fps) == set()


def test_each_configured_time_is_named_from_the_rate_that_is_too_low_for_it():
    assert named(1.5) == {"tracker.lost_seconds", "tracker.confirm_hits", "events.dwell_seconds"}
    assert named(0.1) == set(KEYS)
    assert named(0.1, live=False) == set(KEYS) - {"source.stall_seconds", "budget.latency_ms"}
    patient = Config(
        tracker=TrackerConfig(lost_seconds=60, confirm_seconds=10),
        events=EventsConfig(dwell_seconds=30),
        source=SourceConfig(stall_seconds=300),
    )
    assert named(0.5, patient, live=False) == set()
    assert named(25.0, Config(tracker=TrackerConfig(lost_seconds=0.1))) == {"tracker.lost_seconds"}


def test_sentence_has_the_figures():
    effects = slow_source_effects(Config(), 0.1, live=True)
    sentence = slow_source_sentence(0.1, effects)
    assert sentence.startswith("the source gives 0.1 frames per second, too few for the times that are configured: ")
    for figure in ("announced after 20 s", "leaves after 30 s", "announced 10 s after", "stalled after 30 s", "100 s"):
        assert figure in sentence
    assert "gives at most 0.1 frames" in slow_source_sentence(0.1, effects, measured=False)


@given(st.floats(0.01, 120), st.booleans())
def test_any_rate_gives_clauses_that_name_keys(fps, live):
    for clause in slow_source_effects(Config(), fps, live=live):
        assert any(key in clause for key in KEYS)
        assert "\n" not in clause


def test_slow_source_is_logged_once(caplog):
    log = SlowSourceLog()
    rates = [None, 0.5, 25, 0.5, 0.5] + [0.5, 0.51, 0.49] * 100
    for number, fps in enumerate(rates):
        log.check(Config(), fps, float(number), live=True)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "0.5 frames per second" in record.getMessage()


def test_rate_that_comes_and_goes_does_not_fill_the_log(caplog):
    log = SlowSourceLog()
    for number in range(1000):
        log.check(Config(), 0.5 if number % 20 < 10 else 25.0, float(number), live=True)
    assert len(caplog.records) == 2


def test_usual_source_is_not_logged(caplog):
    log = SlowSourceLog()
    for number in range(100):
        log.check(Config(), 25.0, number / 25, live=True)
    assert not caplog.records
