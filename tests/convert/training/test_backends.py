"""The same two training steps on each installed backend of Keras, in a process for each.

`make test-backends` runs this in an environment that has all three; `make test` has TensorFlow only.
"""

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

pytest.importorskip("keras", reason="the training half needs the convert extra")
from convert.cli import main
from convert.keras_backend import BACKENDS

# Three frameworks one after the other, one of them compiling: five minutes on two cores that do nothing else.
pytestmark = pytest.mark.timeout(3600)

INSTALLED = [name for name in BACKENDS if find_spec(name) is not None]


@pytest.fixture(scope="module")
def runs(face_data, tmp_path_factory):
    """Each installed backend: what tests/support/backend_run.py prints, and the averaged weights."""
    if len(INSTALLED) < 2:
        pytest.skip(f"only {', '.join(INSTALLED)} of {', '.join(BACKENDS)} is installed: `make test-backends` has all")
    answers = {}
    cache = tmp_path_factory.mktemp("compiled")
    for name in INSTALLED:
        folder = tmp_path_factory.mktemp(name)
        path = ":".join(place for place in sys.path if place)
        environment = {"KERAS_BACKEND": name, "PYTHONPATH": path, "JAX_COMPILATION_CACHE_DIR": str(cache)}
        output = subprocess.run(
            [sys.executable, "-m", "support.backend_run", str(face_data), str(folder)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            env=os.environ | environment,
        ).stdout
        with np.load(folder / "average.npz") as file:
            answers[name] = (json.loads(output.splitlines()[-1]), [file[name] for name in file.files])
    return answers


def test_two_steps_have_the_same_losses_on_each_backend(runs):
    (first, first_weights), *others = runs.values()
    for other, weights in others:
        # The first loss is that of the same weights on the same faces. The second is that after a step of AdamW,
        # which divides each gradient by its own size, so that rounding turns the smallest of them over.
        assert other["losses"][0] == pytest.approx(first["losses"][0], rel=1e-4), other["backend"]
        assert other["losses"][1] == pytest.approx(first["losses"][1], rel=1e-2), other["backend"]
        for one, another in zip(first_weights, weights, strict=True):
            assert one.shape == another.shape


def test_interrupted_run_resumes_to_the_same_weights_on_each_backend(runs):
    for answer, _ in runs.values():
        assert answer["interrupted_after"] == [1, 0, 1]
        assert answer["resumed_losses"] == pytest.approx(answer["losses"], rel=1e-4), answer["backend"]
        assert answer["difference"] < 1e-5, answer["backend"]


def test_unknown_backend_is_refused_by_its_name(small_data, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    assert main(["train", "--recipe", "smoke", "--run", str(tmp_path / "run"), "--data", str(small_data)]) == 1
    error = capsys.readouterr().err
    assert error == "emotion-convert: KERAS_BACKEND is 'theano', and training runs with one of tensorflow, torch, jax\n"


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_command_that_needs_tensorflow_says_so_where_another_backend_is_chosen(backend, face_data, monkeypatch, capsys):
    monkeypatch.setenv("KERAS_BACKEND", backend)
    assert main(["margin", "--data", str(face_data)]) == 1
    assert f"KERAS_BACKEND is '{backend}', and this command needs TensorFlow: unset it" in capsys.readouterr().err


def test_backend_that_is_not_installed_is_named(small_data, tmp_path, monkeypatch, capsys):
    missing = [name for name in BACKENDS if name not in INSTALLED]
    if not missing:
        pytest.skip("all backends are installed")
    monkeypatch.setenv("KERAS_BACKEND", missing[0])
    assert main(["train", "--recipe", "smoke", "--run", str(tmp_path / "run"), "--data", str(small_data)]) == 1
    assert f"{missing[0]} is not installed, and KERAS_BACKEND={missing[0]} needs it" in capsys.readouterr().err
