"""Data for the tests of the training half: the real data where it exists, and small synthetic data."""

from dataclasses import replace
from importlib.util import find_spec

import cv2
import numpy as np
import pytest

from convert.data.fer2013 import FER2013_TO_LABEL, FERPLUS_COLUMNS, LABELS, load_split
from convert.training.recipe import HEAD_ONLY
from support.footage import FOLDER
from support.tiny_run import TINY

SPLITS = {0: 192, 1: 64, 2: 64}
"""Images of the synthetic Training, PublicTest and PrivateTest."""
COPIED = 5
"""Images of the synthetic PrivateTest that are also in its Training."""


@pytest.fixture(scope="session", autouse=True)
def _light_tensorflow():
    """Runs TensorFlow eagerly and on one thread.

    Tracing a graph takes longer than the few steps of a test, and threads that wait for each other make a busy
    machine busier. A model is traced all the same where it is converted to TensorFlow Lite.
    """
    if find_spec("tensorflow") is not None:
        import tensorflow as tf  # noqa: PLC0415 - only where it is installed

        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.run_functions_eagerly(run_eagerly=True)


@pytest.fixture(scope="session")
def data():
    folder = FOLDER / "data"
    if not (folder / "fer2013.npz").exists():
        pytest.skip(f"{folder} has no fer2013.npz: set EMOTION_EDGE_DATA to the folder that holds data/")
    return folder


def synthetic_faces(rng):
    """One blurred pattern per class, with noise: resembles no person."""
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
    images, codes = synthetic_faces(rng)
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


@pytest.fixture
def weighted_data(face_data):
    """The same with a file of other numbers in place of the weights, which no network reads: without Keras."""
    h5py = pytest.importorskip("h5py", reason="the training half needs the convert extra")
    path = face_data / "mobilenet_v2_0.35_imagenet_notop.weights.h5"
    stored = path.read_bytes() if path.exists() else None  # those of `small_data`
    with h5py.File(path, "w") as file:
        file["layers/conv/vars/0"] = np.random.default_rng(3).standard_normal((1000, 1000), dtype=np.float32)
        file["layers/norm/vars/0"] = np.float32([1, 70_000])
    yield face_data
    path.unlink()
    if stored is not None:
        path.write_bytes(stored)


@pytest.fixture(scope="session")
def finished_run(small_data, tmp_path_factory):
    """A finished run of the tiny recipe, with a heartbeat in each phase: (folder, best model, printed lines)."""
    from convert.progress import Heartbeat  # noqa: PLC0415
    from convert.training.preparation import prepare  # noqa: PLC0415
    from convert.training.train import train  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("whole")
    printed = []
    with Heartbeat(printed.append, 0.01) as beat:
        return folder, train(prepare(TINY, small_data, folder), beat), printed


@pytest.fixture(scope="session")
def evaluated_model(face_data, tmp_path_factory):
    """A .tflite with manifest and float model, of a linear network of mean brightnesses: fast, and often wrong."""
    keras = pytest.importorskip("keras", reason="the training half needs the convert extra")
    pytest.importorskip("ai_edge_litert", reason="the converted model is run by ai-edge-litert")
    from convert.quantization.quantize import quantize  # noqa: PLC0415
    from convert.release.export import ModelDescription, write_model  # noqa: PLC0415
    from convert.runtimes.keras_model import load_float_model  # noqa: PLC0415
    from edge.vision.classification.manifest import ModelInput  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("tiny")
    keras.utils.set_random_seed(4)
    layers = [
        keras.Input((48, 48, 1)),
        keras.layers.AveragePooling2D(8),
        keras.layers.Flatten(),
        keras.layers.Dense(7, activation="softmax", kernel_initializer=keras.initializers.RandomNormal(stddev=0.6)),
    ]
    keras.Sequential(layers).save(folder / "tiny.keras")
    spec = ModelInput(width=48, height=48, colour="gray", value_range=(-1.0, 1.0))
    images = list(load_split(face_data, "Training").images[:40])
    content = quantize(load_float_model(folder / "tiny.keras"), spec, images)
    description = ModelDescription("tiny", LABELS, 0.0, 1.0, 0.4, "none", "tests")
    return write_model(content, spec, description, folder)


@pytest.fixture(scope="session")
def fold_run(small_data, tmp_path_factory):
    """The folder of a run that trained the dense layers for an epoch, without fold 1 of 8."""
    from convert.cli import main  # noqa: PLC0415

    run = tmp_path_factory.mktemp("run")
    recipe = replace(TINY, stages=(replace(TINY.stages[0], epochs=1, first_block=HEAD_ONLY),))
    recipe.save(run / "mine.json")
    command = ["train", "--recipe", str(run / "mine.json"), "--run", str(run), "--data", str(small_data)]
    assert main([*command, "--fold", "1/8"]) == 0
    return run


@pytest.fixture(scope="session")
def exported(face_data, tmp_path_factory):
    """A network as `train` builds and saves it, with random weights, as `export` writes it."""
    pytest.importorskip("ai_edge_litert", reason="the converted model is run by ai-edge-litert")
    from convert.cli import main  # noqa: PLC0415
    from convert.training.network import build_network  # noqa: PLC0415
    from convert.training.run_folder import BEST  # noqa: PLC0415
    from convert.training.train import save_without_optimizer  # noqa: PLC0415

    run = tmp_path_factory.mktemp("untrained")
    save_without_optimizer(build_network(TINY, TINY.stages[0].side_px, None), run / BEST)
    folder = tmp_path_factory.mktemp("models")
    command = ["export", "--run", str(run), "--data", str(face_data), "--output", str(folder), "--name", "t"]
    assert main(command) == 0
    return folder / "t.tflite"
