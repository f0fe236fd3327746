import cv2
import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the training half needs the convert extra")

from convert.data.fer2013 import load_split
from convert.errors import ConvertError
from convert.quantization.calibration import KINDS, CalibrationSet, load_images, parse_sets, training_faces


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
    assert len(load_images(tmp_path / "p.npz")) == 5
    assert load_images(tmp_path / "p.npy", count=3)[0].shape == (20, 20)
    from_folder = load_images(tmp_path / "faces")
    np.testing.assert_array_equal(np.sort(np.stack(from_folder), axis=0), np.sort(images, axis=0))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.npz", b"", "neither a folder of images nor"),
        ("p.npz", b"text", "neither a folder of images nor"),
        ("none.npz", None, "neither a folder of images nor"),
        ("folder/p.jpg", b"text", r"p\.jpg cannot be decoded"),
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
