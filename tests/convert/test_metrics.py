import numpy as np
import pytest

from convert.metrics import calibration_error, fit_temperature, score, threshold_for_coverage, wilson


@pytest.mark.parametrize(
    ("correct", "total", "low", "high"),
    [
        # Newcombe (1998), table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_is_wilsons(correct, total, low, high):
    assert wilson(correct, total) == pytest.approx((low, high), abs=5e-5)


def test_no_image_says_nothing():
    assert wilson(0, 0) == (0.0, 1.0)


def test_scores_by_hand():
    labels = np.array([0, 0, 0, 1], dtype=np.int64)
    probabilities = np.array([[0.9, 0.1, 0], [0.8, 0.2, 0], [0.1, 0.2, 0.7], [0.1, 0.9, 0]], dtype=np.float32)
    scores = score(labels, probabilities)
    assert scores.images == 4
    assert scores.accuracy == pytest.approx(3 / 4)
    assert scores.recalls == (pytest.approx(2 / 3), 1.0, None)
    assert scores.macro_recall == pytest.approx(5 / 6)
    assert scores.confusion == ((2, 0, 1), (0, 1, 0), (0, 0, 0))


def drawn(temperature, count=20_000):
    """Labels drawn from logits, and probabilities that are too sure or too shy by `temperature`."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (count, 7))

    def softmax(values):
        exponent = np.exp(values - values.max(axis=1, keepdims=True))
        return (exponent / exponent.sum(axis=1, keepdims=True)).astype(np.float32)

    true = softmax(logits)
    labels = (true.cumsum(axis=1) > rng.random((count, 1))).argmax(axis=1)
    return labels, softmax(logits * temperature)


@pytest.mark.parametrize("temperature", [0.6, 1.0, 1.8])
def test_the_temperature_that_was_put_in_comes_out(temperature):
    labels, probabilities = drawn(temperature)
    # The standard error of a fit on 20,000 rows is about one per cent.
    assert fit_temperature(probabilities, labels, 1e-6) == pytest.approx(temperature, rel=0.04)


def test_a_probability_of_zero_does_not_break_the_fit():
    labels, probabilities = drawn(1.0, count=500)
    rounded = (np.floor(probabilities * 16) / 16).astype(np.float32)
    assert (rounded[np.arange(500), labels] == 0).any()
    assert 0.25 <= fit_temperature(rounded, labels, 1 / 16) <= 4


def test_the_threshold_keeps_the_share_that_was_asked_for():
    _, probabilities = drawn(1.0)
    threshold = threshold_for_coverage(probabilities, 0.95)
    assert 0.95 <= (probabilities.max(axis=1) >= threshold).mean() < 0.97
    assert threshold == round(threshold, 2)


def test_calibration_error_is_the_gap_between_sure_and_right():
    labels, probabilities = drawn(1.0)
    assert calibration_error(labels, probabilities) < 0.015
    wrong = np.zeros(10, dtype=np.int64)
    sure = np.tile(np.array([0.1, 0.9], dtype=np.float32), (10, 1))
    assert calibration_error(wrong, sure) == pytest.approx(0.9)
