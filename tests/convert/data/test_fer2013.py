from pathlib import Path

import numpy as np
import pytest

from convert.data.fer2013 import (
    FER2013_TO_LABEL,
    FERPLUS_COLUMNS,
    LABELS,
    data_folder,
    load_split,
    training_rows,
    with_majority,
    without_duplicates_of,
)
from convert.errors import ConvertError


@pytest.mark.footage
def test_clean_private_test_shares_no_image_with_training(data):
    training, private = load_split(data, "Training"), load_split(data, "PrivateTest")
    clean = without_duplicates_of(private, training)
    assert (len(private), len(clean)) == (3589, 3301)
    # The images that published comparisons count: one of the seven leads, ties by column order.
    assert int((clean.leader >= 0).sum()) == 3234
    assert not {image.tobytes() for image in clean.images} & {image.tobytes() for image in training.images}


@pytest.mark.footage
def test_votes_and_labels_of_the_real_file_agree(data):
    split = load_split(data, "Training")
    assert len(split) == 28709
    np.testing.assert_allclose(split.votes.sum(axis=1), 1, atol=1e-5)
    clear = split.take(split.agreement >= 0.9)
    assert (clear.votes.argmax(axis=1) == clear.majority).all()
    # FER2013 and ten people name the same emotion far more often than not: the columns are not mix_up up.
    for label in range(len(LABELS)):
        own = clear.original[clear.majority == label]
        assert np.bincount(own, minlength=7).argmax() == label


@pytest.mark.footage
def test_constant_images_are_not_trained_on(data):
    split = load_split(data, "Training")
    kept = training_rows(split)
    assert 28000 < len(kept) < len(split)
    assert kept.images.reshape(len(kept), -1).std(axis=1).min() > 0


def test_label_maps_are_permutations():
    assert sorted(FER2013_TO_LABEL) == list(range(7))
    assert sorted(FERPLUS_COLUMNS) == list(range(7))


def write(folder, votes, emotion=None, **changes):
    count = len(votes)
    arrays = {
        "images": np.arange(count * 48 * 48, dtype=np.uint32).astype(np.uint8).reshape(count, 48, 48),
        "emotion": np.zeros(count, dtype=np.uint8) if emotion is None else np.asarray(emotion, dtype=np.uint8),
        "usage": np.zeros(count, dtype=np.uint8),
        "ferplus_votes": np.asarray(votes, dtype=np.uint8),
    }
    np.savez(folder / "fer2013.npz", **(arrays | changes))
    return folder


def test_votes_become_targets_majority_and_leader(tmp_path):
    split = load_split(
        write(
            tmp_path,
            [
                [0, 8, 0, 0, 0, 0, 0, 0, 2, 0],  # happiness
                [4, 4, 0, 0, 0, 0, 0, 0, 2, 0],  # a tie of neutral and happiness
                [0, 0, 0, 0, 3, 0, 0, 0, 7, 0],  # anger, but most do not know
                [0, 0, 0, 0, 0, 0, 0, 0, 0, 10],  # not a face
                [0, 0, 0, 0, 4, 2, 0, 4, 0, 0],  # anger ties with contempt, which is no label
            ],
            emotion=[3, 6, 0, 0, 0],
        ),
        "Training",
    )
    angry, happy, neutral = (LABELS.index(label) for label in ("angry", "happy", "neutral"))
    assert split.majority.tolist() == [happy, -1, -1, -1, -1]
    assert split.leader.tolist() == [happy, neutral, -1, -1, angry]
    assert split.original.tolist() == [happy, neutral, angry, angry, angry]
    np.testing.assert_allclose(split.votes.sum(axis=1), 1)
    assert split.votes[0, happy] == 1
    assert split.votes[2, angry] == 1
    np.testing.assert_allclose(split.votes[3], 1 / 7)
    assert split.agreement[0] == pytest.approx(0.8)
    assert with_majority(split).rows.tolist() == [0]
    assert training_rows(split).rows.tolist() == [0, 1, 2, 4]


def test_missing_folder_names_option_and_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_EDGE_DATA", str(tmp_path / "none"))
    with pytest.raises(
        ConvertError, match=r"none/data \(of \$EMOTION_EDGE_DATA\) has no fer2013\.npz: `emotion-convert data"
    ):
        data_folder()
    monkeypatch.delenv("EMOTION_EDGE_DATA")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConvertError, match=r"the folder data has no fer2013\.npz: .* and --data DIR names its folder"):
        data_folder()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "fer2013.npz").touch()
    assert data_folder() == Path("data")


@pytest.mark.parametrize("content", [b"", b"no archive"])
def test_file_that_is_not_an_archive_is_named(tmp_path, content):
    (tmp_path / "fer2013.npz").write_bytes(content)
    with pytest.raises(ConvertError, match=r"fer2013\.npz is not the FER2013 archive"):
        load_split(tmp_path, "Training")


def test_archive_without_labels_is_named(tmp_path):
    np.savez(tmp_path / "fer2013.npz", images=np.zeros((1, 48, 48), dtype=np.uint8))
    with pytest.raises(ConvertError, match="is not the FER2013 archive"):
        load_split(tmp_path, "Training")


def test_archive_without_votes_is_read_by_those_that_do_without(tmp_path):
    write(tmp_path, np.zeros((3, 10)), emotion=[3, 6, 0])
    with np.load(tmp_path / "fer2013.npz") as file:
        arrays = {name: file[name] for name in file.files if name != "ferplus_votes"}
    arrays["images"][1] = 7
    np.savez(tmp_path / "fer2013.npz", **arrays)
    with pytest.raises(
        ConvertError, match=r"has no FER\+ votes, which this command needs: `emotion-convert data"
    ) as error:
        load_split(tmp_path, "Training")
    assert "\n" not in str(error.value)
    split = load_split(tmp_path, "Training", need_votes=False)
    assert not split.has_votes
    assert split.original.tolist() == [LABELS.index(label) for label in ("happy", "neutral", "angry")]
    assert split.leader.tolist() == split.majority.tolist() == [-1] * 3
    assert training_rows(split).rows.tolist() == [0, 2]  # without the constant one
