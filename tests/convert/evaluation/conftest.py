"""The shipped model, and the scripted actor's faces as a split."""

import cv2
import numpy as np
import pytest

from convert.data.fer2013 import LABELS
from edge.vision.classification.manifest import find_model, load_manifest
from support.footage import ROOT
from support.synthetic_split import split_of


@pytest.fixture(scope="session")
def actor():
    """The scripted actor's seven composite faces in the order of the labels."""
    strip = cv2.imread(str(ROOT / "edge" / "assets" / "actor.png"), cv2.IMREAD_GRAYSCALE)
    return split_of(np.stack(np.split(strip, len(LABELS), axis=1)))


@pytest.fixture(scope="session")
def shipped():
    pytest.importorskip("ai_edge_litert", reason="the model is run by ai-edge-litert")
    from convert.runtimes.tflite import Int8Model  # noqa: PLC0415

    path = find_model("normal")
    return Int8Model(path.read_bytes()), load_manifest(path)
