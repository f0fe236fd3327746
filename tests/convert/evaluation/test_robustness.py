import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("keras", reason="the training half needs the convert extra")
pytest.importorskip("ai_edge_litert", reason="the model is run by ai-edge-litert")
from convert.data.augment import resize_face
from convert.data.corruptions import CORRUPTIONS
from convert.evaluation.robustness import (
    CLEAN,
    CONDITIONS,
    Condition,
    apply_condition,
    mean_accuracy,
    measure_robustness,
)
from support.synthetic_split import ignore_progress

UNCHANGED = Condition(CLEAN, 0.0, "")


def test_conditions_are_corruptions_at_three_strengths_and_three_kinds_of_boxes():
    kinds = {condition.kind for condition in CONDITIONS}
    assert kinds == {*CORRUPTIONS, "none", "rotation", "box_shift", "scale"}
    for kind in CORRUPTIONS:
        amounts = [condition.amount for condition in CONDITIONS if condition.kind == kind]
        assert amounts == pytest.approx([1 / 3, 2 / 3, 1])
    assert [condition.amount for condition in CONDITIONS if condition.kind == "rotation"] == [10, 20, 30]
    assert [condition.amount for condition in CONDITIONS if condition.kind == "box_shift"] == [0.1, 0.2]


@settings(max_examples=60, deadline=None)
@given(condition=st.sampled_from(CONDITIONS), row=st.integers(0, 40_000), seed=st.integers(0, 99))
def test_condition_depends_on_the_row_only(condition, row, seed):
    image = np.random.default_rng(seed).integers(0, 256, (48, 48)).astype(np.uint8)
    before = image.copy()
    view = apply_condition(image, row, condition)
    assert (view.shape, view.dtype) == ((96, 96), np.uint8)
    np.testing.assert_array_equal(view, apply_condition(image, row, condition))
    np.testing.assert_array_equal(image, before)


def test_condition_none_only_resizes():
    image = np.random.default_rng(0).integers(0, 256, (48, 48)).astype(np.uint8)
    np.testing.assert_array_equal(apply_condition(image, 3, UNCHANGED), resize_face(image, 96))


def test_box_is_shifted_by_the_amount_in_any_direction():
    image = np.zeros((48, 48), dtype=np.uint8)
    image[20:28, 20:28] = 255
    rows, columns = np.mgrid[0:96, 0:96] - 47.5
    directions = set()
    for row in range(12):
        view = apply_condition(image, row, Condition("box_shift", 0.2, "share of the side")).astype(float)
        centre = (view * columns).sum() / view.sum(), (view * rows).sum() / view.sum()
        assert np.hypot(*centre) == pytest.approx(0.2 * 96, abs=1)
        directions.add(round(float(np.arctan2(*centre))))
    assert len(directions) > 3


def test_a_face_turns_the_same_way_at_every_angle():
    image = np.zeros((48, 48), dtype=np.uint8)
    image[22:26, 34:44] = 255
    above = []
    for angle in (10.0, 20.0, 30.0):
        views = [
            apply_condition(image, row, Condition("rotation", angle, "degrees")).astype(float) for row in range(12)
        ]
        above.append([view[:48].sum() > view[48:].sum() for view in views])
    assert above[0] == above[1] == above[2]
    assert 0 < sum(above[0]) < 12


def test_results_of_parts_add_up_to_the_whole(actor, shipped):
    model, manifest = shipped
    conditions = [UNCHANGED, Condition("sensor_noise", 1.0, "strength"), Condition("mask", 1.0, "strength")]
    whole = measure_robustness(actor, actor.leader, model, manifest, ignore_progress, conditions)
    assert [result.condition for result in whole] == conditions
    assert {result.images for result in whole} == {7}
    assert whole[0].accuracy >= 6 / 7
    assert whole[2].accuracy < whole[0].accuracy
    right = 0.0
    for half in (np.arange(3), np.arange(3, 7)):
        (noisy,) = measure_robustness(
            actor.take(half), actor.leader[half], model, manifest, ignore_progress, conditions[1:2]
        )
        right += noisy.images * noisy.accuracy
    assert right == pytest.approx(7 * whole[1].accuracy)
    assert mean_accuracy(whole) == pytest.approx((whole[1].accuracy + whole[2].accuracy) / 2)
    assert mean_accuracy(whole[:1]) is None
