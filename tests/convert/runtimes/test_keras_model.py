import zipfile

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the training half needs the convert extra")
pytest.importorskip("ai_edge_litert", reason="the converted model is run by ai-edge-litert")
import keras
import tensorflow as tf

from convert.errors import ConvertError
from convert.quantization.quantize import quantize
from convert.runtimes.inputs import to_network
from convert.runtimes.keras_model import load_float_model
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
    assert "not found: filepath" not in str(error.value), "it is there"
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


def with_layers(*more):
    return keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(7, kernel_initializer="ones"), *more]
    )


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_lambda_is_loaded_only_with_trust(tmp_path, capfd, suffix):
    path = tmp_path / f"m{suffix}"
    with_layers(keras.layers.Lambda(lambda x: tf.nn.softmax(x / 2))).save(path)
    with pytest.raises(ConvertError, match=r"has a Lambda layer.*--trust-lambda if you trust") as error:
        load_float_model(path)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400
    loaded = load_float_model(path, trust_lambda=True)
    assert loaded.predict(np.ones((1, 8, 8, 1), np.float32)) == pytest.approx(1 / 7)
    assert capfd.readouterr().err == ""
    with pytest.raises(ConvertError, match="Lambda"):  # trust ends with the call
        load_float_model(path)


class Doubled(keras.layers.Layer):
    def call(self, x):
        return 2 * x


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_class_of_another_program_is_named(tmp_path, suffix):
    path = tmp_path / f"m{suffix}"
    with_layers(Doubled(name="d")).save(path)
    # A class of this very module would be imported from it, as no other program can.
    if suffix == ".keras":
        as_of_another_program(path)
    with pytest.raises(ConvertError, match=r"needs 'Doubled', a class or function of the program.*SavedModel"):
        load_float_model(path, trust_lambda=True)


def as_of_another_program(path):
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = parts["config.json"].decode()
    parts["config.json"] = config.replace(f'"{__name__}"', '"their_program"').encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


@pytest.mark.parametrize("name", ["m.keras", "saved"])
def test_weights_that_are_not_finite_are_named(tmp_path, name):
    model = with_layers()
    kernel, bias = model.layers[-1].get_weights()
    kernel[3, 2] = np.nan
    model.layers[-1].set_weights([kernel, bias])
    if name == "saved":
        model.export(tmp_path / name, verbose=False)
    else:
        model.save(tmp_path / name)
    with pytest.raises(ConvertError, match=r"1 of the 448 weights of .*kernel.* are not finite"):
        load_float_model(tmp_path / name)


def test_channels_first_and_open_sizes_get_a_hint(tmp_path):
    for shape, hint in (((1, 24, 32), "channels last"), ((None, 32, 1), "size of its training")):
        inputs = keras.Input(shape)
        keras.Model(inputs, keras.layers.Dense(7)(keras.layers.GlobalAveragePooling2D()(inputs))).save(
            tmp_path / "m.keras"
        )
        with pytest.raises(ConvertError, match=hint):
            load_float_model(tmp_path / "m.keras")
