import numpy as np
import pytest

from convert.data.fer2013 import LABELS, load_split
from convert.evaluation.valence import fisher_interval, measure_valence, pearson, valence_of, valence_sentence


def test_valence_of_shares_is_their_weighted_mean():
    shares = np.zeros((2, len(LABELS)))
    shares[0, LABELS.index("happy")] = 1
    shares[1, [LABELS.index("happy"), LABELS.index("sad")]] = 0.5
    np.testing.assert_allclose(valence_of(shares), [0.8675, (0.8675 - 0.725) / 2])


def test_model_that_answers_as_the_votes_has_a_correlation_of_one(face_data):
    split = load_split(face_data, "PublicTest")
    result = measure_valence(split, split.votes, "as the votes")
    assert (result.dataset, result.images) == ("FER+ votes", 64)
    assert result.correlation == pytest.approx(1.0)
    assert result.mean_absolute_error == 0.0


def test_model_that_always_answers_the_same_has_no_correlation(face_data):
    split = load_split(face_data, "PublicTest")
    result = measure_valence(split, np.full_like(split.votes, 1 / 7), "constant")
    assert (result.correlation, result.interval) == (None, None)
    assert "no correlation" in valence_sentence(result)


def test_images_whose_votes_no_emotion_leads_do_not_count(face_data):
    split = load_split(face_data, "PublicTest")
    split.leader[:10] = -1
    assert measure_valence(split, split.votes, "").images == 54


def test_interval_is_fishers():
    # r = 0.5 of 28 pairs: atanh(0.5) = 0.5493, standard error 1 / 5.
    assert fisher_interval(0.5, 28) == pytest.approx((0.15603, 0.73582), abs=1e-4)
    assert fisher_interval(0.5, 3) is None
    low, high = fisher_interval(1.0, 100)
    assert 0.99 < low <= high <= 1.0
    assert pearson(np.array([1.0, 2.0]), np.array([2.0, 2.0])) is None
