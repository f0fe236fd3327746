import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the training half needs the convert extra")
pytest.importorskip("ai_edge_litert", reason="the converted model is run by ai-edge-litert")
import keras

from convert.errors import ConvertError
from convert.quantization.quantize import quantize
from convert.runtimes.inputs import to_network
from convert.runtimes.keras_model import load_float_model, with_probabilities
from convert.runtimes.tflite import Int8Model
from support.small_models import GREY, noise_images, small_model


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "saved"])
def test_every_file_format_loads_the_same_model(tmp_path, name):
    same = load_float_model(small_model(tmp_path / "reference.keras"))
    model = load_float_model(small_model(tmp_path / name))
    assert (model.height, model.width, model.channels, model.outputs) == (24, 32, 1, 7)
    inputs = np.stack([to_network(image, GREY) for image in noise_images(8)])
    np.testing.assert_allclose(model.predict(inputs), same.predict(inputs), atol=1e-6)
    assert Int8Model(quantize(model, GREY, noise_images())).output.scale == 1 / 256


def test_softmax_is_appended_to_logits_only(tmp_path):
    model = load_float_model(small_model(tmp_path / "m.keras", activation="linear"))
    inputs = np.stack([to_network(image, GREY) for image in noise_images(8)])
    wrapped = with_probabilities(model, inputs)
    np.testing.assert_allclose(wrapped.predict(inputs).sum(axis=1), 1, rtol=1e-5)
    assert (wrapped.predict(inputs).argmax(axis=1) == model.predict(inputs).argmax(axis=1)).all()
    assert Int8Model(quantize(model, GREY, noise_images())).output.scale == 1 / 256
    already = load_float_model(small_model(tmp_path / "p.keras"))
    assert with_probabilities(already, inputs) is already


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.txt"])
@pytest.mark.parametrize("content", [b"", b"some text\n", "half"])
def test_unloadable_file_is_one_sentence(tmp_path, capfd, name, content):
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


def test_missing_model_and_empty_folder_are_refused(tmp_path):
    with pytest.raises(ConvertError, match="does not exist"):
        load_float_model(tmp_path / "none.keras")
    with pytest.raises(ConvertError, match="cannot be loaded"):
        load_float_model(tmp_path)


@pytest.mark.parametrize(
    ("shape", "units", "message"),
    [((24, 32, 2), 7, "1 or 3 channels"), ((None, None, 1), 7, "of a fixed size"), ((24, 32, 1), 1, "class scores")],
)
def test_network_that_does_not_classify_images_is_refused(tmp_path, shape, units, message):
    inputs = keras.Input(shape)
    outputs = keras.layers.Dense(units)(keras.layers.GlobalAveragePooling2D()(inputs))
    keras.Model(inputs, outputs).save(tmp_path / "m.keras")
    with pytest.raises(ConvertError, match=message):
        load_float_model(tmp_path / "m.keras")
