"""The command `cascade`: its text and JSON on pictures of one's own, and what it says of what cannot be used."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from convert.cli import main
from edge.daemon.actor_pictures import TEST_FACE, actor_pictures

DEFAULT = str(Path(cv2.data.haarcascades) / "haarcascade_frontalface_default.xml")


def test_faces_of_ones_own_and_footage(tmp_path, capfd):
    faces, footage = tmp_path / "faces" / "deep", tmp_path / "footage"
    faces.mkdir(parents=True)
    footage.mkdir()
    at = round(TEST_FACE.x), round(TEST_FACE.y)
    cv2.imwrite(str(faces / "1.png"), actor_pictures()["happy"][at[1] : at[1] + 200, at[0] : at[0] + 240])
    cv2.imwrite(str(faces / "2.png"), np.zeros((8, 8), dtype=np.uint8))
    cv2.imwrite(str(footage / "wall.png"), np.full((120, 160), 90, dtype=np.uint8))
    (footage / "notes.txt").write_text("no video", encoding="utf-8")
    output = tmp_path / "out.json"
    options = ["--pictures", str(tmp_path / "faces"), "--footage", str(footage), "--json", str(output)]
    assert main(["cascade", DEFAULT, *options]) == 0
    text = capfd.readouterr().out
    assert "1 face of 2 pictures in" in text
    assert "phantoms are counted on 1 frame of the footage, in 1 stretch\n" in text
    assert "has 8x8 pixels, and a face needs 24 at least" in text
    assert "note: left out of the footage: " in text
    assert "haarcascade_frontalface_default.xml may be better or worse than OpenCV's default" in text
    result = json.loads(output.read_text(encoding="utf-8"))
    shipped, _, given = result["cascades"]
    assert given["recall"] == shipped["recall"] > 0
    assert given["against_default"]["recall"]["difference"] == 0
    assert result["footage_left_out"]


def test_fer2013_is_the_default_and_its_phantoms_are_beside_the_faces(face_data, capfd):
    assert main(["cascade", DEFAULT, "--data", str(face_data), "--faces", "2"]) == 0
    text = capfd.readouterr().out
    assert "2 faces of FER2013's PublicTest, without what is in Training too, drawn from 64" in text
    assert "phantoms are counted beside the faces in the same frames" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["none.xml"], "the cascade is 'none.xml', but this file does not exist"),
        (["broken.xml"], "the cascade is 'broken.xml', but this file is not a Haar or LBP cascade"),
        ([DEFAULT, "--data", "."], "or judge on faces of your own with --pictures DIR"),
        ([DEFAULT, "--pictures", "none"], "--pictures none cannot be read: No such file or directory; it must be a"),
        ([DEFAULT, "--pictures", "empty"], "--pictures empty contains no picture: it needs pictures that each show"),
        ([DEFAULT, "--pictures", "empty", "--data", "."], "--data belongs to FER2013, which is not used with"),
        ([DEFAULT, "--footage", "none.mp4"], "--footage none.mp4 cannot be read: No such file or directory"),
        ([DEFAULT, "--footage", "empty"], "--footage empty contains no file: it needs videos or pictures that show"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(tmp_path, monkeypatch, capfd, options, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.xml").write_text("<opencv_storage>", encoding="utf-8")
    assert main(["cascade", *options]) == 1
    error = capfd.readouterr().err
    assert message in error
    assert error.count("\n") == 1
