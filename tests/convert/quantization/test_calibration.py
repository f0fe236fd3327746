import cv2
import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the training half needs the convert extra")

from convert.data.fer2013 import LABELS, load_split
from convert.errors import ConvertError
from convert.quantization.calibration import (
    KINDS,
    CalibrationSet,
    load_images,
    named_training_faces,
    parse_sets,
    training_faces,
)


def test_calibration_sets_are_augmented_and_balanced_by_kind(small_data):
    sets = {kind: training_faces(small_data, CalibrationSet(kind, 21)) for kind in KINDS}
    split = load_split(small_data, "Training")
    of_face = {image.tobytes(): label for image, label in zip(split.images, split.leader, strict=True)}
    assert list(sets) == ["plain", "camera", "half", "balanced"]
    assert {len(faces) for faces in sets.values()} == {21}
    untouched = {kind: sum(face.tobytes() in of_face for face in faces) for kind, faces in sets.items()}
    assert untouched == {"plain": 21, "camera": 0, "half": 11, "balanced": 21}
    drawn = [of_face[face.tobytes()] for face in sets["balanced"]]
    assert np.bincount(drawn).tolist() == [3] * 7
    for one, other in zip(sets["balanced"], training_faces(small_data, CalibrationSet("balanced", 21)), strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(training_faces(small_data, CalibrationSet("balanced", 10**6))) == len(split)


def test_option_sets_is_parsed_or_refused():
    assert parse_sets("half-500, plain-7") == (CalibrationSet("half", 500), CalibrationSet("plain", 7))
    for wrong in ("", "half", "half-0", "half--5", "half-x", "most-5", "half-5,"):
        with pytest.raises(ConvertError, match="--sets must be such as"):
            parse_sets(wrong)


def test_calibration_images_are_loaded_from_archives_and_folders(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (5, 20, 20, 3)).astype(np.uint8)
    np.savez(tmp_path / "p.npz", images=images)
    np.save(tmp_path / "p.npy", images[..., 0])
    (tmp_path / "faces" / "inside").mkdir(parents=True)
    for number, image in enumerate(images):
        cv2.imwrite(str(tmp_path / "faces" / "inside" / f"{number}.png"), image)
    assert load_images(tmp_path / "p.npz").names == [""] * 5
    assert load_images(tmp_path / "p.npy", count=3).images[0].shape == (20, 20)
    from_folder = load_images(tmp_path / "faces")
    np.testing.assert_array_equal(np.sort(np.stack(from_folder.images), axis=0), np.sort(images, axis=0))
    assert from_folder.names == ["inside"] * 5
    assert from_folder.unreadable == ()


def test_folders_that_are_links_are_followed_and_hidden_files_are_left_out(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "faces").mkdir()
    elsewhere.mkdir()
    cv2.imwrite(str(elsewhere / "1.png"), np.zeros((8, 8), np.uint8))
    (elsewhere / "._1.png").write_bytes(b"what another system writes beside each file")
    (tmp_path / "faces" / "happy").symlink_to(elsewhere)
    loaded = load_images(tmp_path / "faces")
    assert loaded.names == ["happy"]
    assert loaded.unreadable == ()


def test_bad_calibration_images_are_left_out_and_named(tmp_path):
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((8, 8), 40 * number, np.uint8))
    (tmp_path / "1.png").write_bytes(b"text")
    loaded = load_images(tmp_path)
    assert [int(image[0, 0, 0]) for image in loaded.images] == [0, 80]
    assert loaded.names == ["", ""]
    (sentence,) = loaded.unreadable
    assert str(tmp_path / "1.png") in sentence
    (tmp_path / "2.png").write_bytes(b"")
    with pytest.raises(ConvertError, match=r"2 of 3 calibration pictures .* cannot be read; the first: .*1\.png"):
        load_images(tmp_path)


def test_names_of_training_faces_are_their_leading_labels(small_data):
    drawn = named_training_faces(small_data, CalibrationSet("plain", 21))
    split = load_split(small_data, "Training")
    of_face = {image.tobytes(): LABELS[label] for image, label in zip(split.images, split.leader, strict=True)}
    assert drawn.names == [of_face[image.tobytes()] for image in drawn.images]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.npz", b"", "neither a folder of images nor"),
        ("p.npz", b"text", "neither a folder of images nor"),
        ("none.npz", None, "neither a folder of images nor"),
        ("p.jpg", b"text", "neither a folder of images nor an .npz with an array `images`: a single picture"),
        ("folder/p.jpg", b"text", r"p\.jpg is not an image"),
        ("folder/readme.txt", b"text", "contains no images"),
    ],
)
def test_unusable_calibration_source_is_named(tmp_path, name, content, message):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConvertError, match=message):
        load_images(path.parent if path.parent != tmp_path else path)


def test_float_images_are_refused(tmp_path):
    np.savez(tmp_path / "p.npz", images=np.zeros((2, 8, 8)))
    with pytest.raises(ConvertError, match="holds float64"):
        load_images(tmp_path / "p.npz")
