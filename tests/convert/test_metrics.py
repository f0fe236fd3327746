import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from convert.metrics import (
    accuracy_at_coverage,
    calibration_error_interval,
    expected_calibration_error,
    fit_temperature,
    mean_interval,
    reliability_bins,
    score,
    threshold_for_coverage,
    wilson_interval,
)


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
def test_interval_is_wilsons(correct, total, low, high):
    assert wilson_interval(correct, total) == pytest.approx((low, high), abs=5e-5)


def test_interval_without_images_is_everything():
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_scores_match_a_count_by_hand():
    labels = np.array([0, 0, 0, 1], dtype=np.int64)
    probabilities = np.array([[0.9, 0.1, 0], [0.8, 0.2, 0], [0.1, 0.2, 0.7], [0.1, 0.9, 0]], dtype=np.float32)
    scores = score(labels, probabilities)
    assert scores.images == 4
    assert scores.accuracy == pytest.approx(3 / 4)
    assert scores.recalls == (pytest.approx(2 / 3), 1.0, None)
    assert scores.macro_recall == pytest.approx(5 / 6)
    assert scores.confusion == ((2, 0, 1), (0, 1, 0), (0, 0, 0))


def test_images_without_a_prediction_are_wrong_and_not_in_the_confusion():
    scores = score(np.array([0, 1]), np.eye(3, dtype=np.float32)[[0, 1]], np.array([1, 0, 2]))
    assert (scores.images, scores.accuracy) == (5, 2 / 5)
    assert scores.interval == wilson_interval(2, 5)
    assert scores.recalls == (0.5, 1.0, 0.0)
    assert scores.recall_intervals == (wilson_interval(1, 2), wilson_interval(1, 1), wilson_interval(0, 2))
    assert scores.precisions == (1.0, 1.0, None)
    assert scores.precision_intervals[2] is None
    assert np.sum(scores.confusion) == 2
    assert [scores.images_of(label) for label in range(3)] == [2, 1, 2]


def test_interval_of_a_mean_of_one_share_is_that_of_the_share():
    assert mean_interval([0.25], [wilson_interval(5, 20)]) == pytest.approx(wilson_interval(5, 20))
    assert mean_interval([], []) == (0.0, 1.0)


def test_interval_of_a_mean_contains_the_mean_in_95_of_100_draws():
    rng, shares, counts = np.random.default_rng(2), (0.95, 0.5, 0.75), (12, 40, 25)
    inside = 0
    for _ in range(400):
        hits = rng.binomial(counts, shares)
        limits = [wilson_interval(int(hit), count) for hit, count in zip(hits, counts, strict=True)]
        low, high = mean_interval([hit / count for hit, count in zip(hits, counts, strict=True)], limits)
        inside += low <= np.mean(shares) <= high
    assert 0.92 < inside / 400 < 0.98


def test_interval_of_the_calibration_error_narrows_with_the_number_of_images():
    widths = []
    for count in (100, 10_000):
        labels, probabilities = drawn(1.8, count)
        low, high = calibration_error_interval(labels, probabilities)
        assert low <= expected_calibration_error(labels, probabilities) <= high
        widths.append(high - low)
    assert widths[1] < widths[0] / 4
    assert calibration_error_interval(labels[:0], probabilities[:0]) == (0.0, 1.0)


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
def test_applied_temperature_is_fitted(temperature):
    labels, probabilities = drawn(temperature)
    # The standard error of a fit on 20,000 rows is about one per cent.
    assert fit_temperature(probabilities, labels, 1e-6) == pytest.approx(temperature, rel=0.04)


def test_probability_of_zero_does_not_break_the_fit():
    labels, probabilities = drawn(1.0, count=500)
    rounded = (np.floor(probabilities * 16) / 16).astype(np.float32)
    assert (rounded[np.arange(500), labels] == 0).any()
    assert 0.25 <= fit_temperature(rounded, labels, 1 / 16) <= 4


def test_threshold_keeps_the_requested_share():
    _, probabilities = drawn(1.0)
    threshold = threshold_for_coverage(probabilities, 0.95)
    assert 0.95 <= (probabilities.max(axis=1) >= threshold).mean() < 0.97
    assert threshold == round(threshold, 2)


def test_calibration_error_is_the_gap_between_confidence_and_accuracy():
    labels, probabilities = drawn(1.0)
    assert expected_calibration_error(labels, probabilities) < 0.015
    wrong = np.zeros(10, dtype=np.int64)
    sure = np.tile(np.array([0.1, 0.9], dtype=np.float32), (10, 1))
    assert expected_calibration_error(wrong, sure) == pytest.approx(0.9)


def test_precision_and_f1_match_a_count_by_hand():
    labels = np.array([0, 0, 0, 1], dtype=np.int64)
    scores = score(labels, one_hot([0, 0, 1, 1], classes=4))
    assert scores.precisions == (1.0, 0.5, None, None)
    # Harmonic means: of 1 and 2/3, and of 1/2 and 1.
    assert scores.f1 == (pytest.approx(0.8), pytest.approx(2 / 3), None, None)


def one_hot(predicted, classes=7, confidence=0.9):
    rows = np.full((len(predicted), classes), (1 - confidence) / (classes - 1), dtype=np.float32)
    rows[np.arange(len(predicted)), predicted] = confidence
    return rows


@settings(max_examples=60, deadline=None)
@given(pairs=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=60))
@example(pairs=[(0, 0)] * 4)  # the upper limit rounds to just below 1
def test_metrics_of_a_confusion_matrix_are_consistent(pairs):
    labels, predicted = (np.array(part, dtype=np.int64) for part in zip(*pairs, strict=True))
    scores = score(labels, one_hot(predicted))
    confusion = np.array(scores.confusion)
    assert confusion.sum() == len(pairs)
    assert scores.accuracy == pytest.approx(np.trace(confusion) / len(pairs))
    assert scores.interval[0] <= scores.accuracy <= scores.interval[1]
    for precision, recall, f1 in zip(scores.precisions, scores.recalls, scores.f1, strict=True):
        if precision and recall:
            assert f1 == pytest.approx(2 * precision * recall / (precision + recall))
        else:
            assert not f1


def test_reliability_bins_match_a_count_by_hand():
    rows = np.array([[0.55, 0.45], [0.6, 0.4], [0.95, 0.05], [1.0, 0.0]], dtype=np.float32)
    bins = reliability_bins(np.array([0, 1, 0, 0]), rows, bins=10)
    assert len(bins) == 10
    assert [part.images for part in bins] == [0, 0, 0, 0, 0, 1, 1, 0, 0, 2]
    assert bins[9].confidence == pytest.approx(0.975)
    assert bins[9].accuracy == 1.0
    assert (bins[6].low, bins[6].high) == (0.6, 0.7)
    assert bins[0].accuracy is None
    assert expected_calibration_error(np.array([0, 1, 0, 0]), rows, bins=10) == pytest.approx(
        (0.45 + 0.6 + 2 * 0.025) / 4
    )


def test_coverage_counts_ties_in_equal_parts():
    labels = np.array([0, 0, 0, 0])
    rows = np.array([[0.9, 0.1], [0.7, 0.3], [0.3, 0.7], [0.4, 0.6]], dtype=np.float32)
    # Right, then a tie of one right and one wrong, then wrong.
    assert accuracy_at_coverage(labels, rows, [0.25, 0.5, 0.75, 1.0]) == pytest.approx((1, 1.5 / 2, 2 / 3, 0.5))


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 9999), count=st.integers(1, 80))
def test_coverage_ignores_order_and_ends_at_the_accuracy(seed, count):
    rng = np.random.default_rng(seed)
    rows = rng.choice([0.0, 0.25, 0.5, 0.75, 1.0], (count, 3)).astype(np.float32)
    labels = rng.integers(0, 3, count)
    shares = [0.1, 0.5, 0.9, 1.0]
    found = accuracy_at_coverage(labels, rows, shares)
    order = rng.permutation(count)
    assert accuracy_at_coverage(labels[order], rows[order], shares) == pytest.approx(found)
    assert found[-1] == pytest.approx(score(labels, rows).accuracy)
    assert all(0 <= value <= 1 for value in found)


@pytest.mark.parametrize("coverage", [0.0, 1.01])
def test_coverage_out_of_range_is_refused(coverage):
    with pytest.raises(ValueError, match="coverages must be"):
        accuracy_at_coverage(np.array([0]), one_hot([0]), [coverage])
