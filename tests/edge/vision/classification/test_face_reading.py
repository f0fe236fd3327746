import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.vision.classification.face_reading import FaceReading, better_order, findings, likely_reasons

SHOWN = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")


def reading(best, labels=SHOWN, sure=0.9, unknown_below=0.5):
    """A reading in which each face gets the label of that name with probability `sure`: one, or one for each face."""
    sures = [sure] * len(SHOWN) if isinstance(sure, float) else sure
    rows = []
    for label, probability in zip(best, sures, strict=True):
        row = np.full(len(labels), (1 - probability) / (len(labels) - 1), np.float32)
        row[labels.index(label)] = probability
        rows.append(row)
    return FaceReading(tuple(labels), SHOWN, np.stack(rows), unknown_below)


def test_right_reading_has_no_findings():
    right = reading(SHOWN)
    assert list(findings(right)) == []
    assert right.summary() == "reads 7 of 7 test faces as what they show"


def test_weak_model_has_no_findings():
    """Disgust and fear are weak in every model: two faces may be wrong, and two others unsure."""
    weak = reading(
        ["angry", "angry", "surprise", "happy", "neutral", "sad", "surprise"], sure=[0.9] * 4 + [0.3, 0.3, 0.9]
    )
    assert list(findings(weak)) == []


def test_one_label_for_all_is_one_sentence_with_label_and_threshold():
    (sentence,) = findings(reading(["angry"] * 7, sure=[0.2, 0.2, 0.22, 0.2, 0.2, 0.2, 0.21]))
    assert "all 7 test faces, which show angry, disgust, fear" in sentence
    assert sentence.endswith("the same label: angry (20 to 22 %, under the threshold unknown_below of 50 %)")
    (sure,) = findings(reading(["angry"] * 7))
    assert sure.endswith("the same label: angry (90 %)")


def test_unsure_of_most_faces_names_the_threshold():
    (sentence,) = findings(reading(SHOWN, sure=0.3))
    assert sentence.startswith("the model is too unsure of 7 of 7 test faces")
    assert "at most 30 %, and the threshold unknown_below is 50 %" in sentence
    assert "lower unknown_below" in next(likely_reasons(reading(SHOWN, sure=0.3), "[-1, 1]"))


def test_unsure_of_the_happy_face_alone_is_a_finding():
    (sentence,) = findings(reading(SHOWN, sure=[0.9, 0.9, 0.9, 0.2, 0.9, 0.9, 0.9]))
    assert "1 of 7 test faces" in sentence
    assert "the happy face, which it reads as happy" in sentence


def test_wrong_faces_are_named():
    (sentence,) = findings(reading(["sad", "sad", "fear", "sad", "neutral", "fear", "fear"]))
    assert sentence.startswith(
        "the model reads 2 of 7 test faces as what they show: angry as sad (90 %), disgust as sad"
    )
    assert "was quantized for, [-1, 1]" in "".join(
        likely_reasons(reading(["sad", "sad", "fear", "sad", "neutral", "fear", "fear"]), "[-1, 1]")
    )


@pytest.mark.parametrize(
    ("given_labels", "right"),
    [
        (SHOWN[::-1], list(SHOWN)),
        ((*SHOWN[1:], SHOWN[0]), list(SHOWN)),
        (("angry", "disgust", "fear", "sad", "neutral", "happy", "surprise"), list(SHOWN)),
    ],
)
def test_permuted_labels_are_named_in_the_right_order(given_labels, right):
    """The network gives output n for face n, and the manifest names the outputs otherwise."""
    read = reading(given_labels, labels=given_labels)
    (sentence,) = findings(read)
    assert "test faces as what they show: " in sentence
    assert better_order(read) == right
    assert f'"labels": ["{right[0]}", "{right[1]}"' in next(likely_reasons(read, "[-1, 1]"))


def test_contempt_keeps_its_place_in_a_better_order():
    labels = ("happy", "contempt", "angry", "disgust", "fear", "neutral", "sad", "surprise")
    read = reading(["happy", "disgust", "fear", "angry", "neutral", "sad", "surprise"], labels=labels)
    assert better_order(read) == ["angry", "contempt", "happy", "disgust", "fear", "neutral", "sad", "surprise"]


def test_right_reading_and_a_guessing_one_have_no_better_order():
    assert better_order(reading(SHOWN)) is None
    assert better_order(reading(["sad", "sad", "fear", "sad", "neutral", "fear", "fear"])) is None
    assert better_order(reading(SHOWN[::-1], sure=0.3)) is None, "of none is it sure"


def test_only_faces_with_a_label_count():
    read = reading(["happy", "neutral", "neutral", "happy", "neutral", "sad", "happy"], ("happy", "neutral", "sad"))
    assert read.summary() == "reads 3 of 3 test faces as what they show"
    assert list(findings(read)) == []
    unsure_elsewhere = reading(
        ["happy", "neutral", "neutral", "happy", "neutral", "sad", "happy"],
        ("happy", "neutral", "sad"),
        sure=[0.4, 0.4, 0.4, 0.9, 0.9, 0.9, 0.4],
    )
    assert list(findings(unsure_elsewhere)) == []


def test_order_of_too_few_labels_is_said_to_be_possible_and_not_to_be_tried():
    exchanged = ["happy", "neutral", "neutral", "neutral", "happy", "sad", "happy"]
    (reason,) = likely_reasons(reading(exchanged, ("happy", "neutral", "sad")), "[0, 1]")
    assert reason.startswith("no other range or colour reads them better: the labels may be in another order, which")
    (reason,) = likely_reasons(reading(["sad"] * 7, ("happy", "neutral", "sad")), "[0, 1]")
    assert reason.startswith("no other range or colour reads them better: the model may be untrained")


def test_right_faces_below_the_threshold_are_told_apart_from_read_ones():
    sure = [0.9, 0.3, 0.9, 0.3, 0.9, 0.9, 0.9]
    assert reading(SHOWN, sure=sure).summary() == (
        "reads 5 of 7 test faces as what they show, and 2 more below unknown_below"
    )


def test_synonyms_name_expressions():
    labels = ("Anger", "disgusted", "afraid", "Joy", "calm", "sadness", "surprised")
    assert reading(labels, labels=labels).summary() == "reads 7 of 7 test faces as what they show"


@pytest.mark.parametrize(
    "labels", [("wütend", "ekel", "angst", "froh", "ruhig", "traurig", "erstaunt"), ("positive", "neutral", "negative")]
)
def test_of_other_labels_only_sureness_and_difference_are_judged(labels):
    """With one label that names an expression a model that gives it to every face would be "right"."""
    several = [labels[at % len(labels)] for at in range(7)]
    assert list(findings(reading(several, labels=labels))) == []
    assert reading(several, labels=labels).summary().startswith("gives 7 test faces ")
    assert reading([labels[1]] * 7, labels=labels).summary() == "gives 7 test faces the same label"
    assert "the same label" in next(findings(reading([labels[1]] * 7, labels=labels)))
    assert "too unsure of 7 of 7" in next(findings(reading(several, labels=labels, sure=0.4)))
    assert better_order(reading(several[::-1], labels=labels)) is None
    (reason,) = likely_reasons(reading([labels[1]] * 7, labels=labels), "[0, 1]")
    assert "order of labels" not in reason


def test_another_input_is_better_only_where_it_gains_two_faces():
    stated = reading(["sad", "sad", "fear", "sad", "neutral", "sad", "sad"])
    assert reading(SHOWN).is_better_than(stated)
    assert not reading(SHOWN).is_better_than(reading(["angry", "angry", *SHOWN[2:]]))
    assert not reading(["angry", "disgust", *["sad"] * 5]).is_better_than(reading(["sad"] * 7)), "fewer than half"


@given(st.lists(st.lists(st.floats(0.001, 1), min_size=4, max_size=4), min_size=7, max_size=7), st.floats(0, 1))
def test_any_reading_gives_sentences_and_an_order_of_the_same_labels(rows, threshold):
    labels = ("happy", "sad", "angry", "neutral")
    table = np.array(rows, np.float32)
    read = FaceReading(labels, SHOWN, table / table.sum(axis=1, keepdims=True), threshold)
    order = better_order(read)
    assert order is None or sorted(order) == sorted(labels)
    sentences = [*findings(read), *likely_reasons(read, "[-1, 1]"), read.summary()]
    assert all("\n" not in sentence for sentence in sentences)
    assert bool(list(findings(read))) >= read.useless
