import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("keras", reason="the training half needs the convert extra")
pytest.importorskip("ai_edge_litert", reason="the model is run by ai-edge-litert")

import cv2

from convert.data.augment import plain
from convert.data.corruptions import CORRUPTIONS
from convert.data.fer2013 import LABELS, Split
from convert.evaluation.end_to_end import measure_detected
from convert.evaluation.robustness import CLEAN, CONDITIONS, Condition, mean_accuracy, measure_robustness, spoil
from convert.runtimes.tflite import Int8Model
from edge.manifest import find_model, load_manifest
from footage import ROOT

NOTHING = Condition(CLEAN, 0.0, "")


def split_of(images):
    """A split of the given faces, which show the labels in turn."""
    count = len(images)
    leader = np.arange(count) % len(LABELS)
    votes = np.eye(len(LABELS), dtype=np.float32)[leader]
    agreement = np.ones(count, dtype=np.float32)
    return Split("made up", images, votes, leader, leader, leader, agreement, np.arange(100, 100 + count))


@pytest.fixture(scope="module")
def actor():
    """The scripted actor's seven composite faces, which are nobody's, in the order of the labels."""
    strip = cv2.imread(str(ROOT / "edge" / "assets" / "actor.png"), cv2.IMREAD_GRAYSCALE)
    return split_of(np.stack(np.split(strip, len(LABELS), axis=1)))


@pytest.fixture(scope="module")
def shipped():
    path = find_model("normal")
    return Int8Model(path.read_bytes()), load_manifest(path)


def ignore(done, total):
    assert 0 <= done <= total


def test_every_corruption_is_measured_at_three_strengths_and_boxes_in_three_ways():
    kinds = {condition.kind for condition in CONDITIONS}
    assert kinds == {*CORRUPTIONS, "none", "rotation", "box_shift", "scale"}
    for kind in CORRUPTIONS:
        amounts = [condition.amount for condition in CONDITIONS if condition.kind == kind]
        assert amounts == pytest.approx([1 / 3, 2 / 3, 1])
    assert [one.amount for one in CONDITIONS if one.kind == "rotation"] == [10, 20, 30]
    assert [one.amount for one in CONDITIONS if one.kind == "box_shift"] == [0.1, 0.2]


@settings(max_examples=60, deadline=None)
@given(condition=st.sampled_from(CONDITIONS), row=st.integers(0, 40_000), seed=st.integers(0, 99))
def test_a_spoilt_face_depends_on_its_row_and_nothing_else(condition, row, seed):
    image = np.random.default_rng(seed).integers(0, 256, (48, 48)).astype(np.uint8)
    before = image.copy()
    view = spoil(image, row, condition)
    assert (view.shape, view.dtype) == ((96, 96), np.uint8)
    np.testing.assert_array_equal(view, spoil(image, row, condition))
    np.testing.assert_array_equal(image, before)


def test_nothing_is_the_picture_of_the_clean_evaluation():
    image = np.random.default_rng(0).integers(0, 256, (48, 48)).astype(np.uint8)
    np.testing.assert_array_equal(spoil(image, 3, NOTHING), plain(image, 96))


def test_a_box_is_shifted_as_far_as_it_says():
    image = np.zeros((48, 48), dtype=np.uint8)
    image[20:28, 20:28] = 255
    rows, columns = np.mgrid[0:96, 0:96] - 47.5
    directions = set()
    for row in range(12):
        view = spoil(image, row, Condition("box_shift", 0.2, "share of the side")).astype(float)
        centre = (view * columns).sum() / view.sum(), (view * rows).sum() / view.sum()
        assert np.hypot(*centre) == pytest.approx(0.2 * 96, abs=1)
        directions.add(round(float(np.arctan2(*centre))))
    assert len(directions) > 3


def test_the_same_faces_turn_the_same_way_at_every_angle():
    image = np.zeros((48, 48), dtype=np.uint8)
    image[22:26, 34:44] = 255
    above = []
    for angle in (10.0, 20.0, 30.0):
        views = [spoil(image, row, Condition("rotation", angle, "degrees")).astype(float) for row in range(12)]
        above.append([view[:48].sum() > view[48:].sum() for view in views])
    assert above[0] == above[1] == above[2]
    assert 0 < sum(above[0]) < 12


def test_figures_of_a_part_are_those_of_the_whole(actor, shipped):
    model, manifest = shipped
    conditions = [NOTHING, Condition("sensor_noise", 1.0, "strength"), Condition("mask", 1.0, "strength")]
    whole = measure_robustness(actor, actor.leader, model, manifest, ignore, conditions)
    assert [one.condition for one in whole] == conditions
    assert {one.images for one in whole} == {7}
    assert whole[0].accuracy >= 6 / 7
    assert whole[2].accuracy < whole[0].accuracy
    right = 0.0
    for half in (np.arange(3), np.arange(3, 7)):
        (noisy,) = measure_robustness(actor.take(half), actor.leader[half], model, manifest, ignore, conditions[1:2])
        right += noisy.images * noisy.accuracy
    assert right == pytest.approx(7 * whole[1].accuracy)
    assert mean_accuracy(whole) == pytest.approx((whole[1].accuracy + whole[2].accuracy) / 2)
    assert mean_accuracy(whole[:1]) is None


def test_the_actor_is_found_and_read_through_the_detector(actor, shipped):
    threads = cv2.getNumThreads()
    found = measure_detected(actor, actor.leader, *shipped, ignore)
    assert cv2.getNumThreads() == threads
    assert found.faces == 7
    assert 6 <= found.confirmed <= found.found <= 7
    assert found.boxed.images == found.whole.images == found.found
    assert found.announced.images == found.confirmed
    assert found.announced.accuracy >= 5 / 7


def test_where_no_face_is_found_nothing_is_right(shipped):
    split = split_of(np.full((3, 48, 48), 128, dtype=np.uint8))
    found = measure_detected(split, split.leader, *shipped, ignore)
    assert (found.faces, found.found, found.confirmed) == (3, 0, 0)
    assert (found.boxed.images, found.boxed.interval) == (0, (0.0, 1.0))
