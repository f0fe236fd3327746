import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the training half needs the convert extra")
pytest.importorskip("ai_edge_litert", reason="the converted model is run by ai-edge-litert")
from convert.data.fer2013 import load_split
from convert.evaluation.forms import compare_forms, missing_float_model
from edge.vision.classification.manifest import find_model


def test_two_forms_are_compared_on_the_same_images(face_data):
    split = load_split(face_data, "PublicTest").take(np.arange(4))
    correct = np.eye(7, dtype=np.float32)[split.leader]
    other = correct.copy()
    other[:2] = np.roll(correct[:2], 1, axis=1)
    (pair,) = compare_forms(split.leader, [("a", correct), ("b", other)], "FER+ majority")
    assert (pair.agreement, pair.difference) == (0.5, -0.5)
    assert (pair.only_first_right, pair.only_second_right, pair.judged) == (2, 0, 4)


def test_missing_float_model_of_a_shipped_model_is_in_the_checkout():
    absent = str(missing_float_model(find_model("small")))
    assert "the installed package has no float model of small; give it with --float FILE" in absent
    assert "it is models/small.keras in the source checkout" in absent
