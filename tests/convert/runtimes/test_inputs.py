import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the training half needs the convert extra")
pytest.importorskip("ai_edge_litert", reason="the converted model is run by ai-edge-litert")
from convert.errors import ConvertError
from convert.quantization.quantize import quantize
from convert.runtimes.inputs import NetworkInputs, describe_input, to_network
from convert.runtimes.keras_model import load_float_model
from edge.vision.classification.manifest import ModelInput
from support.small_models import GREY, noise_images, small_model


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"colour": "rgb"}, "does not fit colour 'rgb'"), ({"width": 48}, "takes 32x24 pixels, not 48x24")],
)
def test_description_of_another_input_is_refused(tmp_path, changes, message):
    fields = {"width": 32, "height": 24, "colour": "gray", "value_range": (-1.0, 1.0)} | changes
    model = load_float_model(small_model(tmp_path / "m.keras"))
    with pytest.raises(ConvertError, match=message):
        quantize(model, ModelInput(**fields), noise_images())


@pytest.mark.parametrize(
    ("colour", "expected"), [("bgr", [0, 127, 255]), ("rgb", [255, 127, 0]), ("gray", [0.114 * 0 + 0.587 * 127 + 76])]
)
def test_channels_have_the_order_of_the_description(colour, expected):
    image = np.zeros((8, 8, 3), dtype=np.uint8)
    image[:] = (0, 127, 255)
    spec = ModelInput(width=8, height=8, colour=colour, value_range=(0.0, 255.0))
    np.testing.assert_allclose(to_network(image, spec)[0, 0], expected, atol=1)


def test_grey_images_fill_three_channels_and_the_value_range():
    image = np.array([[0, 255]] * 2, dtype=np.uint8).repeat(4, axis=0).repeat(4, axis=1)
    spec = ModelInput(width=8, height=8, colour="rgb", value_range=(-1.0, 1.0))
    values = to_network(image, spec)
    assert values.shape == (8, 8, 3)
    assert (values.min(), values.max()) == (-1.0, 1.0)


def test_input_of_a_model_is_described_with_the_default_colour(tmp_path):
    grey = load_float_model(small_model(tmp_path / "grey.keras"))
    colour = load_float_model(small_model(tmp_path / "colour.keras", channels=3))
    assert describe_input(grey, (-1.0, 1.0)) == GREY
    assert describe_input(colour, (-1.0, 1.0)).colour == "rgb"
    assert describe_input(colour, (-1.0, 1.0), "bgr").colour == "bgr"
    with pytest.raises(ConvertError, match=r"cannot be described: .*must rise"):
        describe_input(grey, (1.0, -1.0))


def test_inputs_that_are_converted_when_asked_for_are_the_same():
    images = noise_images(5)
    inputs, expected = NetworkInputs(images, GREY), np.stack([to_network(image, GREY) for image in images])
    assert len(inputs) == 5
    np.testing.assert_array_equal(np.stack(list(inputs)), expected)
    np.testing.assert_array_equal(inputs[3:9], expected[3:])
