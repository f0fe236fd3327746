"""FER2013 as folders of pictures, in the forms in which it is downloaded."""

import cv2
import numpy as np
import pytest

from convert.data.fer2013 import FER2013_CODES
from convert.data.picture_folders import read_folders
from convert.errors import ConvertError

COUNTS = {"Training": 14, "PublicTest": 7, "PrivateTest": 7}


def ignore(*_):
    """Counts nothing."""


def save(path, level, size=48):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((size, size), level, np.uint8))


def read(folder):
    printed = []
    faces = read_folders(folder, printed.append, ignore, COUNTS)
    assert faces.votes is None
    assert faces.images.shape == (28, 48, 48)
    assert faces.usage.tolist() == [0] * 14 + [1] * 7 + [2] * 7
    assert np.bincount(faces.emotion[:14]).tolist() == [2] * 7
    return faces, printed


def test_names_of_test_pictures_give_their_split(tmp_path):
    """Labels by name, within one more folder, JPEG."""
    for code, label in enumerate(FER2013_CODES):
        for number in (7, 10):
            save(tmp_path / "archive" / "train" / label / f"Training_{number}.jpg", 10 * code + number)
        save(tmp_path / "archive" / "test" / label / f"PublicTest_{number}.jpg", 100 + code)
        save(tmp_path / "archive" / "test" / label / f"PrivateTest_{number}.jpg", 200 + code)
        (tmp_path / "archive" / "test" / label / "._1.jpg").write_bytes(b"hidden, and no picture")
    faces, printed = read(tmp_path)
    by_level = dict(zip(faces.images[14:, 0, 0].tolist(), faces.emotion[14:].tolist(), strict=True))
    assert by_level == {base + code: code for base in (100, 200) for code in range(7)}
    assert (faces.images[14:21] < 110).all()
    assert len(printed) == 2
    assert "no FER+ votes" in printed[0]
    assert "JPEG" in printed[1]


def test_test_pictures_without_a_split_are_shared_out_and_that_is_said(tmp_path):
    """Other names of the labels, PNG, nothing in the names."""
    names = ("angry", "disgusted", "fearful", "happy", "sad", "surprised", "neutral")
    for label in names:
        for number in range(2):
            save(tmp_path / "train" / label / f"im{number}.png", 5)
            save(tmp_path / "test" / label / f"im{number}.png", 6)
    faces, printed = read(tmp_path)
    assert np.bincount(faces.emotion[14:21]).tolist() == np.bincount(faces.emotion[21:]).tolist() == [1] * 7
    assert "the names of 14 test pictures do not say" in printed[1]
    assert "cannot be compared with published ones" in printed[1]


def test_folders_may_be_named_by_codes(tmp_path):
    for split, count in COUNTS.items():
        for code in range(7):
            for number in range(count // 7):
                save(tmp_path / split / str(code) / f"{number}.png", 30 * code)
    faces, printed = read(tmp_path)
    assert (faces.images[:, 0, 0] == 30 * faces.emotion).all()
    assert len(printed) == 1


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["x/readme.txt"], "contains no pictures of FER2013 as folders: train and test"),
        (["train/anger/a.png"], "has 1 Training, 0 PublicTest, 0 PrivateTest pictures, but FER2013 has 14 Training"),
        (["train/contempt/a.png"], "train/contempt is named after none of FER2013's labels: angry, disgust"),
        (["FER2013Train/fer0000000.png"], r"lacks FER2013's labels: give the table instead, --fer2013 fer2013\.csv"),
    ],
)
def test_other_folders_are_refused(tmp_path, files, message):
    for file in files:
        save(tmp_path / file, 1) if file.endswith("png") else (tmp_path / file).parent.mkdir()
    with pytest.raises(ConvertError, match=message):
        read_folders(tmp_path, ignore, ignore, COUNTS)


def test_picture_of_another_size_is_refused(tmp_path):
    save(tmp_path / "train" / "happy" / "a.png", 1, size=96)
    with pytest.raises(ConvertError, match=r"a\.png has 96x96 pixels, not 48x48"):
        read_folders(tmp_path, ignore, ignore, {"Training": 1, "PublicTest": 0, "PrivateTest": 0})
