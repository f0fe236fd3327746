import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert", reason="what is compared with is run by ai-edge-litert")
from convert.errors import UnavailableError
from convert.runtimes import tflite_runtime
from convert.runtimes.tflite import Int8Model
from edge.system.installation import how_to_install
from edge.vision.classification.manifest import find_model, load_manifest


def faces(count, side_px):
    """Patches of sixteen pixels instead of faces: both interpreters take any input."""
    assert side_px % 16 == 0
    squares = np.random.default_rng(2).uniform(-1, 1, (count, side_px // 16, side_px // 16, 1))
    return squares.repeat(16, axis=1).repeat(16, axis=2).astype(np.float32)


def test_both_interpreters_give_near_probabilities():
    try:
        tflite_runtime.find_python()
    except UnavailableError as reason:
        pytest.skip(str(reason))
    model = find_model("normal")
    content, inputs = model.read_bytes(), faces(8, load_manifest(model).input.width)
    rows, name = tflite_runtime.predict(content, inputs)
    assert name.startswith("tflite-runtime 2.14")
    assert rows.shape == (8, 7)
    assert rows.dtype == np.float32
    # They round differently in each of 52 layers: near, not equal.
    np.testing.assert_allclose(rows, Int8Model(content).predict(inputs), atol=0.15)


@pytest.mark.parametrize(
    ("python", "message"), [("/nowhere/python", "cannot be started: No such file"), ("/bin/false", "exit code 1")]
)
def test_reason_of_a_failed_run_is_reported(python, message):
    content = find_model("normal").read_bytes()
    with pytest.raises(UnavailableError, match=message):
        tflite_runtime.predict(content, faces(1, 112), Path(python))


def test_python_of_the_checkout_is_used_where_the_package_is_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(tflite_runtime, "find_spec", {}.get)
    assert tflite_runtime.find_python(Path(sys.executable)) == Path(sys.executable)
    with pytest.raises(UnavailableError, match="not installed for this Python"):
        tflite_runtime.find_python(tmp_path / "python")


def test_what_makes_the_package_available_depends_on_the_python(tmp_path):
    inside = tmp_path / ".venv-tflite" / "bin" / "python"
    assert tflite_runtime.how_to_get((3, 11), inside) == f"install it with {how_to_install('tflite')}"
    assert tflite_runtime.how_to_get((3, 13), inside).startswith(
        "it exists for Python up to 3.11: install it in an env"
    )
    (tmp_path / "pyproject.toml").touch()
    assert tflite_runtime.how_to_get((3, 13), inside).startswith(
        "sh scripts/make-env tflite makes one here; else it ex"
    )
