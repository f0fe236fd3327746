"""A switch between two frames, part by part: what was seen before ends, and nothing changes where it is refused."""

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.capture.open import create_source
from edge.capture.source import SourceOptions
from edge.config.loader import tables_of
from edge.config.mqtt_schema import MqttConfig
from edge.config.schema import BudgetConfig, Config, ModelConfig
from edge.control.settings import without_settings
from edge.daemon.switch import prepare_switch, use_classifier
from edge.daemon.wiring import build_components
from edge.desired.desired import Desired
from edge.desired.preparation import Offer
from edge.desired.selection import Choice
from edge.errors import ConfigError
from edge.types import EventKind
from edge.vision.classification.classifier import Classifier
from edge.vision.classification.manifest import find_model

CONFIG = Config(budget=BudgetConfig(latency_ms=500.0, priority="normal"), labels={"glad": ["happy"]})


def frames(*, colour: bool = False, count: int = 30):
    source = create_source("scripted:happy=4?seed=1", SourceOptions(colour=colour))
    source.open()
    return [source.read() for _ in range(count)]


@pytest.fixture
def parts():
    return build_components(CONFIG, fast=True, stdout=io.StringIO())


@pytest.fixture
def desired(tmp_path: Path) -> Desired:
    desired = Desired(Config(mqtt=MqttConfig(url="mqtt://h")), "cam", tmp_path / "desired")
    desired.over(tables_of(CONFIG))
    return desired


def changed_model(folder: Path, **changes: object) -> Classifier:
    """Return a classifier with the network of `small` and another manifest."""
    file = Path(shutil.copy(find_model("small"), folder / "other.tflite"))
    manifest = json.loads(find_model("small").with_suffix(".json").read_text())
    file.with_suffix(".json").write_text(json.dumps(manifest | {"name": "other"} | changes))
    return Classifier.from_config(ModelConfig(name=str(file)))


def joyful(folder: Path) -> Classifier:
    manifest = json.loads(find_model("small").with_suffix(".json").read_text())
    return changed_model(folder, labels=["joyful" if one == "happy" else one for one in manifest["labels"]])


def offer(classifier: Classifier | None, **settings: object) -> Offer:
    model = "normal" if classifier is None else str(classifier.path)
    return Offer(Choice(settings=settings), model, classifier)


def test_switch_takes_labels_groups_and_settings_of_the_new_model(parts, desired, tmp_path) -> None:
    classifier = joyful(tmp_path)
    seen = [parts.pipeline.step(frame) for frame in frames()]
    assert seen[-1].faces[0].label == "happy"
    one = offer(classifier, **{"labels": {"glad": ["joyful"]}, "events.margin": 0.2})
    switch = prepare_switch(CONFIG, one, parts, desired, without_settings(CONFIG))
    assert switch.diff.config.model.name == str(classifier.path)
    assert switch.diff.config.events.margin == 0.2
    after = use_classifier(parts, classifier, switch.diff.config)
    assert after.classifier is classifier
    assert parts.outputs.events == 1
    # It appears anew in the very next frame, under another number.
    result = parts.pipeline.step(frames(count=31)[-1])
    assert [(event.kind, event.face.label) for event in result.events] == [(EventKind.FACE_APPEARED, "joyful")]
    state = parts.payloads.state(result.faces, result.frame, 0.0)
    assert (state.emotion, state.faces[0].group) == ("joyful", "glad")
    assert result.faces[0].track_id == seen[-1].faces[0].track_id + 1
    assert after.calm_face is not None
    assert after.calm_face.info.since is None


def test_groups_that_the_new_model_does_not_have_refuse_the_switch_and_change_nothing(parts, desired, tmp_path) -> None:
    before = parts.payloads.weights.by_label
    with pytest.raises(ConfigError, match=r"labels\.glad holds 'happy', which is no label of the model"):
        prepare_switch(CONFIG, offer(joyful(tmp_path)), parts, desired, without_settings(CONFIG))
    assert parts.payloads.weights.by_label == before
    assert [parts.pipeline.step(frame) for frame in frames()][-1].faces[0].label == "happy"


def test_settings_alone_keep_the_faces_in_view(parts, desired) -> None:
    first = [parts.pipeline.step(frame) for frame in frames(count=20)][-1].faces[0]
    switch = prepare_switch(CONFIG, offer(None, **{"events.margin": 0.2}), parts, desired, without_settings(CONFIG))
    assert (switch.classifier, switch.diff.live) == (None, ("events.margin",))
    parts.pipeline.configure(switch.diff.config, switch.detector)
    assert parts.pipeline.step(frames(count=21)[-1]).faces[0].track_id == first.track_id


@pytest.mark.parametrize("has_colour", [True, False])
def test_model_of_colour_reads_frames_of_a_source_that_was_opened_without(parts, has_colour) -> None:
    given = []

    class InColour:
        """A classifier of colour that notes what it is given."""

        wants_colour, manifest = True, parts.classifier.manifest

        def classify(self, frame, boxes, rolls):
            given.append(frame.bgr)
            return parts.classifier.classify(frame, boxes, rolls)

        def clarity(self, frame, box, roll):
            return parts.classifier.clarity(frame, box, roll)

    reddish = [
        replace(one, decode_colour=lambda one=one: np.dstack([one.luma // 2, one.luma, one.luma])) for one in frames()
    ]
    parts.pipeline.use(InColour())
    for frame in reddish if has_colour else frames():
        parts.pipeline.step(frame)
    assert given
    assert all((picture[..., 0].sum() < picture[..., 1].sum()) == has_colour for picture in given)
