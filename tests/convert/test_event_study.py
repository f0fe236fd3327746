"""The study of the events on few faces and short scenes; the real one takes minutes."""

import json
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert", reason="the model is run by ai-edge-litert")

from convert.cli import main
from convert.data.fer2013 import LABELS
from convert.errors import ConvertError
from convert.event_tuning import faces, scenes, study
from convert.event_tuning.ground_truth import Score, truth_of
from convert.event_tuning.replay import in_turns, replay
from convert.event_tuning.rival import GeometricExpression
from edge.classifier import Classifier
from edge.config import Config, EventsConfig
from edge.detector import Detector
from edge.events import Expression
from edge.manifest import find_model
from edge.pipeline import Pipeline
from edge.records import EventKind, Frame

BRIEF = scenes.Scene("brief", ("neutral=1.2,happy=1.4",), scale=0.6, spoilt=("jpeg", 0.4))


@pytest.fixture(scope="module")
def classifier():
    return Classifier(find_model("normal"))


@pytest.fixture(scope="module")
def seen(classifier):
    return scenes.seen_in(BRIEF, classifier)


def test_a_replay_announces_what_the_pipeline_announces(classifier, seen):
    pipeline = Pipeline(Config(), Detector(Config().detector), classifier)
    events = [
        event
        for number, (seconds, picture) in enumerate(scenes.frames_of(BRIEF))
        if number % 2 == 0
        for event in pipeline.step(Frame(number, seconds, picture, 0.0, 0.0)).events
    ]
    (face,) = scenes.followed_in(BRIEF, seen, 2, len(LABELS))
    unknown_below = classifier.manifest.thresholds.unknown_below
    device_reads = in_turns(face, classifier.labels, EventsConfig(), unknown_below)
    assert device_reads.read.sum() < face.read.sum()
    told = replay(device_reads, classifier.labels, EventsConfig(), unknown_below)
    assert told == [(event.frame.seconds, event.face.label) for event in events]
    assert [event.kind for event in events] == [EventKind.FACE_APPEARED, EventKind.EMOTION_CHANGED]


def test_two_actors_have_a_truth_each():
    truth_at = scenes.truth_at(scenes.Scene("two", ("happy=2,sad=2", "sad=3,happy=2"), scale=0.5))
    assert [truth_at(x)[0].emotion for x in (-5.0, 100.0, 330.0, 700.0)] == ["happy", "happy", "sad", "sad"]


def test_scenes_are_the_same_each_time():
    scene = scenes.Scene("shaky", ("neutral=0.2",), spoilt=("sensor_noise", 0.5), swing_px=30.0)
    first, again = (np.stack([picture for _, picture in scenes.frames_of(scene)]) for _ in range(2))
    assert first.shape == (5, 480, 640)
    np.testing.assert_array_equal(first, again)


def test_people_show_emotions_that_change_and_flicker():
    rng = np.random.default_rng(1)
    parts = faces.parts_of(rng, 300.0, np.full(len(LABELS), 1 / len(LABELS)))
    assert sum(seconds for _, seconds in parts) >= 300
    assert all(one[0] != other[0] for one, other in pairwise(parts))
    truth = truth_of(parts)
    assert 20 < len(truth) < len(parts)
    gaps = np.diff([shown.start_seconds for shown in truth])
    assert gaps.min() >= 1.5, "what must be announced is shown for long enough"


@pytest.mark.footage
def test_a_person_is_the_same_each_time_and_at_each_rate(data, classifier):
    split, rows = faces.pools(data)
    assert split.name == "PublicTest"
    person, again = (faces.person(3, classifier, split, rows, 6.0) for _ in range(2))
    np.testing.assert_array_equal(person.readings, again.readings)
    assert 0.5 < person.read.mean() < 1
    slower = faces.at_rate(person, 5)
    assert len(slower.seconds) == -(-len(person.seconds) // 5)
    assert slower.read[slower.announced]
    assert slower.seconds[slower.announced] >= person.seconds[person.announced]


def test_data_without_faces_that_people_agree_on_is_refused(small_data, tmp_path):
    with np.load(small_data / "fer2013.npz") as file:
        arrays = dict(file)
    arrays["ferplus_votes"][:, 5] = 0  # disgust
    np.savez(tmp_path / "fer2013.npz", **arrays)
    with pytest.raises(ConvertError, match="no PublicTest face of disgust"):
        faces.pools(tmp_path)


def counted(f1, delay):
    right = round(1000 * f1)
    return Score(1000, right, 1000 - right, 0, (delay,) * 20, 60.0)


def scored(f1, delay, scenes_f1=1.0, scenes_delay=1.0):
    """Scores with these figures at every rate."""
    kinds = {"faces": counted(f1, delay), "scenes": counted(scenes_f1, scenes_delay)}
    return {(kind, rate): one for kind, one in kinds.items() for _, rate in study.RATES}


def test_the_rule_takes_the_quickest_of_the_best_that_keep_the_promises():
    broken = {
        EventsConfig(dwell_seconds=0.3): scored(0.95, 0.5),
        EventsConfig(dwell_seconds=2.0): scored(0.95, 0.5, scenes_delay=1.6),
    }
    grid = broken | {
        EventsConfig(dwell_seconds=0.5): scored(0.885, 0.7),
        EventsConfig(dwell_seconds=0.6): scored(0.895, 0.8),
        EventsConfig(dwell_seconds=0.7): scored(0.9, 0.9),
        EventsConfig(dwell_seconds=0.8): scored(0.95, 0.7, scenes_f1=0.9),
    }
    assert study.choose(grid).dwell_seconds == 0.6
    assert [setting.dwell_seconds for setting in study.near_best(grid)] == [0.7, 0.6]
    with pytest.raises(ConvertError, match="no setting"):
        study.choose(broken)


def test_averaging_logarithms_lets_a_sure_reading_weigh_more():
    config = EventsConfig(smoothing_seconds=1.0)
    averages = [make(LABELS[:2], config, 0.0) for make in (Expression, GeometricExpression)]
    for average in averages:
        average.read(np.float32([0.6, 0.4]), 0.0)
        average.read(np.float32([0.001, 0.999]), 0.5)
    assert averages[1].probabilities[1] > averages[0].probabilities[1]
    assert averages[1].probabilities.sum() == pytest.approx(1)


@pytest.mark.footage
def test_the_command_prints_its_table_and_writes_the_grid(data, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(faces, "SECONDS", 4.0)
    monkeypatch.setattr(study, "DWELLS", (0.5, 0.7))
    monkeypatch.setattr(study, "MARGINS", (0.1,))
    monkeypatch.setattr(study, "SMOOTHINGS", (0.0, 0.1))
    for name in ("DWELLS", "MARGINS", "SMOOTHINGS"):
        monkeypatch.setattr(f"convert.event_tuning.text.{name}", getattr(study, name))
    monkeypatch.setattr("convert.event_tuning.scenes.SCENES", (BRIEF,))
    assert main(["events", "--data", str(data), "--people", "2", "--json", str(tmp_path / "grid.json")]) == 0
    out = capsys.readouterr().out
    assert "chosen: smoothing_seconds = " in out
    assert "logarithms averaged" in out
    grid = json.loads((tmp_path / "grid.json").read_text())
    assert len(grid["grid"]) == 4 * len(study.KINDS) * len(study.RATES)
    assert set(grid["chosen"]) == {"smoothing_seconds", "dwell_seconds", "margin"}


@pytest.mark.parametrize("people", ["0", "many", "-3", "1001"])
def test_a_wrong_number_of_people_is_refused_in_a_sentence(people, capsys):
    with pytest.raises(SystemExit):
        main(["events", f"--people={people}"])
    assert f"{people!r} is no whole number from 1 to 1000" in capsys.readouterr().err
