"""The methods of quantization: what is measured, and which one is chosen."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the training half needs the convert extra")
pytest.importorskip("ai_edge_litert", reason="the converted model is run by ai-edge-litert")
from convert.data.fer2013 import load_split
from convert.quantization.study import FloatReference, Trial, choose
from convert.runtimes.inputs import describe_input
from convert.runtimes.keras_model import load_float_model
from support.small_models import linear_model

TRIAL = Trial("half-500", "min-max", 0.8, 0.001, 0.98, 1.0, 0.01, b"")


@pytest.mark.parametrize(
    ("changes", "best"),
    [
        ([{}, {"agreement": 0.984}], 1),
        ([{}, {"agreement": 0.9804}], 0),  # the same to the tenth of a point: the first, which is simpler
        ([{}, {"agreement": 0.99, "loss": 0.0031}], 0),
        ([{"loss": 0.01}, {"agreement": 0.99, "loss": 0.02}], 1),  # none keeps the accuracy
        ([{}, {"agreement": 0.99, "loss": -0.01}], 1),
    ],
)
def test_method_with_highest_agreement_is_chosen_among_those_that_keep_the_accuracy(changes, best):
    trials = [replace(TRIAL, **change) for change in changes]
    assert choose(trials) is trials[best]


def test_trial_counts_labels_and_points(small_data):
    leader = load_split(small_data, "PublicTest").leader
    certain = np.eye(7, dtype=np.float32)[leader]
    # The last half of the faces is a near tie for the float model.
    reference_rows = certain.copy()
    reference_rows[32:] = 0.52 * certain[32:] + 0.48 * np.roll(certain[32:], 3, axis=1)
    reference = FloatReference(leader, np.zeros((64, 8, 8, 1), dtype=np.float32), reference_rows)
    rows = reference_rows.copy()
    rows[-8:] = np.roll(reference_rows[-8:], 1, axis=1)
    trial = reference.compare(rows, b"model", "half-500", "min-max")
    assert (trial.accuracy, trial.loss, trial.agreement, trial.sure_agreement) == (0.875, 0.125, 0.875, 1.0)
    assert trial.shift == pytest.approx(8 * 2 / (64 * 7))
    assert (trial.content, trial.calibration, trial.method) == (b"model", "half-500", "min-max")


def test_reference_is_the_float_model_on_public_test(small_data, tmp_path):
    model = load_float_model(linear_model(tmp_path / "m.keras"))
    reference = FloatReference.on_public_test(model, describe_input(model, (-1.0, 1.0)), small_data)
    np.testing.assert_array_equal(reference.leader, load_split(small_data, "PublicTest").leader)
    assert reference.inputs.shape == (64, 8, 8, 1)
    np.testing.assert_allclose(reference.probabilities, model.predict(reference.inputs), atol=1e-6)
