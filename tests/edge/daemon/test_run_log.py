"""The lines on the start, the progress and the end of a run."""

import logging

import pytest

from edge.config.mqtt_schema import MqttConfig
from edge.config.schema import Config, DetectorConfig
from edge.daemon.run_log import RunFigures, RunLog
from edge.sinks.base import SinkStatus

CONNECTED = SinkStatus(broker="connected", outbox_durable=True)


def figures(sink=SinkStatus(), frames=150, events=2, **changes):  # noqa: B008 - a frozen value
    return RunFigures(
        **{"frames": frames, "faces": 1, "events": events, "source": "ok", "source_error": None, "sink": sink} | changes
    )


@pytest.fixture
def lines(caplog):
    """Calls a function, and returns the lines that it logs."""

    def logged(call, *arguments):
        caplog.clear()
        with caplog.at_level(logging.INFO):
            call(*arguments)
        return [record.getMessage() for record in caplog.records]

    return logged


def test_sign_of_life_comes_at_its_interval_with_the_rate_since_the_last_one(lines):
    run_log = RunLog(terminal=True, source_given=True, interval_seconds=10.0)
    assert not run_log.due(50.0), "before the start"
    run_log.started(Config(), "cam", "normal", 100.0)
    assert not run_log.due(109.9)
    assert run_log.due(110.0)
    running = "running: 150 frames, 15.0 a second, 1 face in view, 2 events so far"
    assert lines(run_log.running, figures(), 110.0) == [running]
    assert not run_log.due(119.9)
    (line,) = lines(run_log.running, figures(frames=155), 120.0)
    assert line.startswith("running: 155 frames, 0.50 a second, ")


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"source": "paused"}, "running: capture paused by request, 2 events so far"),
        ({"source": "opening"}, "running: the source is being opened, 2 events so far"),
        ({"source": "lost", "source_error": "gone"}, "running: the source is lost (gone), 2 events so far"),
        (
            {"source": "stalled", "sink": SinkStatus(broker="disconnected", outbox_depth=1), "events": 1},
            "running: the source is stalled, 1 event so far, broker disconnected, 1 event waiting",
        ),
    ],
)
def test_sign_of_life_says_what_keeps_the_frames_away(lines, changes, line):
    assert lines(RunLog(terminal=True, source_given=True).running, figures(**changes), 10.0) == [line]


def test_outside_a_terminal_there_is_no_sign_of_life_and_one_line_at_the_start(lines):
    run_log = RunLog(terminal=False, source_given=True)
    assert lines(run_log.starting, Config()) == []
    assert lines(run_log.started, Config(), "cam", "normal", 0.0) == [
        "sensor started: source the built-in actor, model normal"
    ]
    yunet = Config(detector=DetectorConfig(kind="yunet"))
    assert lines(run_log.started, yunet, "cam", "normal", 0.0)[0].endswith(", model normal, detector yunet")
    assert not run_log.due(1e6)


def test_source_that_nobody_named_is_said_everywhere(lines):
    started = RunLog(terminal=False, source_given=False).started
    assert lines(started, Config(), "cam", "normal", 0.0)[1].startswith("no source set: playing the built-in actor")


def test_start_on_a_terminal_says_where_the_events_go(lines):
    started = RunLog(terminal=True, source_given=True).started
    config = Config(mqtt=MqttConfig(url="mqtt://h"))
    published = "events are published on emotion-edge/cam/event; `emotion-edge watch"
    assert lines(started, config, "cam", "normal", 0.0)[1] == f"{published} --mqtt mqtt://h` shows them"
    config = Config(mqtt=MqttConfig(url="mqtt://h", username="me"))
    same = "` shows them, with the same --config, variables or --mqtt"
    assert lines(started, config, "cam", "normal", 0.0)[1] == published + same


@pytest.mark.parametrize(
    ("figure", "end"),
    [
        (figures(), "150 frames, 2 events, all written to standard output"),
        (figures(SinkStatus(outbox_dropped=1)), "150 frames, 2 events; 1 not written"),
        (figures(CONNECTED), "150 frames, 2 events, all acknowledged by the broker"),
        (figures(CONNECTED, frames=1, events=0), "1 frame, 0 events"),
        (
            figures(SinkStatus(broker="disconnected", outbox_depth=3, outbox_durable=True, outbox_dropped=1)),
            "150 frames, 2 events; 3 kept on disk for the next start, 1 dropped",
        ),
        (
            figures(SinkStatus(broker="disconnected", outbox_depth=2, outbox_durable=False)),
            "150 frames, 2 events; 2 not acknowledged and lost",
        ),
    ],
)
def test_end_says_what_became_of_the_events(lines, figure, end):
    ended = RunLog(terminal=False, source_given=True).ended
    assert lines(ended, "stopped by Ctrl-C", figure) == [f"stopped by Ctrl-C: {end}"]
