import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert", reason="what is compared with is run by ai-edge-litert")

from convert.progress import ticker
from convert.runtimes import tflite_runtime as other_runtime
from convert.runtimes.tflite import Int8Model
from edge.manifest import find_model, load_manifest


def faces(count, side_px):
    """Patches of sixteen pixels instead of faces: both interpreters read anything."""
    assert side_px % 16 == 0
    squares = np.random.default_rng(2).uniform(-1, 1, (count, side_px // 16, side_px // 16, 1))
    return squares.repeat(16, axis=1).repeat(16, axis=2).astype(np.float32)


def test_both_interpreters_read_alike():
    try:
        other_runtime.find_python()
    except other_runtime.UnavailableError as reason:
        pytest.skip(str(reason))
    model = find_model("normal")
    content, inputs = model.read_bytes(), faces(8, load_manifest(model).input.width)
    rows, name = other_runtime.predict(content, inputs)
    assert name.startswith("tflite-runtime 2.14")
    assert rows.shape == (8, 7)
    assert rows.dtype == np.float32
    # They round differently in each of 52 layers: near, not equal.
    np.testing.assert_allclose(rows, Int8Model(content).predict(inputs), atol=0.15)


@pytest.mark.parametrize(
    ("python", "said"), [("/nowhere/python", "cannot be started: No such file"), ("/bin/false", "exit code 1")]
)
def test_why_it_does_not_run_is_said(python, said):
    content = find_model("normal").read_bytes()
    with pytest.raises(other_runtime.UnavailableError, match=said):
        other_runtime.predict(content, faces(1, 112), Path(python))


def test_without_the_package_the_lane_is_used_and_without_both_it_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(other_runtime, "find_spec", {}.get)
    monkeypatch.setattr(other_runtime, "_LANE", Path(sys.executable))
    assert other_runtime.find_python() == Path(sys.executable)
    monkeypatch.setattr(other_runtime, "_LANE", tmp_path / "python")
    with pytest.raises(other_runtime.UnavailableError, match="not installed for this Python"):
        other_runtime.find_python()


def test_progress_is_said_four_times_a_minute():
    now, said = [0.0], []
    tick = ticker("robustness", said.append, lambda: now[0])
    for done in range(61):
        now[0] = float(done)
        tick(done, 60)
    assert said == [f"robustness: {done} of 60, about {(60 - done) / 60:.1f} minutes left" for done in (15, 30, 45)]
