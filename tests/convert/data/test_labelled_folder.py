import os

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from convert.data.fer2013 import LABELS
from convert.data.labelled_folder import find_pictures, matching_label, parse_label_map
from convert.errors import ConvertError


def files(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def found(folder, labels=LABELS, **label_map):
    return find_pictures(folder, labels, "mine", label_map)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("happy", "happy"),
        ("Happy", "happy"),
        ("happiness", "happy"),
        ("JOY", "happy"),
        ("anger", "angry"),
        ("disgusted", "disgust"),
        ("fearful", "fear"),
        ("afraid", "fear"),
        ("sadness", "sad"),
        ("surprised", "surprise"),
        ("contempt", None),
        ("1", None),
        ("", None),
    ],
)
def test_names_of_public_data_sets_mean_labels(name, label):
    assert matching_label(name, LABELS) == label


def test_synonyms_mean_a_label_of_any_model_but_never_one_of_two():
    assert matching_label("happy", ("sadness", "happiness")) == "happiness"
    assert matching_label("happiness", ("happy", "joy")) is None
    assert matching_label("joy", ("happy", "joy")) == "joy"
    assert matching_label("HAPPY", ("Happy", "happy")) is None


def test_pictures_of_any_depth_and_format_have_the_label_of_their_outermost_folder(tmp_path):
    names = ("happy/10.jpg", "happy/2.PNG", "happy/day/1.webp", "sadness/x.tiff", "sadness/x.pgm", "sadness/x.bmp")
    pictures = found(files(tmp_path, *names, "happy/notes.txt", "happy/.hidden.jpg", ".git/x.jpg"))
    assert [pictures.name_of(at) for at in range(3)] == ["happy/2.PNG", "happy/10.jpg", "happy/day/1.webp"]
    assert [LABELS[label] for label in pictures.labels] == ["happy"] * 3 + ["sad"] * 3
    assert pictures.other_files == 1
    assert dict(pictures.folders) == {"happy": "happy", "sadness": "sad"}
    assert "folders taken for labels of another name: sadness as sad" in pictures.notes


def test_empty_folders_loose_pictures_and_missing_labels_are_named(tmp_path):
    files(tmp_path, "happy/1.jpg", "loose.jpg", "fear/readme.md")
    (tmp_path / "notes").mkdir()
    pictures = found(tmp_path)
    text = "\n".join(pictures.notes)
    assert f"folder {tmp_path / 'fear'} contains no picture, only 1 other files" in text
    assert f"folder {tmp_path / 'notes'} contains no picture" in text
    assert f"1 pictures lie directly in {tmp_path}" in text
    assert "no picture shows angry, disgust, fear, neutral, sad, surprise" in text
    assert (len(pictures.paths), pictures.left_out) == (1, 1)


def test_folder_without_a_label_is_one_sentence_until_it_is_mapped(tmp_path):
    files(tmp_path, "happy/1.jpg", "contempt/1.jpg", "contempt/2.jpg", "7/1.jpg")
    with pytest.raises(ConvertError, match=r"folders '7', 'contempt', which are no labels of model mine \(angry, disg"):
        found(tmp_path)
    with pytest.raises(ConvertError, match=r"which is no label of .*give --label-map contempt=LABEL, or leave it out"):
        found(tmp_path, **{"7": "neutral"})
    pictures = found(tmp_path, **{"7": "neutral", "contempt": ""})
    assert [LABELS[label] for label in pictures.labels] == ["neutral", "happy"]
    assert pictures.left_out == 2
    assert ("contempt", None) in pictures.folders


def test_folder_above_the_labels_names_the_one_to_give(tmp_path):
    files(tmp_path, "test/happy/1.jpg", "train/happy/1.jpg")
    with pytest.raises(ConvertError, match=rf"one level deeper, so give --pictures {tmp_path / 'test'}"):
        found(tmp_path)


def test_folder_that_cannot_be_used_is_one_sentence(tmp_path):
    with pytest.raises(ConvertError, match=r"none cannot be read: No such file"):
        found(tmp_path / "none")
    with pytest.raises(ConvertError, match=r"contains no folder: it needs one for each label of model mine"):
        found(files(tmp_path / "flat", "1.jpg"))
    with pytest.raises(ConvertError, match=r"contains no picture in the folder of a label .* \.jpg"):
        found(files(tmp_path / "text", "happy/1.txt"))
    with pytest.raises(ConvertError, match=r"--label-map names folder 'x', which .* does not contain; it has 'happy'"):
        found(files(tmp_path / "one", "happy/1.jpg"), x="sad")
    with pytest.raises(ConvertError, match=r"--label-map happy=glad: 'glad' is no label of model mine"):
        found(tmp_path / "one", happy="glad")


def test_name_that_is_not_utf8_or_has_a_line_break_can_be_printed(tmp_path):
    files(tmp_path, os.fsdecode(b"happy/\xff\n.jpg"))
    name = found(tmp_path).name_of(0)
    assert name.isprintable()
    assert name.encode() == b"happy/\\udcff\\n.jpg"


def test_part_of_the_pictures_keeps_their_labels(tmp_path):
    part = found(files(tmp_path, "happy/1.jpg", "sad/1.jpg", "sad/2.jpg")).take(np.array([0, 2]))
    assert [part.name_of(at) for at in range(2)] == ["happy/1.jpg", "sad/2.jpg"]
    assert [LABELS[label] for label in part.labels] == ["happy", "sad"]


def test_label_map_is_read():
    assert parse_label_map(["a=b, c = d", "e="]) == {"a": "b", "c": "d", "e": ""}
    with pytest.raises(ConvertError, match="names folder 'a' twice"):
        parse_label_map(["a=b,a=c"])


@settings(max_examples=50)
@given(st.lists(st.text("ab=, \n", max_size=8), max_size=3))
@example(["="])
@example([""])
def test_any_label_map_is_read_or_refused_with_one_sentence(texts):
    parts = [part for text in texts for part in text.split(",")]
    folders = [part.partition("=")[0].strip() for part in parts]
    if all("=" in part for part in parts) and all(folders) and len(set(folders)) == len(folders):
        assert list(parse_label_map(texts)) == folders
    else:
        with pytest.raises(ConvertError, match=r"^--label-map .*$"):
            parse_label_map(texts)
