"""What a calm face changes of the events: the figures of a trial on recorded people, and the command on real faces."""

import json

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert", reason="the model is run by ai-edge-litert")
from convert.cli import main
from convert.errors import ConvertError
from convert.event_tuning import calm_faces, calm_trial, face_sequences
from convert.event_tuning.calm_faces import CalmPeople, CalmPerson
from convert.event_tuning.ground_truth import ground_truth
from convert.event_tuning.replay import RecordedTrack
from edge.vision.classification.manifest import find_model, load_manifest

MANIFEST = load_manifest(find_model("normal"))
LABELS = MANIFEST.labels
SEGMENTS = [("happy", 3.0), ("neutral", 3.0), ("happy", 3.0), ("sad", 3.0)]


def reading(label, *, misread=False):
    """Return the reading of a clear expression; a misread neutral face is taken for sad by a little."""
    found = np.full(len(LABELS), 1e-4)
    found[LABELS.index(label)] = 1
    if misread and label == "neutral":
        found[LABELS.index("sad")] = 1.6
    return (found / found.sum()).astype(np.float32)


def person(*, misread):
    rows = np.concatenate([[reading(label, misread=misread)] * round(25 * length) for label, length in SEGMENTS])
    times = np.arange(len(rows)) / 25
    track = RecordedTrack("a", ground_truth(SEGMENTS), times, rows, np.ones(len(rows), bool), 8)
    return CalmPerson(track, np.stack([reading("neutral", misread=misread)] * 20), "sad" if misread else "")


def test_misread_person_gains_and_a_clear_sad_face_is_still_sad_under_another_persons_calm_face():
    people = CalmPeople((person(misread=False),) * 2, (person(misread=True),) * 2, {"sad": 9})
    trial = calm_trial.CalmTrial(people, MANIFEST, MANIFEST.neutral_reading.log_odds)
    rows = list(trial.rows(calm_trial.CHOSEN))
    by_group = {row.group: row for row in rows if row.fps == 25}
    assert (by_group["misread"].without.f1, by_group["misread"].calibrated.f1) == (pytest.approx(2 / 3), 1)
    for group in ("ordinary", "visitors"):
        assert by_group[group].without == by_group[group].calibrated
        assert by_group[group].calibrated.f1 == 1
    assert all(row.calibrated == row.without for row in trial.rows((99.0, 1.0))), "nothing exceeds such a dead band"
    text = calm_trial.calm_text(trial, rows)
    assert "in force" in text
    assert "+33.3" in text
    found = [one for one in calm_trial.calm_data(trial, rows)["rows"] if one["group"] == "misread"]
    assert {one["with"]["f1"] for one in found} == {1.0}


def test_model_that_misreads_too_few_faces_is_refused(face_data, classifier):
    with pytest.raises(ConvertError, match=r"takes fewer than 8 neutral faces of .* for (sad|angry)$"):
        calm_faces.record_calm_people(classifier, face_data, print, 1, 1.0)


@pytest.mark.long
@pytest.mark.footage
def test_command_prints_the_figures_and_writes_them(data, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(face_sequences, "SECONDS", 6.0)
    file = tmp_path / "calm.json"
    assert main(["events", "--calm-face", "--data", str(data), "--people", "9", "--json", str(file)]) == 0
    out = capsys.readouterr().out
    assert "neutral faces that the model takes for angry" in out
    assert "ordinary people where a misread person calibrated" in out
    found = json.loads(file.read_text())
    assert len(found["rows"]) == 5 * 2 * len({calm_trial.CHOSEN, *calm_trial.SWEEP})
    # The one person who is taken for angry may not change within six seconds.
    assert {row["with"]["changes"] > 0 for row in found["rows"] if row["group"] != "angry"} == {True}


def test_nobody_is_shown_as_calm_with_a_picture_that_is_judged(face_data, classifier, monkeypatch):
    shown = []

    def record_segments(rng, number, classifier, faces, segments, *, varies):
        neutral = faces.split.images[faces.rows[LABELS.index("neutral")]]
        shown.append({image.tobytes() for image in neutral})
        return face_sequences.record_segments(rng, number, classifier, faces, segments[:1], varies=varies)

    def read(label):
        return lambda picture: reading(label if picture.mean() > 0 else "happy")

    monkeypatch.setattr(calm_faces, "record_segments", record_segments)
    for label in calm_faces.MISREAD_AS:
        monkeypatch.setattr(calm_faces, "MISREAD_AS", (label,))
        monkeypatch.setattr(classifier, "classify_crop", read(label))
        shown.clear()
        calm_faces.record_calm_people(classifier, face_data, print, 1, 0.5)
        own, own_calm, misread, misread_calm = shown
        assert not own & own_calm
        assert not misread & misread_calm
        assert len(misread) + len(misread_calm) >= 8
