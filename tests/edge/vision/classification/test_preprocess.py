"""Tests of cropping, quantization and calibration."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.types import Box
from edge.vision.classification.manifest import ModelInput
from edge.vision.classification.outputs import calibrate
from edge.vision.classification.preprocess import crop, dequantize, face_for_network, input_table, with_detail


def ramp(height=120, width=160):
    """Return a picture whose values are its columns, so that a crop shows where it was cut."""
    return np.tile(np.arange(width, dtype=np.uint8), (height, 1))


@pytest.mark.parametrize("side", [24, 48, 96])
def test_crop_shows_the_box_at_any_size(side):
    result = crop(ramp(), Box(40, 10, side, side), 0.0, 48, 48)
    assert result.shape == (48, 48)
    assert float(result[:, 0].mean()) == pytest.approx(40, abs=2)
    assert float(result[:, -1].mean()) == pytest.approx(40 + side, abs=2)


def test_margin_widens_every_side():
    result = crop(ramp(), Box(60, 40, 40, 40), 0.25, 64, 64)
    assert float(result[:, 0].mean()) == pytest.approx(50, abs=1.5)
    assert float(result[:, -1].mean()) == pytest.approx(110, abs=1.5)


def test_edge_pixels_are_repeated_outside_the_picture():
    result = crop(ramp(), Box(-20, 20, 60, 60), 0.0, 30, 30)
    assert (result[:, :9] == 0).all()
    assert float(result[:, -1].mean()) == pytest.approx(39, abs=2)


def test_colour_crop_has_three_channels():
    picture = np.dstack([ramp(), ramp() // 2, ramp() // 4])
    assert crop(picture, Box(100, 80, 80, 80), 0.1, 32, 24).shape == (24, 32, 3)


@given(st.floats(-400, 400), st.floats(-400, 400), st.floats(0.5, 500), st.floats(-0.3, 1))
def test_any_box_gives_a_crop(x, y, side, margin):
    result = crop(ramp(), Box(x, y, side, side), margin, 16, 16)
    assert result.shape == (16, 16)
    assert result.dtype == np.uint8


def spec(low, high):
    return ModelInput(width=8, height=8, colour="gray", value_range=(low, high))


def test_input_table_follows_the_quantization():
    table = input_table(spec(-1, 1), 2 / 255, -1, np.int8)
    assert table.dtype == np.int8
    assert table[0] == -128
    assert table[255] == 127
    assert (np.diff(table.astype(int)) >= 0).all()


def test_input_table_of_a_uint8_model_with_raw_pixels_is_the_identity():
    np.testing.assert_array_equal(input_table(spec(0, 255), 1.0, 0, np.uint8), np.arange(256))


@given(st.floats(-3, 0), st.floats(0.5, 300), st.floats(1e-3, 2), st.integers(-128, 127))
def test_input_table_is_exact_to_half_a_step_where_it_is_not_clipped(low, width, scale, zero_point):
    table = input_table(spec(low, low + width), scale, zero_point, np.int8)
    real = low + width * np.arange(256) / 255
    back = dequantize(table, scale, zero_point)
    free = (table > -128) & (table < 127)
    assert (np.abs(back - real)[free] <= scale * 0.5001 + 1e-4).all()


def test_calibration_is_softmax_over_temperature():
    logits = np.array([2.0, 0.5, -1.0])
    softmax = np.exp(logits) / np.exp(logits).sum()
    softer = np.exp(logits / 2) / np.exp(logits / 2).sum()
    result = calibrate(softmax.astype(np.float32), 2.0, quantum=0.0)
    np.testing.assert_allclose(result, softer, rtol=1e-5)


@given(st.lists(st.integers(0, 255), min_size=7, max_size=7), st.floats(0.3, 5))
def test_calibrated_probabilities_sum_to_one_and_keep_the_best_label(levels, temperature):
    probabilities = np.array(levels, dtype=np.float32) / 256
    result = calibrate(probabilities, temperature, quantum=1 / 256)
    assert result.sum() == pytest.approx(1, abs=1e-5)
    assert (result > 0).all()
    assert result[probabilities.argmax()] == result.max()


def fine_stripes(side=128):
    """Return columns that are black and white by turns: the finest detail that a picture can have."""
    return np.tile(np.array([0, 255], dtype=np.uint8), (side, side // 2))


@pytest.mark.parametrize("roll_degrees", [0.0, 20.0])
def test_large_face_keeps_no_more_detail_than_stated(roll_degrees):
    stripes, box = fine_stripes(), Box(8, 8, 112, 112)
    plain = ModelInput(width=112, height=84, colour="gray", value_range=(0, 255))
    reduced = msgspec.structs.replace(plain, detail_px=56)
    assert reduced.detail_size == (56, 42)
    faces = [face_for_network(stripes, box, 0.0, spec, roll_degrees) for spec in (plain, reduced)]
    assert [face.shape for face in faces] == [(84, 112), (84, 112)]
    assert faces[0].std() > 4 * faces[1].std()
    assert with_detail(stripes, plain) is stripes
    assert with_detail(stripes, reduced).shape == (42, 56)


def test_face_that_has_no_more_detail_is_enlarged_directly():
    picture = np.random.default_rng(3).integers(0, 256, (60, 60), dtype=np.uint8)
    plain = ModelInput(width=112, height=112, colour="gray", value_range=(0, 255))
    stated = msgspec.structs.replace(plain, detail_px=48)
    for box, margin in ((Box(2, 4, 48, 48), 0.0), (Box(2, 4, 60, 60), -0.1)):
        expected = crop(picture, box, margin, 112, 112)
        np.testing.assert_array_equal(face_for_network(picture, box, margin, stated), expected)
    small = picture[:48, :40]
    assert with_detail(small, stated) is small
