"""Tests what a reload changes, and that each part takes its new configuration while it works."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.capture.open import create_source
from edge.capture.source import SourceOptions
from edge.config.keys import FREE_TABLES, is_reloadable
from edge.config.schema import BudgetConfig, Config, EventsConfig, ModelConfig, SourceConfig, TrackerConfig
from edge.daemon.check import check_next_start
from edge.daemon.reload import diff_configs
from edge.errors import ConfigError, EdgeError
from edge.latency.governor import Governor
from edge.messages.payload_builder import PayloadBuilder
from edge.types import UNKNOWN, Box, Detection, EventKind, Frame, TrackedFace
from edge.vision.classification.classifier import Classifier
from edge.vision.detection.detector import Detector
from edge.vision.expression import ExpressionFilter
from edge.vision.pipeline import Pipeline
from edge.vision.tracker import Tracker

TABLES = [name for name in Config.__struct_fields__ if name not in FREE_TABLES]
KEYS = [(table, key) for table in TABLES for key in getattr(Config(), table).__struct_fields__]
GROUPS = st.dictionaries(st.sampled_from(["good", "bad", "other"]), st.lists(st.sampled_from("abc"), unique=True))


def other(value):
    """Return another value. It need not be valid: the loader has checked what is compared here."""
    if isinstance(value, list):
        return [*value, "x"]
    return f"{value}x" if isinstance(value, str) else 0.5 if value is None else value + 1


def with_others(config, keys):
    for table, key in keys:
        old = getattr(config, table)
        config = msgspec.structs.replace(
            config, **{table: msgspec.structs.replace(old, **{key: other(getattr(old, key))})}
        )
    return config


@given(st.sets(st.sampled_from(KEYS)), GROUPS, GROUPS)
def test_each_differing_key_is_named_once_and_reloadable_ones_are_in_force(keys, groups, new_groups):
    old = msgspec.structs.replace(Config(), labels=groups)
    new = msgspec.structs.replace(with_others(old, keys), labels=new_groups)
    change = diff_configs(old, new)
    relabelled = {f"labels.{name}" for name in {*groups, *new_groups} if groups.get(name) != new_groups.get(name)}
    assert sorted([*change.live, *change.restart]) == sorted([*(".".join(key) for key in keys), *relabelled])
    for table, key in KEYS:
        live = is_reloadable(table, key)
        in_force = getattr(getattr(change.config, table), key)
        assert in_force == getattr(getattr(new if live else old, table), key)
        if (table, key) in keys:
            assert f"{table}.{key}" in (change.live if live else change.restart)
    assert change.config.labels == new_groups
    # After that only the keys that need a restart differ.
    again = diff_configs(change.config, new)
    assert (again.live, again.restart, again.config) == ((), change.restart, change.config)


def test_log_line_names_changed_keys_and_keys_that_need_a_restart():
    old = Config()
    assert str(diff_configs(old, old)) == "configuration reloaded; nothing has changed"
    new = Config(
        labels={"positive": ["happy"]},
        valence={"surprise": 0.0},
        events=EventsConfig(dwell_seconds=2.0),
        source=SourceConfig(uri="0", fps=5.0),
    )
    assert str(diff_configs(old, new)) == (
        "configuration reloaded; changed: labels.positive, valence.surprise, events.dwell_seconds; "
        "restart needed for: source.uri, source.fps"
    )
    assert diff_configs(old, new).touches("labels")
    assert not diff_configs(old, new).touches("source")


@pytest.mark.parametrize(
    ("config", "word"),
    [
        (Config(source=SourceConfig(uri="/no/such.mp4")), "/no/such.mp4"),
        (Config(model=ModelConfig(name="nonsense")), "nonsense"),
        (msgspec.convert({"mqtt": {"url": "http://x"}}, Config), "http://x"),
        (msgspec.convert({"mqtt": {"url": "mqtt://x", "outbox_directory": "here"}}, Config), "outbox_directory"),
    ],
)
def test_configuration_with_which_the_next_start_would_fail_is_refused(config, word):
    keys = diff_configs(Config(), config).restart
    with pytest.raises(EdgeError, match=word):
        check_next_start(config, keys)
    # Keys that are in force already are not checked again: a camera may be away at the moment.
    check_next_start(config, diff_configs(config, config).restart)


def test_new_groups_apply_from_the_next_payload_and_invalid_ones_never():
    builder = PayloadBuilder("boot", ("happy", "sad"), {"good": ["happy"]})
    frame = Frame(0, 0.0, np.zeros((10, 10), np.uint8), 0.0, 0.0)
    faces = [
        TrackedFace(track, Box(0, 0, 5, 5), label, 0.5, np.full(2, 0.5, np.float32))
        for track, label in enumerate(("happy", "sad"), 1)
    ]

    def groups():
        return [face.group for face in builder.state(faces, frame, 0.0).faces]

    with pytest.raises(ConfigError, match=r"labels\.bad holds 'mad'"):
        builder.configure({"bad": ["sad", "mad"]}, {"sad": -1.0})
    with pytest.raises(ConfigError, match=r"valence\.mad is the weight of 'mad', which is no label"):
        builder.configure({"bad": ["sad"]}, {"mad": -1.0})
    assert groups() == ["good", None]
    before = builder.weights.by_label
    builder.configure({"bad": ["sad"]}, {"sad": -1.0})
    assert groups() == [None, "bad"]
    assert before == {"happy": 0.8675, "sad": -0.725}
    assert builder.weights.by_label == {"happy": 0.8675, "sad": -1.0}


def test_new_event_settings_apply_to_a_face_in_view():
    expression = ExpressionFilter(("happy", "sad"), EventsConfig(smoothing_seconds=0, dwell_seconds=10.0), 0.4)
    happy, sad = np.array([0.8, 0.2], np.float32), np.array([0.2, 0.8], np.float32)
    expression.add_prediction(happy, 0.0)
    expression.initialise()
    for tenth in range(1, 20):
        expression.add_prediction(sad, tenth / 10)
        assert expression.update() is None
    expression.configure(EventsConfig(smoothing_seconds=0, dwell_seconds=1.0))
    assert expression.update() == "happy"
    assert expression.label == "sad"
    expression.configure(EventsConfig(smoothing_seconds=0, dwell_seconds=0.0, unknown_below=0.9))
    assert expression.update() == "sad"
    assert expression.label == UNKNOWN


def test_new_tracker_settings_keep_the_tracks():
    tracker = Tracker(TrackerConfig(confirm_seconds=0.0, confirm_hits=1, lost_seconds=1.0))
    face = Detection(Box(10, 10, 50, 50), 5, verified=True)
    (track,), _ = tracker.update([face], 0.0)
    tracker.configure(TrackerConfig(confirm_seconds=0.0, confirm_hits=1, lost_seconds=5.0))
    (same,), lost = tracker.update([], 4.0)
    assert (same, lost) == (track, [])
    tracker.configure(TrackerConfig(lost_seconds=1.0))
    assert tracker.update([], 4.1) == ([track], []), "two frames without it are not enough"
    assert tracker.update([], 4.2) == ([], [track])


def test_new_budget_starts_from_the_level_in_force():
    governor = Governor(BudgetConfig().latency_ms, temperature_c=lambda: None, throttled=lambda: None)
    for number in range(100):
        governor.frame(number / 25, 95.0, {"detect": 95.0})
    level = governor.level
    assert governor.report().level_index > 0
    governor.set_budget(1000.0)
    assert governor.level == level
    for number in range(100, 800):
        governor.frame(number / 25, 95.0, {"detect": 95.0})
    assert governor.report().level_index == 0
    assert not governor.too_late(900.0)


def test_new_detector_keeps_the_faces_in_view():
    """The face keeps its number with new settings, and leaves with settings that cannot detect it."""
    source = create_source("scripted:happy=8?seed=5", SourceOptions())
    source.open()
    config = Config()
    pipeline = Pipeline(config, Detector(config.detector), Classifier.from_config(config.model))
    results = []
    while (frame := source.read()) is not None and frame.seconds < 6:
        if frame.number == 20:
            face = results[-1].faces[0]
            changed = msgspec.convert({"detector": {"min_face": 0.2, "scale_factor": 1.2}}, Config)
            pipeline.configure(changed, Detector(changed.detector))
        if frame.number == 40:
            # Larger than the actor's face: it is not found any more.
            blind = msgspec.convert({"detector": {"min_face": 0.9}}, Config)
            pipeline.configure(blind, Detector(blind.detector))
        results.append(pipeline.step(frame))
    source.close()
    assert [event.kind for result in results[:40] for event in result.events] == [EventKind.FACE_APPEARED]
    assert {seen.track_id for seen in results[39].faces} == {face.track_id}
    assert [event.kind for result in results[40:] for event in result.events] == [EventKind.FACE_LEFT]
