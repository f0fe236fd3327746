"""The data file from published tables: the same arrays come back, and each fault is one sentence."""

import numpy as np
import pytest

from convert.data.fer2013 import FER2013_TO_LABEL, FERPLUS_COLUMNS, USAGE_CODES
from convert.data.published import Faces, check_counts, compare_with_published, describe, write_data_file
from convert.data.tables import read_tables
from convert.errors import ConvertError
from support.footage import FOLDER

COUNTS = {"Training": 14, "PublicTest": 7, "PrivateTest": 7}
ANSWERS = "neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"


def ignore(*_):
    """Counts nothing, and prints nothing."""


@pytest.fixture(scope="module")
def faces():
    rng = np.random.default_rng(8)
    usage = np.repeat(list(USAGE_CODES.values()), list(COUNTS.values())).astype(np.uint8)
    emotion = (np.arange(len(usage)) % 7).astype(np.uint8)
    votes = np.zeros((len(usage), 10), dtype=np.uint8)
    votes[np.arange(len(usage)), [FERPLUS_COLUMNS[FER2013_TO_LABEL[code]] for code in emotion]] = 8
    votes[:, 9] = 2
    return Faces(rng.integers(0, 256, (len(usage), 48, 48)).astype(np.uint8), emotion, usage, votes)


def fer2013_lines(faces, header="emotion,pixels,Usage"):
    names = list(USAGE_CODES)
    lines = [header]
    for image, emotion, usage in zip(faces.images, faces.emotion, faces.usage, strict=True):
        values = {"emotion": str(emotion), "pixels": " ".join(map(str, image.ravel())), "Usage": names[usage]}
        lines.append(",".join(values[column.strip()] for column in header.split(",")))
    return lines


def ferplus_lines(faces):
    names = list(USAGE_CODES)
    rows = zip(faces.usage, faces.votes, strict=True)
    named = [
        ",".join([names[usage], f"fer{at:07d}.png" if at else "", *map(str, votes)])
        for at, (usage, votes) in enumerate(rows)
    ]
    return [f"Usage,Image name,{ANSWERS}", *named]


def write(path, lines, *, end="\n"):
    path.write_bytes(b"\xef\xbb\xbf" * (end != "\n") + end.join([*lines, ""]).encode())
    return path


@pytest.mark.parametrize(
    ("header", "end"), [("emotion,pixels,Usage", "\n"), ("emotion, Usage, pixels", "\r\n")], ids=["fer2013", "icml"]
)
def test_arrays_come_back_from_both_tables(faces, tmp_path, header, end):
    tables = write(tmp_path / "f.csv", fer2013_lines(faces, header), end=end), tmp_path / "p.csv"
    write(tables[1], ferplus_lines(faces), end=end)
    printed, ticks = [], []
    made = read_tables(*tables, printed.append, lambda *tick: ticks.append(tick), COUNTS)
    path = write_data_file(made, tmp_path / "new" / "data")
    with np.load(path) as file:
        assert sorted(file.files) == ["emotion", "ferplus_votes", "images", "usage"]
        assert {file[name].dtype for name in file.files} == {np.dtype(np.uint8)}
        np.testing.assert_array_equal(file["images"], faces.images)
        np.testing.assert_array_equal(file["emotion"], faces.emotion)
        np.testing.assert_array_equal(file["usage"], faces.usage)
        np.testing.assert_array_equal(file["ferplus_votes"], faces.votes)
    assert printed == ["FER+: 28 of 28 pictures have 10 votes; the leading vote is FER2013's label on 100 %"]
    assert ticks[-1] == (27, 28)
    assert describe(made)[1] == (
        "PublicTest: 7 pictures (angry 1, disgust 1, fear 1, happy 1, sad 1, surprise 1, neutral 1)"
    )


def test_without_ferplus_the_file_has_no_votes(faces, tmp_path):
    made = read_tables(write(tmp_path / "f.csv", fer2013_lines(faces)), None, ignore, ignore, COUNTS)
    with np.load(write_data_file(made, tmp_path)) as file:
        assert sorted(file.files) == ["emotion", "images", "usage"]


def changed(lines, number, old, new):
    assert old in lines[number]
    return [*lines[:number], lines[number].replace(old, new, 1), *lines[number + 1 :]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: changed(lines, 0, "Usage", "usage2"), "has no column usage; its first line is 'emotion,pixels,"),
        (lambda lines: changed(lines, 3, "2,", "7,"), "line 4: emotion is '7', not a whole number from 0 to 6"),
        (lambda lines: changed(lines, 3, ",Training", ",Test"), "line 4: Usage is 'Test', not one of Training, Public"),
        (lambda lines: changed(lines, 2, ",Training", " 9,Training"), "line 3: 2,305 pixels, not 2,304"),
        (
            lambda lines: changed(lines, 2, ",Training", "999,Training"),
            "line 3: pixels from 0 to .*999, not from 0 to 255",
        ),
        (lambda lines: changed(lines, 2, "1,", "1,x"), "line 3: pixels must be whole numbers"),
        (lambda lines: [*lines[:-1], lines[-1][:300]], "line 29: 2 of 3 values; is the file cut off"),
        (lambda lines: lines[:-1], "14 Training, 7 PublicTest, 6 PrivateTest pictures, but FER2013 has 14 Training, 7"),
        (lambda lines: [lines[0], *lines[15:], *lines[1:15]], "row 0 is of another split in .*p.csv than in .*f.csv"),
        (lambda _: ["PK\x03\x04"], "f.csv is an archive: unpack it"),
        (lambda _: [], r"f.csv is not FER2013's table .* its first line is 'nothing'"),
    ],
)
def test_fault_of_fer2013s_table_is_named(faces, tmp_path, change, message):
    tables = write(tmp_path / "f.csv", change(fer2013_lines(faces))), write(tmp_path / "p.csv", ferplus_lines(faces))
    with pytest.raises(ConvertError, match=message) as error:
        read_tables(*tables, ignore, ignore, COUNTS)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: changed(lines, 0, "NF", "other"), r"p.csv is not FER\+'s table .* no column nf"),
        (lambda lines: changed(lines, 5, "8", "11"), "line 6: .* is '11', not a whole number from 0 to 10"),
        (lambda lines: changed(lines, 5, "8", "9"), "row 4 has 11 votes, and only 27 of 28 rows have 10"),
        (lambda lines: changed(lines, 5, "8", "3"), "row 4 has 5 votes, and only 27 of 28 rows have 10"),
        (
            lambda lines: [lines[0], lines[14], *lines[1:14], lines[21], *lines[15:21], *lines[22:]],
            "the rows of .*p.csv do not belong to these pictures",
        ),
    ],
)
def test_fault_of_ferplus_table_is_named(faces, tmp_path, change, message):
    tables = write(tmp_path / "f.csv", fer2013_lines(faces)), write(tmp_path / "p.csv", change(ferplus_lines(faces)))
    with pytest.raises(ConvertError, match=message):
        read_tables(*tables, ignore, ignore, COUNTS)


def test_published_counts_are_the_default(faces, tmp_path):
    with pytest.raises(ConvertError, match="but FER2013 has 28,709 Training, 3,589 PublicTest, 3,589 PrivateTest"):
        check_counts(faces.usage, tmp_path / "f.csv")


def test_arrays_that_are_not_the_published_ones_are_named(faces):
    line = compare_with_published(faces)
    assert line.startswith("warning: the pixels, labels, splits, votes are not those of the published tables")
    without = Faces(faces.images, faces.emotion, faces.usage)
    assert "votes" not in compare_with_published(without)


def test_published_arrays_are_recognised():
    path = FOLDER / "data" / "fer2013.npz"
    if not path.exists():
        pytest.skip(f"{path} is not there: set EMOTION_EDGE_DATA to the folder that holds media/ and data/")
    with np.load(path) as data:
        faces = Faces(data["images"], data["emotion"], data["usage"], data["ferplus_votes"])
    assert compare_with_published(faces) == "checksums: these are the published tables"
    exchanged = faces.emotion.copy()
    exchanged[[0, 2]] = exchanged[[2, 0]]
    assert "warning: the labels are not" in compare_with_published(Faces(faces.images, exchanged, faces.usage))
