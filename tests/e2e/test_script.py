"""The scripted actor through the whole program: the events follow the script, and nothing else happens."""

import pytest

from edge.capture.scripted.script import parse_script
from support import golden
from support.program import events_of

SLACK_SECONDS = 1.5
"""Morph, smoothing and dwell: within this time a change must have become an event."""

ALL_SEVEN = golden.SCRIPTS["seven_emotions"]


def segments_with_a_face(uri):
    return [segment for segment in parse_script(uri).segments if segment.emotion != "none"]


def assert_events_follow(events, uri):
    segments = segments_with_a_face(uri)
    changes = [event for event in events if event["type"] != "face_left"]
    assert [event["type"] for event in changes] == ["face_appeared"] + ["emotion_changed"] * (len(segments) - 1)
    assert [event["emotion"] for event in changes] == [segment.emotion for segment in segments]
    for event, segment in zip(changes, segments, strict=True):
        assert segment.start_seconds <= event["source_seconds"] <= segment.start_seconds + SLACK_SECONDS
    assert [event["type"] for event in events].count("face_left") == 1


@pytest.mark.parametrize("name", golden.SCRIPTS)
def test_events_follow_the_script(name):
    assert_events_follow(golden.known_events(name), golden.SCRIPTS[name])


def test_events_of_the_small_model_follow_the_script():
    events = events_of("--source", ALL_SEVEN, "--fast", EMOTION_EDGE_MODEL_NAME="small")
    assert_events_follow(events, ALL_SEVEN)


def test_expression_shorter_than_the_dwell_is_no_event():
    script = "scripted:neutral=1.5,surprise=0.3,neutral=1.5,happy=0.2,neutral=1?seed=2"
    assert [(event["type"], event["emotion"]) for event in events_of("--source", script, "--fast")] == [
        ("face_appeared", "neutral"),
        ("face_left", "neutral"),
    ]


def test_default_script_shows_at_least_four_expressions_and_five_changes():
    changes = [segment.emotion for segment in segments_with_a_face("scripted:")][1:]
    assert len(changes) >= 5
    assert len(set(changes)) >= 4


def test_groups_of_labels_are_in_every_event(tmp_path):
    config = tmp_path / "groups.toml"
    config.write_text('[labels]\ngood = ["happy", "surprise"]\nbad = ["angry", "sad", "fear", "disgust"]\n')
    events = events_of("--config", config, "--source", "scripted:happy=2,sad=2?seed=1", "--fast")
    assert [event["group"] for event in events] == ["good", "bad", "bad"]
    for event in events:
        groups = event["groups"]
        assert groups["good"] == pytest.approx(
            event["probabilities"]["happy"] + event["probabilities"]["surprise"], abs=2e-4
        )
        assert set(groups) == {"good", "bad"}
