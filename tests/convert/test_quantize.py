import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the training half needs the convert extra")
pytest.importorskip("ai_edge_litert", reason="the converted model is run by ai-edge-litert")

import keras

from convert.errors import ConvertError
from convert.evaluation.evaluate import label_agreement, network_inputs
from convert.quantization.calibration import given_pictures, to_network, training_faces
from convert.quantization.quantize import quantize, verify_integer_only
from convert.runtimes.keras_model import load_float_model, with_probabilities
from convert.runtimes.tflite import Int8Model
from edge.manifest import ModelInput

GREY = ModelInput(width=32, height=24, colour="gray", value_range=(-1.0, 1.0))


def small_model(path, channels=1, activation="softmax"):
    """A network of three layers with fixed weights, saved."""
    keras.utils.set_random_seed(7)
    model = keras.Sequential(
        [
            keras.Input((24, 32, channels)),
            keras.layers.Conv2D(8, 3, strides=2, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(7, activation=activation, kernel_initializer=keras.initializers.RandomNormal(stddev=4)),
        ]
    )
    if path.suffix:
        model.save(path)
    else:
        model.export(path, verbose=False)
    return path


def pictures(count=24, shape=(48, 48)):
    rng = np.random.default_rng(0)
    return [rng.integers(low, 256, shape).astype(np.uint8) for low in np.linspace(0, 200, count).astype(int)]


@pytest.mark.parametrize("in_out", ["int8", "uint8"])
def test_no_float_is_left_and_the_ends_are_as_asked(tmp_path, in_out):
    model = load_float_model(small_model(tmp_path / "m.keras"))
    int8 = Int8Model(quantize(model, GREY, pictures(), in_out))
    assert {np.dtype(kind).name for kind in int8.tensor_dtypes()} <= {"int8", "uint8", "int32", "int64"}
    assert (int8.input.dtype, int8.output.dtype) == (in_out, in_out)
    # The converter's rule for softmax: 256 steps from 0 to 1.
    assert int8.output.scale == 1 / 256
    assert int8.output.zero_point == (-128 if in_out == "int8" else 0)


def test_a_float_model_is_not_taken_for_an_integer_one(tmp_path):
    import tensorflow as tf  # noqa: PLC0415

    model = keras.models.load_model(small_model(tmp_path / "m.keras"))
    content = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    with pytest.raises(ConvertError, match="still holds float32 tensors"):
        verify_integer_only(content, "int8")


def test_the_other_type_at_the_ends_is_noticed(tmp_path):
    content = quantize(load_float_model(small_model(tmp_path / "m.keras")), GREY, pictures(), "int8")
    with pytest.raises(ConvertError, match="takes int8 and gives int8, not uint8"):
        verify_integer_only(content, "uint8")


def test_float_and_int8_agree(tmp_path):
    model = load_float_model(small_model(tmp_path / "m.keras"))
    seen = pictures(100)
    inputs = np.stack([to_network(picture, GREY) for picture in seen])
    reference = model.predict(inputs)
    quantized = Int8Model(quantize(model, GREY, seen)).predict(inputs)
    # Two roundings to 256 steps of the input and of the logits, whose scale here is about 0.05: a
    # probability p moves by at most about 0.05 * p * (1 - p) * 2, and the output rounds by 1/512.
    np.testing.assert_allclose(quantized, reference, atol=0.04)


@pytest.mark.footage
def test_the_pilot_survives_quantization(data):
    """300 PublicTest faces. On 1,655 of them 96.7 % of the labels stayed the same, whatever the
    calibration set, at the same accuracy: what changes are ties. The standard error on 300 is one point."""
    from convert.data.fer2013 import load_split  # noqa: PLC0415

    spec = ModelInput(width=96, height=96, colour="rgb", value_range=(-1.0, 1.0))
    model = load_float_model(data / "pilot_96.keras")
    inputs = network_inputs(load_split(data, "PublicTest").images[:300], spec)
    quantized = Int8Model(quantize(model, spec, training_faces(data, 100)))
    assert label_agreement(model.predict(inputs), quantized.predict(inputs)) >= 0.935


def test_quantizing_twice_gives_the_same_bytes(tmp_path):
    model = load_float_model(small_model(tmp_path / "m.keras"))
    assert quantize(model, GREY, pictures()) == quantize(model, GREY, pictures())


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "saved"])
def test_every_kind_of_file_gives_the_same_model(tmp_path, name):
    same = load_float_model(small_model(tmp_path / "reference.keras"))
    model = load_float_model(small_model(tmp_path / name))
    assert (model.height, model.width, model.channels, model.outputs) == (24, 32, 1, 7)
    inputs = np.stack([to_network(picture, GREY) for picture in pictures(8)])
    np.testing.assert_allclose(model.predict(inputs), same.predict(inputs), atol=1e-6)
    assert Int8Model(quantize(model, GREY, pictures())).output.scale == 1 / 256


def test_logits_get_a_softmax(tmp_path):
    model = load_float_model(small_model(tmp_path / "m.keras", activation="linear"))
    inputs = np.stack([to_network(picture, GREY) for picture in pictures(8)])
    wrapped = with_probabilities(model, inputs)
    np.testing.assert_allclose(wrapped.predict(inputs).sum(axis=1), 1, rtol=1e-5)
    assert (wrapped.predict(inputs).argmax(axis=1) == model.predict(inputs).argmax(axis=1)).all()
    assert Int8Model(quantize(model, GREY, pictures())).output.scale == 1 / 256
    already = load_float_model(small_model(tmp_path / "p.keras"))
    assert with_probabilities(already, inputs) is already


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"colour": "rgb"}, "does not fit colour 'rgb'"), ({"width": 48}, "takes 32x24 pixels, not 48x24")],
)
def test_a_description_of_another_input_is_refused(tmp_path, changes, said):
    fields = {"width": 32, "height": 24, "colour": "gray", "value_range": (-1.0, 1.0)} | changes
    model = load_float_model(small_model(tmp_path / "m.keras"))
    with pytest.raises(ConvertError, match=said):
        quantize(model, ModelInput(**fields), pictures())


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.txt"])
@pytest.mark.parametrize("content", [b"", b"some text\n", "half"])
def test_a_file_that_cannot_be_loaded_is_one_sentence(tmp_path, capfd, name, content):
    path = tmp_path / name
    if content == "half":
        whole = small_model(tmp_path / ("whole" + (path.suffix if path.suffix != ".txt" else ".h5"))).read_bytes()
        content = whole[: len(whole) // 2]
    path.write_bytes(content)
    with pytest.raises(ConvertError, match="cannot be loaded as a Keras model") as error:
        load_float_model(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)
    assert capfd.readouterr().err == ""


def test_a_missing_model_and_an_empty_folder(tmp_path):
    with pytest.raises(ConvertError, match="does not exist"):
        load_float_model(tmp_path / "none.keras")
    with pytest.raises(ConvertError, match="cannot be loaded"):
        load_float_model(tmp_path)


@pytest.mark.parametrize(
    ("shape", "units", "said"),
    [((24, 32, 2), 7, "1 or 3 channels"), ((None, None, 1), 7, "of a fixed size"), ((24, 32, 1), 1, "class scores")],
)
def test_a_network_of_another_kind_is_refused(tmp_path, shape, units, said):
    inputs = keras.Input(shape)
    outputs = keras.layers.Dense(units)(keras.layers.GlobalAveragePooling2D()(inputs))
    keras.Model(inputs, outputs).save(tmp_path / "m.keras")
    with pytest.raises(ConvertError, match=said):
        load_float_model(tmp_path / "m.keras")


@pytest.mark.parametrize(
    ("colour", "expected"), [("bgr", [0, 127, 255]), ("rgb", [255, 127, 0]), ("gray", [0.114 * 0 + 0.587 * 127 + 76])]
)
def test_colours_arrive_in_the_order_of_the_description(colour, expected):
    picture = np.zeros((8, 8, 3), dtype=np.uint8)
    picture[:] = (0, 127, 255)
    spec = ModelInput(width=8, height=8, colour=colour, value_range=(0.0, 255.0))
    np.testing.assert_allclose(to_network(picture, spec)[0, 0], expected, atol=1)


def test_grey_pictures_fill_three_channels_and_the_range():
    picture = np.array([[0, 255]] * 2, dtype=np.uint8).repeat(4, axis=0).repeat(4, axis=1)
    spec = ModelInput(width=8, height=8, colour="rgb", value_range=(-1.0, 1.0))
    values = to_network(picture, spec)
    assert values.shape == (8, 8, 3)
    assert (values.min(), values.max()) == (-1.0, 1.0)


def test_calibration_pictures_from_an_archive_and_a_folder(tmp_path):
    import cv2  # noqa: PLC0415

    images = np.random.default_rng(0).integers(0, 256, (5, 20, 20, 3)).astype(np.uint8)
    np.savez(tmp_path / "p.npz", images=images)
    np.save(tmp_path / "p.npy", images[..., 0])
    (tmp_path / "faces" / "inside").mkdir(parents=True)
    for number, image in enumerate(images):
        cv2.imwrite(str(tmp_path / "faces" / "inside" / f"{number}.png"), image)
    assert len(given_pictures(tmp_path / "p.npz")) == 5
    assert given_pictures(tmp_path / "p.npy", count=3)[0].shape == (20, 20)
    from_folder = given_pictures(tmp_path / "faces")
    np.testing.assert_array_equal(np.sort(np.stack(from_folder), axis=0), np.sort(images, axis=0))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("p.npz", b"", "neither a folder of pictures nor"),
        ("p.npz", b"text", "neither a folder of pictures nor"),
        ("none.npz", None, "neither a folder of pictures nor"),
        ("folder/p.jpg", b"text", r"p\.jpg cannot be decoded"),
        ("folder/readme.txt", b"text", "holds no pictures"),
    ],
)
def test_calibration_sources_that_cannot_be_used(tmp_path, name, content, said):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConvertError, match=said):
        given_pictures(path.parent if path.parent != tmp_path else path)


def test_float_pictures_are_refused(tmp_path):
    np.savez(tmp_path / "p.npz", images=np.zeros((2, 8, 8)))
    with pytest.raises(ConvertError, match="holds float64"):
        given_pictures(tmp_path / "p.npz")
