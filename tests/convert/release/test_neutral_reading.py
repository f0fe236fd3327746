"""The mean neutral reading of a model, which its manifest states."""

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert", reason="the model is run by ai-edge-litert")
from convert.release.neutral_reading import FEWEST_PICTURES, reading_of_pictures

ROWS = np.array([[0.8, 0.1, 0.1]] * FEWEST_PICTURES + [[0.1, 0.8, 0.1]] * 9, np.float32)
LABELS = ("calm", "tense", "tired")


def test_users_pictures_give_a_reading_where_enough_lie_in_a_folder_of_the_neutral_label():
    names = ["Neutral"] * FEWEST_PICTURES + ["tense"] * 4 + [""] * 5
    found = reading_of_pictures(ROWS, LABELS, names, "photos", "ai-edge-litert 2 int8")
    assert found.log_odds == (0.0, pytest.approx(-2.079), pytest.approx(-2.079))
    assert (found.images, found.dataset) == (FEWEST_PICTURES, "photos")
    assert reading_of_pictures(ROWS, LABELS, ["neutral", *[""] * 28], "photos", "r") is None
    assert reading_of_pictures(ROWS, ("a", "b", "c"), names, "photos", "r") is None
    assert reading_of_pictures(ROWS, LABELS, [""] * 29, "photos", "r") is None
