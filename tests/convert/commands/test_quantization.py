"""The command `compare` from the command line; release/test_user_model.py covers `quantize`."""

import pytest

pytest.importorskip("tensorflow", reason="the training half needs the convert extra")
pytest.importorskip("ai_edge_litert", reason="the converted model is run by ai-edge-litert")
from convert.cli import main
from support.small_models import linear_model


def test_compare_prints_each_trial_and_the_choice(small_data, tmp_path, capfd):
    model = linear_model(tmp_path / "m.keras")
    assert main(["compare", str(model), "--sets", "plain-8,half-8", "--data", str(small_data)]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert out.startswith(f"reading {model}\nrunning the float model on PublicTest\n")
    rows = [line.split()[:2] for line in out[out.index("calibration ") :].splitlines()[1:5]]
    methods = ["min-max", "bias-corrected"]
    assert rows == [[name, method] for name in ("plain-8", "half-8") for method in methods]
    assert "64 images, FER+ majority, ai-edge-litert" in out
    assert "chosen: " in out
    assert "on tflite-runtime" in out or "not measured on the other interpreter" in out


def test_bad_input_of_compare_is_one_sentence(small_data, tmp_path, capfd):
    model, other = linear_model(tmp_path / "m.keras"), linear_model(tmp_path / "five.keras", units=5)
    data = ["--data", str(small_data)]
    for arguments, message in (
        ([str(model), "--sets", "all"], "--sets must be such as"),
        ([str(tmp_path / "none.keras")], "does not exist"),
        ([str(tmp_path)], "cannot be loaded"),
        ([str(other)], "has 5 outputs"),
        ([str(model), "--range", "1", "-1"], "must rise"),
    ):
        assert main(["compare", *arguments, *data]) == 1
        error = capfd.readouterr().err
        assert error.startswith("emotion-convert: ")
        assert error.count("\n") == 1
        assert message in error
