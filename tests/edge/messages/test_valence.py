import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ConfigError
from edge.messages.valence import ValenceWeights, default_weight

SEVEN = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
LABEL = st.text(min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("label", "weight"),
    [
        # (rating - 5) / 4, with the ratings of Warriner, Kuperman and Brysbaert (2013).
        ("angry", -0.6175),
        ("contempt", -0.445),
        ("disgust", -0.58),
        ("fear", -0.585),
        ("Happiness", 0.8675),
        ("neutral", 0.0),
        (" sadness", -0.725),
        ("surprise", 0.3925),
        ("yawning", None),
    ],
)
def test_default_weight_is_the_rating_of_the_words_state(label, weight):
    assert default_weight(label) == weight


def test_configured_weight_takes_the_place_of_the_default():
    weights = ValenceWeights(SEVEN, {"surprise": 0.0})
    assert weights.by_label is not None
    assert list(weights.by_label) == list(SEVEN)
    assert (weights.by_label["surprise"], weights.by_label["happy"]) == (0.0, 0.8675)
    assert weights.finding() is None
    assert weights.valence([0, 0, 0, 0, 0, 0, 1]) == 0.0


def test_weight_of_a_label_that_the_model_lacks_is_refused():
    with pytest.raises(
        ConfigError, match=r"valence\.joy is the weight of 'joy', which is no label of the model: these"
    ):
        ValenceWeights(SEVEN, {"joy": 1.0})


def test_label_without_a_weight_leaves_no_valence_and_is_named_with_the_key():
    weights = ValenceWeights(("happy", "big yawn"), {})
    assert (weights.by_label, weights.valence([0.5, 0.5]), weights.partly) == (None, None, True)
    assert weights.finding() == (
        "valence is not published, because the label 'big yawn' of the model has no weight: set valence.'big yawn' to "
        "a number from -1 (unpleasant) to 1 (pleasant)"
    )
    others = ValenceWeights(("mask", "no-mask"), {})
    assert not others.partly
    assert "the labels 'mask', 'no-mask' of the model have no weight: set valence.mask" in str(others.finding())


@given(st.data())
def test_valence_of_any_labels_lies_between_the_least_and_the_greatest_weight(data):
    labels = data.draw(st.lists(LABEL, min_size=2, max_size=9, unique=True))
    configured = {label: data.draw(st.floats(-1, 1)) for label in labels}
    shares = data.draw(st.lists(st.floats(0.001, 1), min_size=len(labels), max_size=len(labels)))
    total = sum(shares)
    valence = ValenceWeights(labels, configured).valence([share / total for share in shares])
    assert valence is not None
    assert min(configured.values()) - 1e-4 <= valence <= max(configured.values()) + 1e-4
