"""Showing the sensor a calm face: what is refused, what is kept, and what a restart finds."""

import logging

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.control.calm_face import CalmFace, CalmFaceError, CalmFaceFile
from edge.errors import ConfigError
from edge.vision.calm_face import BOUND, SECONDS
from edge.vision.classification.manifest import find_model, load_manifest

MANIFEST = load_manifest(find_model("normal"))
SAD = MANIFEST.labels.index("sad")
NEUTRAL = MANIFEST.labels.index("neutral")


class Pipeline:
    """What a calm face changes of the pipeline."""

    calm_face = None
    look = None

    def show(self, reading, track=1):
        """Show a face for five seconds."""
        for number in range(round(SECONDS * 10) + 1):
            self.look.add(number / 10, [(track, reading)])


class Place:
    """A sensor that can be shown a calm face. `state`: of its camera."""

    def __init__(self, folder, manifest=MANIFEST):
        self.file, self.state, self.changes = folder / "calm-face-cam.json", "ok", 0
        self.pipeline = Pipeline()
        self.calm_face = CalmFace(manifest, CalmFaceFile(self.file), lambda: 0.0)
        self.calm_face.attach(self.pipeline, lambda: self.state)
        self.calm_face.changed = self.count

    def count(self):
        self.changes += 1

    def calibrate(self, reading):
        self.calm_face.start()
        assert self.calm_face.finish() is False
        self.pipeline.show(reading)
        return self.calm_face.finish()


def reading_of(excess):
    """Return the reading of a face with log-odds of sad that are so much above those of neutral faces."""
    odds = np.array(MANIFEST.neutral_reading.log_odds)
    odds[SAD] += excess
    return (np.exp(odds) / np.exp(odds).sum()).astype(np.float32)


def test_calm_face_is_kept_in_force_and_found_by_a_restart_until_it_is_reset(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    place = Place(tmp_path)
    assert place.calm_face.info == msgspec.convert({"possible": True, "since": None}, type(place.calm_face.info))
    assert place.calibrate(reading_of(9.0))
    assert place.calm_face.info.since == "1970-01-01T00:00:00.000Z"
    assert place.changes == 1
    assert place.pipeline.look is None
    assert place.pipeline.calm_face.log_odds[SAD] == BOUND
    stored = msgspec.json.decode(place.file.read_bytes())
    assert set(stored) == {"schema", "since", "model_sha256", "log_odds"}, "nothing about a person"
    assert {label for label, one in stored["log_odds"].items() if one} == {"sad"}

    again = Place(tmp_path)
    assert np.array_equal(again.pipeline.calm_face.log_odds, place.pipeline.calm_face.log_odds)
    again.calm_face.log_kept()
    assert "shifted by the calm face that was shown here on 1970-01-01T00:00:00.000Z" in caplog.text
    again.calm_face.reset()
    assert again.pipeline.calm_face is None
    assert not place.file.exists()
    assert (Place(tmp_path).pipeline.calm_face, Place(tmp_path).calm_face.ignored) == (None, None)


@settings(max_examples=15)  # each writes three files to the disk
@given(st.floats(-3, 9), st.floats(-3, 9))
def test_second_calm_face_depends_on_nothing_of_the_first(tmp_path_factory, first, second):
    place, other = (Place(tmp_path_factory.getbasetemp() / name) for name in ("one", "other"))
    place.calibrate(reading_of(first))
    place.calibrate(reading_of(second))
    other.calibrate(reading_of(second))
    assert np.array_equal(place.pipeline.calm_face.log_odds, other.pipeline.calm_face.log_odds)
    place.calm_face.reset()
    assert place.pipeline.calm_face is None


def test_refusals_are_one_sentence_each_and_change_nothing(tmp_path):
    place = Place(tmp_path)
    for state, sentence in (
        ("paused", "the sensor is paused"),
        ("lost", r"the camera gives no pictures \(it is lost\)"),
        ("ended", "the source has ended"),
    ):
        place.state = state
        with pytest.raises(CalmFaceError, match=f"^{sentence}$"):
            place.calm_face.start()
    place.state = "ok"
    place.calm_face.start()
    with pytest.raises(CalmFaceError, match=r"^the sensor is looking already: wait for its answer$"):
        place.calm_face.start()
    place.state = "stalled"
    with pytest.raises(CalmFaceError, match=r"^the camera gives no pictures \(it is stalled\)$"):
        place.calm_face.finish()
    place.state = "ok"
    place.calm_face.start()
    place.pipeline.look.add(0.0, [(1, None), (2, None)])
    with pytest.raises(CalmFaceError, match=r"^2 faces are in view, but there must be one$"):
        place.calm_face.finish()
    assert (place.pipeline.look, place.pipeline.calm_face, place.changes) == (None, None, 0)

    without = msgspec.structs.replace(MANIFEST, neutral_reading=msgspec.UNSET)
    other = msgspec.structs.replace(MANIFEST, labels=tuple("abcdefg"))
    for manifest, sentence in (
        (without, "the manifest of the model normal has no neutral_reading, so no calm face can be compared to it"),
        (other, "the model normal has no label neutral, so no calm face can be shown to it"),
    ):
        unfit = Place(tmp_path, manifest)
        assert not unfit.calm_face.info.possible
        with pytest.raises(CalmFaceError, match=f"^{sentence}$"):
            unfit.calm_face.start()


def test_calm_face_of_another_model_and_a_damaged_file_are_ignored_and_kept(tmp_path, caplog):
    place = Place(tmp_path)
    place.calibrate(reading_of(9.0))
    kept = place.file.read_bytes()
    other = Place(tmp_path, msgspec.structs.replace(MANIFEST, name="mine", sha256="0" * 64))
    assert other.pipeline.calm_face is None
    other.calm_face.log_kept()
    assert [record.getMessage() for record in caplog.records] == [
        f"calm face that is not in force: {place.file} is of another model than mine: request/calibrate replaces it, "
        'and with {"reset": true} removes it'
    ]
    assert place.file.read_bytes() == kept
    for damage in (b"{", b"\0" * 300_000, kept.replace(b'"sad": ', b'"sad": -'), b"[" * 100_000):
        place.file.write_bytes(damage)
        damaged = Place(tmp_path)
        assert damaged.pipeline.calm_face is None
        assert "is damaged" in damaged.calm_face.ignored
    damaged.calm_face.reset()
    assert not place.file.exists()


def test_calm_face_that_cannot_be_stored_is_refused(tmp_path):
    place = Place(tmp_path / "file")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"cannot be written \(.*\): nothing was changed$"):
        place.calibrate(reading_of(9.0))
    assert (place.pipeline.look, place.pipeline.calm_face, place.changes) == (None, None, 0)
    memory = CalmFace(MANIFEST, CalmFaceFile(None))
    memory.attach(place.pipeline, lambda: "ok")
    memory.start()
    place.pipeline.show(reading_of(9.0))
    assert memory.finish()
    assert place.pipeline.calm_face.log_odds[NEUTRAL] == 0
