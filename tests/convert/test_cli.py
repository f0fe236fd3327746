"""The command line as a whole, and the one sentence for each bad input."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("tensorflow", reason="the training half needs the convert extra")
pytest.importorskip("ai_edge_litert", reason="the converted model is run by ai-edge-litert")
from convert.cli import main
from edge.system.installation import how_to_install

ROOT = Path(__file__).parents[2]


def one_sentence(capfd, code, arguments):
    assert main(arguments) == code
    error = capfd.readouterr().err
    assert error.startswith("emotion-convert: ")
    assert error.count("\n") == 1
    return error


def test_each_bad_input_is_one_sentence(evaluated_model, face_data, tmp_path, capfd):
    data = ["--data", str(face_data)]
    text = tmp_path / "text.tflite"
    text.write_text("not a model", encoding="utf-8")
    assert "there is no recipe 'x'" in one_sentence(capfd, 1, ["train", "--recipe", "x", *data])
    assert "above 0" in one_sentence(capfd, 1, ["train", "--epochs-scale", "-1", *data])
    assert "is not the folder of a training run" in one_sentence(capfd, 1, ["export", "--run", str(tmp_path), *data])
    assert "there is no model 'x'" in one_sentence(capfd, 1, ["evaluate", "x", *data])
    assert "not a TensorFlow Lite model" in one_sentence(capfd, 1, ["evaluate", str(text), *data])
    no_data = one_sentence(capfd, 1, ["evaluate", str(evaluated_model), "--data", str(tmp_path / "none")])
    assert "none has no fer2013.npz: `emotion-convert data --fer2013" in no_data
    own = ["quantize", str(evaluated_model.with_suffix(".keras")), "--data", str(tmp_path / "none")]
    no_pictures = one_sentence(capfd, 1, [*own, "--output", str(tmp_path), "--name", "n"])
    assert "give a folder of your own with --calibration FOLDER" in no_pictures
    assert "`emotion-convert data --fer2013 fer2013.csv --ferplus fer2013new.csv` makes it" in no_pictures
    missing = ["evaluate", str(evaluated_model), "--float", str(tmp_path / "none.keras"), *data]
    assert "does not exist" in one_sentence(capfd, 1, missing)
    assert "does not exist" in one_sentence(capfd, 1, ["actor", "--model", str(tmp_path / "none.keras"), *data])
    unwritable = ["evaluate", str(evaluated_model), *data, "--json", str(tmp_path / "no" / "folder.json")]
    assert "cannot be used: No such file" in one_sentence(capfd, 1, unwritable)


def test_truncated_model_with_a_valid_manifest_is_one_sentence(evaluated_model, face_data, tmp_path, capfd):
    import hashlib  # noqa: PLC0415

    whole = evaluated_model.read_bytes()
    half = tmp_path / "half.tflite"
    half.write_bytes(whole[: len(whole) // 2])
    manifest = json.loads(evaluated_model.with_suffix(".json").read_text(encoding="utf-8"))
    manifest["sha256"] = hashlib.sha256(half.read_bytes()).hexdigest()
    half.with_suffix(".json").write_text(json.dumps(manifest), encoding="utf-8")
    assert "cannot be run" in one_sentence(capfd, 1, ["evaluate", str(half), "--data", str(face_data)])


def test_model_with_other_labels_is_not_evaluated_on_fer(evaluated_model, face_data, tmp_path, capfd):
    copy = tmp_path / "other.tflite"
    copy.write_bytes(evaluated_model.read_bytes())
    manifest = json.loads(evaluated_model.with_suffix(".json").read_text(encoding="utf-8"))
    manifest["labels"][0] = "grumpy"
    copy.with_suffix(".json").write_text(json.dumps(manifest), encoding="utf-8")
    assert "FER2013 can only judge" in one_sentence(capfd, 1, ["evaluate", str(copy), "--data", str(face_data)])


def run_python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


def test_help_does_not_import_tensorflow():
    code = (
        "import sys\n"
        "from convert.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "assert not {'tensorflow', 'keras', 'cv2', 'numpy'} & set(sys.modules), 'too much is imported'\n"
    )
    ran = run_python(code)
    assert ran.returncode == 0, ran.stderr
    for command in ("train", "quantize", "evaluate", "export", "actor"):
        assert command in ran.stdout


def test_missing_tensorflow_names_the_command_that_installs_it():
    code = (
        "import importlib.util, sys\n"
        "import convert.tensorflow\n"
        "convert.tensorflow.find_spec = lambda name: None\n"
        "from convert.cli import main\n"
        "sys.exit(main(['evaluate']))\n"
    )
    ran = run_python(code)
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1
    assert ran.stderr.endswith(f"install it with {how_to_install('convert')}\n")


def test_unknown_option_exits_with_two(capfd):
    with pytest.raises(SystemExit) as end:
        main(["train", "--surprise"])
    assert end.value.code == 2
    assert "--surprise" in capfd.readouterr().err


def test_signal_ends_the_program_whatever_threads_a_training_leaves_behind():
    script = (
        "import signal, sys, threading\n"
        "from convert import cli\n"
        "def left_behind(arguments):\n"
        "    threading.Thread(target=threading.Event().wait).start()\n"
        "    signal.raise_signal(signal.SIGTERM)\n"
        "cli.training._train = left_behind\n"
        "sys.argv = ['emotion-convert', 'train']\n"
        "cli.program()\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 143, result.stderr
    assert result.stderr.startswith("emotion-convert: terminated; ")
