"""Cascades on synthetic frames: what is counted as found and as phantom, and what the comparison says."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from convert.errors import ConvertError
from convert.evaluation.cascade_frames import Condition, Faces, FootageFrame, footage_files, set_into_frame
from convert.evaluation.cascade_trial import (
    Tally,
    Trial,
    compare_phantoms,
    compare_recall,
    judge,
    open_cascades,
    verdict_of,
)
from convert.progress import no_tick
from convert.reports.cascade_text import trial_data, trial_text
from edge.daemon.actor_pictures import TEST_FACE, actor_pictures
from edge.errors import CascadeError

FOLDER = Path(cv2.data.haarcascades)
UPRIGHT, TURNED = Condition(120), Condition(100, 15.0)
OLD_FORM = """<?xml version="1.0"?>
<opencv_storage><old type_id="opencv-haar-classifier"><size>20 20</size><stages>
<_><trees><_><_><feature><rects><_>0 0 20 20 -1.</_><_>0 0 20 10 2.</_></rects><tilted>0</tilted></feature>
<threshold>0.5</threshold><left_val>0.</left_val><right_val>1.</right_val></_></_></trees>
<stage_threshold>0.5</stage_threshold><parent>-1</parent><next>-1</next></_></stages></old></opencv_storage>
"""


@pytest.fixture(scope="module")
def faces():
    box = TEST_FACE
    rows, columns = slice(int(box.y), int(box.y + 200)), slice(int(box.x), int(box.x + 200))
    return Faces([picture[rows, columns] for picture in list(actor_pictures().values())[:3]], "the actor")


@pytest.fixture(scope="module")
def trial(faces):
    """Frontal alt2 and eyes, on three faces, with the actor's whole picture as footage that shows a face."""
    cascades = open_cascades([FOLDER / "haarcascade_frontalface_alt2.xml", FOLDER / "haarcascade_eye.xml"])
    wall = np.full((240, 320), 128, dtype=np.uint8)
    footage = [FootageFrame(wall, 0), FootageFrame(actor_pictures()["happy"], 1)]
    return judge(cascades, faces, [UPRIGHT, TURNED], footage, no_tick)


def test_faces_are_found_by_cascades_of_faces_only(trial):
    default, alt, alt2, eye = trial.tallies
    for tally in (default, alt, alt2):
        assert sum(tally.found[UPRIGHT]) == 3
        assert tally.seconds > 0
    assert sum(eye.found[UPRIGHT]) + sum(eye.found[TURNED]) == 0
    assert eye.near_faces >= 3
    assert compare_recall(trial, 3).verdict == "worse"
    assert compare_recall(trial, 2).verdict != "worse"


def test_boxes_of_the_footage_are_phantoms_by_block(trial):
    assert trial.block_frames == {0: 1, 1: 1}
    assert all(tally.phantoms[0] == 0 for tally in trial.tallies)
    assert trial.tallies[0].phantoms[1] >= trial.tallies[0].verified_phantoms[1] == 1
    assert trial.shown == 1
    text = trial_text(trial)
    assert "find and verify a face in 1 of 2 frames of the footage" in text
    assert "  faces found: -100.0 points" in text


def test_stages_and_features_are_read_from_the_file(trial, tmp_path):
    default, alt, *_ = trial_data(trial)["cascades"]
    assert (default["stages"], default["features"], default["window"]) == (25, 2913, [24, 24])
    assert (alt["stages"], alt["features"], alt["type"]) == (22, 2135, "Haar")
    old = tmp_path / "old.xml"
    old.write_text(OLD_FORM, encoding="utf-8")
    *_, loaded = open_cascades([old])
    assert (loaded.stages, loaded.features, loaded.window) == (1, 1, (20, 20))


def test_turned_faces_lean_both_ways_about_their_place():
    face = np.zeros((48, 48), dtype=np.uint8)
    face[:24] = 255
    for row, darker in ((0, "left"), (1, "right")):
        frame, place = set_into_frame(face, row, Condition(100, 30.0))
        x, y = (round(value) for value in place.centre)
        assert frame.shape == (240, 320)
        left, right = int(frame[y, x - 30]), int(frame[y, x + 30])
        assert (left < right) == (darker == "left")


def of_flags(trial, ours, theirs, phantoms=(), frames=10):
    """A trial with these faces found by both cascades, and (ours, theirs) phantoms of each block."""
    tallies = [Tally(found={UPRIGHT: list(theirs)}), Tally(found={UPRIGHT: list(ours)})]
    for block, counts in enumerate(phantoms):
        tallies[1].phantoms[block], tallies[0].phantoms[block] = counts
    return Trial(trial.cascades[:2], tallies, trial.faces, [UPRIGHT], dict.fromkeys(range(len(phantoms)), frames), 0)


def test_few_faces_decide_nothing_and_many_do(trial):
    few = of_flags(trial, [True] * 3, [True] * 3)
    assert compare_recall(few, 1).verdict == "undecided"
    many = of_flags(trial, [True] * 400, [True] * 400)
    assert compare_recall(many, 1).verdict == "equal"
    better = compare_recall(of_flags(trial, [True] * 100, [True] * 80 + [False] * 20), 1)
    assert (better.verdict, better.difference) == ("better", pytest.approx(0.2))
    assert compare_phantoms(many, 1) is None


def test_fewer_phantoms_are_better(trial):
    flags = [True] * 400
    assert compare_phantoms(of_flags(trial, flags, flags, [(0, 10)] * 20), 1).verdict == "better"
    assert compare_phantoms(of_flags(trial, flags, flags, [(10, 0)] * 20), 1).verdict == "worse"
    assert compare_phantoms(of_flags(trial, flags, flags, [(0, 0)] * 50), 1).verdict == "equal"
    assert compare_phantoms(of_flags(trial, flags, flags, [(0, 0)]), 1).verdict == "undecided"


@pytest.mark.parametrize(
    ("found", "phantoms", "verdict"),
    [
        ("better", "equal", "better"),
        ("better", "worse", "mixed"),
        ("equal", "worse", "worse"),
        ("equal", "equal", "equal"),
        ("better", "undecided", "undecided"),
        ("worse", None, "worse"),
    ],
)
def test_both_comparisons_make_one_verdict(found, phantoms, verdict):
    assert verdict_of(found, phantoms) == verdict


def test_what_cannot_be_used_is_named(tmp_path):
    with pytest.raises(CascadeError, match=r"the cascade is 'none\.xml', but this file does not exist"):
        open_cascades([Path("none.xml")])
    (tmp_path / "notes.txt").write_text("no video", encoding="utf-8")
    with pytest.raises(ConvertError, match=r"--footage .*notes\.txt is a text file, not a video"):
        footage_files([tmp_path / "notes.txt"])
    with pytest.raises(ConvertError, match=r"contains no file that can be played: .*notes\.txt is a text file"):
        footage_files([tmp_path])
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((60, 80), 90, dtype=np.uint8))
    files, left_out = footage_files([tmp_path])
    assert [path.name for path in files] == ["wall.png"]
    assert len(left_out) == 1


def test_cascades_of_one_name_are_told_apart_by_their_paths(tmp_path):
    copies = [tmp_path / name / "mine.xml" for name in ("a", "b")]
    for copy in copies:
        copy.parent.mkdir()
        copy.write_bytes((FOLDER / "haarcascade_eye.xml").read_bytes())
    assert [one.name for one in open_cascades(copies)[2:]] == [str(copy) for copy in copies]
    assert replace(open_cascades(copies[:1])[2], name="x").kind == "Haar"
