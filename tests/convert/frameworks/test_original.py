import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from convert.errors import ConvertError
from convert.frameworks.original import Original, find_python

WITHOUT = [name for name, package in (("onnx", "onnx2tf"), ("torch", "litert_torch")) if find_spec(package) is None]
needs_absence = pytest.mark.skipif(not WITHOUT, reason="this environment has the packages of every framework")


@needs_absence
@pytest.mark.parametrize("framework", WITHOUT)
def test_missing_packages_are_one_sentence_that_names_the_remedy(tmp_path, framework):
    with pytest.raises(ConvertError, match="needs an environment of its own: make one with python3") as caught:
        find_python(framework, tmp_path)
    assert f"--converter-python ~/emotion-edge-{framework}/bin/python" in str(caught.value)
    assert "pip install" in str(caught.value)
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "make-env").touch()
    with pytest.raises(ConvertError, match=rf"run sh {tmp_path}/scripts/make-env {framework}, which makes one"):
        find_python(framework, tmp_path)


@needs_absence
@pytest.mark.parametrize("framework", WITHOUT)
def test_kept_environment_is_found(tmp_path, framework):
    python = tmp_path / f".venv-{framework}" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    assert find_python(framework, tmp_path) == python


@needs_absence
def test_python_without_the_packages_is_one_sentence(tmp_path):
    path = tmp_path / "mine.onnx"
    with Original(path, WITHOUT[0], Path(sys.executable)) as original, pytest.raises(ConvertError) as caught:
        original.describe()
    assert f"{sys.executable} lacks a package that converting {path} needs: No module named" in str(caught.value)


def test_python_that_does_not_start_is_one_sentence(tmp_path):
    with (
        pytest.raises(ConvertError, match="--converter-python /nowhere/python cannot be started: No such file"),
        Original(tmp_path / "mine.onnx", "onnx", Path("/nowhere/python")),
    ):
        pass


def test_process_that_ends_is_one_sentence_with_its_last_words(tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho first >&2\necho out of memory >&2\nexit 3\n", encoding="utf-8")
    python.chmod(0o755)
    picture = np.zeros((1, 9, 9, 1), dtype=np.float32)
    with Original(tmp_path / "mine.onnx", "onnx", python) as original:
        with pytest.raises(ConvertError, match=r"mine\.onnx cannot be read: .*python ended with out of memory"):
            original.describe()
        with pytest.raises(ConvertError, match="cannot be run: "):
            original.run(picture, channels_last=False)


def test_python_without_numpy_is_one_sentence_too(tmp_path):
    python = tmp_path / "python"
    python.write_text(
        "#!/bin/sh\necho \"ModuleNotFoundError: No module named 'numpy'\" >&2\nexit 1\n", encoding="utf-8"
    )
    python.chmod(0o755)
    with (
        pytest.raises(ConvertError, match=r"lacks a package that converting .* needs: No module named 'numpy'"),
        Original(tmp_path / "mine.pt2", "torch", python) as original,
    ):
        original.describe()
