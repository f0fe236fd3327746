import pytest

pytest.importorskip("keras", reason="the training half needs the convert extra")
import keras

from convert.cli import main
from convert.errors import ConvertError
from convert.evaluation.model_family import ModelSummary, measure_models, multiply_adds, to_text
from edge.vision.classification.manifest import find_model


def test_multiply_adds_of_mobilenet_v2_match_its_paper():
    # Table 4 of Sandler et al. 2018: 300 million multiply-adds at 224x224 and a width of 1.
    model = keras.applications.MobileNetV2(weights=None)
    assert multiply_adds(model) == pytest.approx(300e6, rel=0.01)


def test_multiply_adds_of_a_small_network_match_a_count_by_hand():
    inputs = keras.Input((8, 8, 2))
    middle = keras.layers.Conv2D(4, 3, strides=2, padding="same")(inputs)
    middle = keras.layers.DepthwiseConv2D(3, padding="same")(middle)
    model = keras.Model(inputs, keras.layers.Dense(5)(keras.layers.Flatten()(middle)))
    assert multiply_adds(model) == 4 * 4 * (3 * 3 * 2 * 4) + 4 * 4 * (3 * 3 * 4) + 64 * 5


def test_shipped_models_are_measured():
    models = {model.name: model for model in measure_models(find_model("normal").parent)}
    normal = models["normal"]
    assert normal.side_px == 112
    assert normal.run_ms > 0
    assert normal.size_bytes == find_model("normal").stat().st_size
    assert normal.accuracy > 0.8


def test_times_are_relative_to_normal():
    normal = ModelSummary("normal", 96, 2_400_000, 55_000_000, 2_900_000, 0.8, 0.85, 0.7)
    other = ModelSummary("mine", 72, 400_000, 6_000_000, 700_000, 0.2, None, None)
    row = to_text([other, normal]).splitlines()[1]
    assert row.startswith("mine")
    assert "not stated" in row
    assert row.endswith("0.25")


def test_folder_without_models_is_refused(tmp_path, capsys):
    with pytest.raises(ConvertError, match="contains no model with a manifest"):
        measure_models(tmp_path)
    assert main(["family", "--models", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith(f"emotion-convert: {tmp_path} contains no model")
