"""The scripted actor through the whole line: every event follows the script, and nothing else happens."""

import pytest

from edge.capture.scripted.script import parse_script
from support.program import events_of

SLACK_SECONDS = 1.5
"""Morph, smoothing and dwell: by then a change must have been told."""


def played(uri, **environment):
    """Events of a script, the emotions that it plays, and when."""
    return events_of("--source", uri, "--fast", **environment), [
        segment for segment in parse_script(uri).segments if segment.emotion != "none"
    ]


ALL_SEVEN = "scripted:sad=3,neutral=3,fear=3,happy=3,disgust=3,surprise=3,angry=3?seed=7"


@pytest.mark.parametrize(("uri", "model"), [("scripted:", "normal"), (ALL_SEVEN, "normal"), (ALL_SEVEN, "small")])
def test_the_events_are_the_script(uri, model):
    events, segments = played(uri, EMOTION_EDGE_MODEL_NAME=model)
    told = [event for event in events if event["type"] != "face_left"]
    assert [event["type"] for event in told] == ["face_appeared"] + ["emotion_changed"] * (len(segments) - 1)
    assert [event["emotion"] for event in told] == [segment.emotion for segment in segments]
    for event, segment in zip(told, segments, strict=True):
        assert segment.start_seconds <= event["source_seconds"] <= segment.start_seconds + SLACK_SECONDS
    assert [event["type"] for event in events].count("face_left") == 1


def test_a_flicker_is_not_told():
    events, _ = played("scripted:neutral=1.5,surprise=0.3,neutral=1.5,happy=0.2,neutral=1?seed=2")
    assert [(event["type"], event["emotion"]) for event in events] == [
        ("face_appeared", "neutral"),
        ("face_left", "neutral"),
    ]


def test_the_default_script_shows_enough():
    changes = [segment.emotion for segment in parse_script("scripted:").segments if segment.emotion != "none"][1:]
    assert len(changes) >= 5
    assert len(set(changes)) >= 4


def test_groups_of_labels_show_in_every_event(tmp_path):
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
