"""Errors of parts that know only their key name its origin, and `config check` says what it has checked."""

import os
import re
import shutil

import pytest

from edge.cli import main
from edge.config.loader import load_with_origins
from edge.config.origins import Origins
from edge.system.board import device_id
from edge.vision.classification.manifest import find_model


@pytest.fixture
def write(tmp_path):
    def _write(text):
        path = tmp_path / "c.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return _write


def test_error_that_begins_with_a_key_gets_its_origin(write):
    path = write('[labels]\ngood = ["joy"]\n"not good" = ["sad"]\n[detector]\ncascade = "x.xml"\n')
    _, origins = load_with_origins(path, {"EMOTION_EDGE_MODEL_NAME": "m"}, {"source.uri": "0"})
    assert origins.named("labels.good holds 'joy'") == f"{path}: labels.good holds 'joy'"
    assert origins.named("labels.'not good' holds 'sad'") == f"{path}: labels.'not good' holds 'sad'"
    assert origins.named("detector.cascade is 'x.xml'") == f"{path}: detector.cascade is 'x.xml'"
    assert origins.named("model.name: there is no model") == "EMOTION_EDGE_MODEL_NAME: model.name: there is no model"
    assert origins.named("source.uri is 0") == "command line: source.uri is 0"


@pytest.mark.parametrize("sentence", ["mqtt.url is empty", "model m.tflite is empty", "x: detector.cascade is y", ""])
def test_other_errors_stay(write, sentence):
    _, origins = load_with_origins(write('[detector]\ncascade = "x.xml"\n'), {})
    assert origins.named(sentence) == sentence


def test_summary_names_file_variables_and_flags(write, tmp_path):
    path, services = write("[model]\nthreads = 2\n"), tmp_path / "services"
    _, origins = load_with_origins(path, {"EMOTION_EDGE_MODEL_NAME": "small"}, {"source.uri": "0"})
    assert origins.summary(services) == (
        f"the file {path} and EMOTION_EDGE_MODEL_NAME from the environment and source.uri from the command line"
    )
    nothing = "the defaults, because no file was named (--config FILE or $EMOTION_EDGE_CONFIG)"
    assert Origins().summary(services) == nothing
    services.mkdir()
    config, door = services / "config.toml", services / "door.toml"
    config.touch()
    assert Origins().summary(services) == f"{nothing}; the service reads another file (--config {config})"
    door.touch()
    assert Origins().summary(services) == f"{nothing}; the services read other files (--config {config}, {door})"


def test_check_and_show_name_the_file(write, capsys, caplog, monkeypatch):
    path = write('[model]\nname = "small"\n[detector]\nmin_face = 0.05\n')
    monkeypatch.setenv("EMOTION_EDGE_CONFIG", str(path))
    assert main(["config", "check", "--source", "v4l2:0"]) == 0
    expected = f"the file {path} and source.uri from the command line"
    assert capsys.readouterr().out == f"the configuration can be used: {expected}\n"
    # A camera is requested to give frames of 640x480.
    assert caplog.text.count("detector.min_face = 0.05 asks for faces of 24 pixels in frames of 640x480") == 1
    assert main(["config", "show", "--source", "scripted:"]) == 0
    assert capsys.readouterr().out.startswith(f"# Values: {expected}.\n\n# Identity of this sensor.\n[device]\n")


def test_show_names_the_id_of_an_instance_and_leaves_it_out_of_the_text_that_one_copies(write, tmp_path, capsys):
    path = write("")
    assert main(["config", "show", "--config", str(path)], tmp_path) == 0
    shown = capsys.readouterr().out
    assert f'# Empty here: the id is {device_id()}-c.\nid = ""\n' in shown
    assert 'name = "Emotion sensor c"\n' in shown
    write('[device]\nid = "hall"\n')
    assert main(["config", "show", "--config", str(path)], tmp_path) == 0
    shown = capsys.readouterr().out
    assert 'id = "hall"\n' in shown
    assert "Empty here" not in shown


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            '[labels]\ngood = ["hapy"]\n',
            r"labels\.good holds 'hapy', which is no label of the model: these are angry, ",
        ),
        (
            "[valence]\nhapy = 1\n",
            r"valence\.hapy is the weight of 'hapy', which is no label of the model: these are angry",
        ),
        ('[model]\nname = "norml"\n', r"model\.name: there is no model 'norml': shipped are normal, small; or "),
        ('[labels]\ngood = ["happy", "happy"]\n', r"labels\.good holds 'happy' twice: name each label once"),
        ('[source]\nuri = "no.mp4"\n', r'source\.uri: The source "no\.mp4" does not exist'),
        ('[detector]\ncascade = "/"\n', r"detector\.cascade is '/', but this is a folder"),
        ('[detector]\ncascade = "/no.xml"\n', r"detector\.cascade is '/no\.xml', but this file does not exist"),
        ('[preview]\nenabled = true\nhost = "0.0.0.0"\n', r"preview\.host"),
        ('[mqtt]\nurl = "http://broker"\n', r"mqtt\.url"),
    ],
)
def test_check_names_the_file_of_each_error(write, capsys, text, reason):
    path = write(text)
    assert main(["config", "check", "--config", str(path)]) > 0
    assert re.match(rf"emotion-edge: {re.escape(str(path))}: {reason}", capsys.readouterr().err)


def test_check_and_doctor_name_labels_of_ones_own_model_that_have_no_weight(write, tmp_path, capsys, caplog):
    shipped = find_model("small")
    shutil.copyfile(shipped, tmp_path / "mine.tflite")
    manifest = shipped.with_suffix(".json").read_text(encoding="utf-8").replace('"surprise"', '"puzzled"')
    (tmp_path / "mine.json").write_text(manifest, encoding="utf-8")
    text = f'[model]\nname = "{tmp_path}/mine.tflite"\n'
    missing = (
        "valence is not published, because the label 'puzzled' of the model has no weight: set valence.puzzled to a "
        "number from -1 (unpleasant) to 1 (pleasant)"
    )
    path = write(text)
    assert main(["config", "check", "--config", str(path)]) == 0
    assert [record.levelname for record in caplog.records if missing in record.getMessage()] == ["WARNING"]
    assert main(["doctor", "--only", "model", "--config", str(path)]) == 0
    assert f"warn  model        {missing}\n" in capsys.readouterr().out
    caplog.clear()
    path = write(f"{text}[valence]\npuzzled = 0\n")
    assert main(["config", "check", "--config", str(path)]) == 0
    assert "valence" not in caplog.text


def test_file_is_read_once(capsys):
    """A pipe, as of `--config <(...)`, has nothing left for a second reading."""
    reader, writer = os.pipe()
    os.write(writer, b'[detector]\ncascade = "/no.xml"\n')
    os.close(writer)
    try:
        assert main(["config", "check", "--config", f"/dev/fd/{reader}"]) == 1
    finally:
        os.close(reader)
    assert capsys.readouterr().err.startswith(f"emotion-edge: /dev/fd/{reader}: detector.cascade is '/no.xml'")


def test_check_refuses_a_cascade_of_eyes(write, capsys):
    from cv2 import data  # noqa: PLC0415 - no other test here loads OpenCV by itself

    path = write(f'[detector]\ncascade = "{data.haarcascades}haarcascade_eye.xml"\n')
    assert main(["config", "check", "--config", str(path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"emotion-edge: {path}: detector.cascade is ")
    assert "finds 2 faces in a test picture that shows one" in error
    assert main(["doctor", "--only", "cascade", "--config", str(path)]) == 1
    assert capsys.readouterr().out.startswith(f"FAIL  cascade      {path}: detector.cascade is ")
