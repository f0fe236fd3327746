import logging
import random
from itertools import pairwise

import cv2
import pytest

from edge.capture.open import create_source
from edge.capture.source import SourceOptions
from edge.config.schema import Config
from edge.latency.governor import MAX_LATE_IN_A_ROW, Governor
from edge.levels import LADDER
from edge.vision.classification.classifier import Classifier
from edge.vision.detection.detector import Detector
from edge.vision.pipeline import Pipeline

LIMIT = 40.0


def make_governor(temperature=lambda: None, throttled=lambda: None):
    return Governor(LIMIT, temperature_c=temperature, throttled=throttled)


def play(governor, seconds, latency_ms, start=100.0, fps=25):
    for number in range(round(seconds * fps)):
        governor.frame(start + number / fps, latency_ms, {"detect": latency_ms})
    return start + seconds


def test_steps_are_logged_and_reported_with_names_and_reason(caplog):
    governor = make_governor()
    with caplog.at_level(logging.INFO):
        play(governor, 5, 50.0)
    report = governor.report()
    assert (report.level, report.level_index, report.levels) == (
        LADDER[-1].name,
        len(LADDER) - 1,
        [level.name for level in LADDER],
    )
    assert [(step.from_level, step.to_level, step.reason) for step in report.steps] == [
        (above.name, below.name, "start") for above, below in pairwise(LADDER)
    ]
    assert report.state == "steady"
    assert report.reachable_ms == 50.0
    assert f"level {LADDER[0].name} to {LADDER[1].name}: 2 of 2 frames took 32 ms or longer" in caplog.text


@pytest.mark.parametrize(
    ("age_ms", "interval_ms", "dropped"),
    [
        (50, 40, True),  # 25 frames a second
        (50, 0, True),  # the rate is not known yet
        (50, 200, True),
        (50, 1000, False),
        (50, 10_000, False),
        (900, 1000, True),  # the next one is due
        (9000, 10_000, False),
        (10_500, 10_000, True),
        (30, 40, False),
    ],
)
def test_late_frame_is_dropped_only_where_a_newer_one_is_about_to_follow(age_ms, interval_ms, dropped):
    governor = make_governor()
    assert governor.too_late(age_ms, interval_ms) is dropped
    assert governor.late == dropped


def test_load_that_comes_and_goes_all_night_does_not_fill_the_log(caplog):
    governor, now = make_governor(), 100.0
    with caplog.at_level(logging.INFO):
        for _ in range(90):
            now = play(governor, 5, 0.9 * LIMIT, start=now)
            now = play(governor, 75, 1.0, start=now)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 24, "twelve an hour, for two hours"
    announced = [
        place for place, line in enumerate(messages) if line.endswith("within the hour are reported in health only")
    ]
    assert announced == [11, 23]
    assert len(governor.report().steps) == 8


def test_budget_out_of_reach_is_logged_once_with_a_budget_that_can_be_kept(caplog):
    governor = make_governor()
    later = play(governor, 20, 50.0)
    later = play(governor, 20, 4.0, later)
    assert governor.level is LADDER[0]
    play(governor, 20, 50.0, later)
    (message,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "budget.latency_ms is 40" in message
    assert "50 ms" in message
    assert "set it to 51 or more" in message


def test_fixed_governor_keeps_the_best_level():
    governor = make_governor(throttled=lambda: True)
    governor.fixed = True
    play(governor, 20, 5000.0)
    assert governor.level is LADDER[0]
    assert governor.report().state == "fixed"
    assert not governor.too_late(5000.0)


def test_board_is_read_once_a_second():
    asked = []
    governor = make_governor(throttled=lambda: asked.append(True) or True)
    play(governor, 10, 4.0)
    assert 9 <= len(asked) <= 11
    assert governor.level is LADDER[1]
    assert governor.report().steps[0].reason == "throttled"


def test_late_frames_are_dropped_and_counted_but_not_all_of_them():
    governor = make_governor()
    assert not governor.too_late(LIMIT)
    answers = [governor.too_late(LIMIT + 1) for _ in range(10)]
    assert answers == [True] * MAX_LATE_IN_A_ROW + [False] + [True] * MAX_LATE_IN_A_ROW + [False]
    assert governor.late == 2 * MAX_LATE_IN_A_ROW


@pytest.fixture(scope="module")
def frames():
    source = create_source("scripted:happy=3,none=0.5,sad=2?seed=3", SourceOptions())
    source.open()
    taken = list(iter(source.read, None))
    source.close()
    return taken


@pytest.fixture
def one_thread():
    """Limit OpenCV to one thread, as the daemon does: several find candidates in any order, and a box is their mean."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(before)


def replayed(frames, timings):
    """Return the events of frames with these latencies in milliseconds, and the level of each frame."""
    config = Config()
    pipeline = Pipeline(config, Detector(config.detector), Classifier.from_config(config.model))
    governor = make_governor()
    events, levels = [], []
    for frame, latency_ms in zip(frames, timings, strict=True):
        pipeline.level = governor.level
        levels.append(governor.level.name)
        result = pipeline.step(frame)
        events += [
            (event.kind, event.face.track_id, event.face.label, event.face.box, event.frame.number)
            for event in result.events
        ]
        governor.frame(frame.seconds, latency_ms, {"detect": latency_ms})
    return events, levels


@pytest.mark.usefixtures("one_thread")
def test_same_timings_give_the_same_events(frames):
    chance = random.Random(7)
    timings = [chance.choice((5.0, 36.0, 55.0)) if 20 < number < 40 else 6.0 for number in range(len(frames))]
    events, levels = replayed(frames, timings)
    assert len(set(levels)) == len(LADDER)  # all the way down, and some of it up
    assert levels[-1] != LADDER[-1].name
    assert events
    assert (events, levels) == replayed(frames, timings)
