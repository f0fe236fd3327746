"""Data for the tests of the training half: the real one where it is, and a small made-up one."""

import cv2
import numpy as np
import pytest
from tiny_run import TINY

from convert.data.fer2013 import FER2013_TO_LABEL, FERPLUS_COLUMNS
from footage import FOLDER

SPLITS = {0: 192, 1: 64, 2: 64}
"""Images of the made-up Training, PublicTest and PrivateTest."""
COPIED = 5
"""Images of the made-up PrivateTest that are in its Training too."""


@pytest.fixture(scope="session")
def data():
    folder = FOLDER / "data"
    if not (folder / "fer2013.npz").exists():
        pytest.skip(f"{folder} has no fer2013.npz: set EMOTION_EDGE_DATA to the folder that holds data/")
    return folder


def made_up_faces(rng):
    """One blurred pattern per class, with noise: nothing that looks like anybody."""
    patterns = [cv2.GaussianBlur(rng.uniform(0, 255, (48, 48)).astype(np.float32), (0, 0), 5) for _ in range(7)]
    patterns = [cv2.normalize(pattern, None, 30, 220, cv2.NORM_MINMAX) for pattern in patterns]
    codes = np.arange(sum(SPLITS.values())) % 7
    images = np.stack([patterns[code] + rng.normal(0, 12, (48, 48)) for code in codes])
    return np.clip(images, 0, 255).astype(np.uint8), codes.astype(np.uint8)


@pytest.fixture(scope="session")
def face_data(tmp_path_factory):
    """A data folder in the layout of the real one, without weights: 320 patterns."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(3)
    images, codes = made_up_faces(rng)
    usage = np.repeat(list(SPLITS), list(SPLITS.values())).astype(np.uint8)
    images[-COPIED:] = images[:COPIED]
    votes = np.zeros((len(images), 10), dtype=np.uint8)
    columns = np.asarray(FERPLUS_COLUMNS)[np.asarray(FER2013_TO_LABEL)[codes]]
    votes[np.arange(len(images)), columns] = 8
    votes[:, 8] += 2
    np.savez(folder / "fer2013.npz", images=images, emotion=codes, usage=usage, ferplus_votes=votes)
    return folder


@pytest.fixture(scope="session")
def small_data(face_data):
    """The same with random weights for alpha 0.35."""
    keras = pytest.importorskip("keras", reason="the training half needs the convert extra")
    keras.utils.set_random_seed(1)
    backbone = keras.applications.MobileNetV2(input_shape=(32, 32, 3), alpha=0.35, include_top=False, weights=None)
    backbone.save_weights(face_data / "mobilenet_v2_0.35_imagenet_notop.weights.h5")
    return face_data


@pytest.fixture(scope="session")
def whole_run(small_data, tmp_path_factory):
    """A finished run of the tiny recipe: (folder, best model, lines said)."""
    from convert.training.train import train  # noqa: PLC0415 - only where Keras is

    folder = tmp_path_factory.mktemp("whole")
    said = []
    return folder, train(TINY, small_data, folder, said.append), said
