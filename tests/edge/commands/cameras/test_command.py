from pathlib import Path

import pytest

from edge.capture.cameras.find import FoundCameras, find_cameras
from edge.capture.cameras.video_nodes import VideoNodes
from edge.cli import main
from edge.commands.cameras.command import device_files
from edge.errors import ConfigError, SourceError
from support.fake_v4l2 import FakeKernel, pi5, webcam
from support.program import run

ID = "usb-046d_HD_Pro_Webcam_C920_EE6C2C9F-video-index0"


@pytest.fixture
def nodes(tmp_path):
    kernel = FakeKernel(tmp_path, pi5() | dict(enumerate(webcam(), 8)))
    for name in ("media10", "media2", "media-x", "mediator"):
        (kernel.dev / name).touch()
    return VideoNodes(kernel.dev, kernel.sysfs, kernel.ioctl, kernel.open_file)


@pytest.mark.parametrize(
    ("uri", "names"),
    [
        ("0", ["video0"]),
        ("v4l2:8", ["video8"]),
        (f"v4l2:{ID}", ["video8"]),
        ("V4L2:HD Pro Webcam C920", ["video8"]),
        ("picamera:0", ["media2", "media10"]),
        ("picamera:", ["media2", "media10"]),
        ("scripted:", []),
        ("rtsp://cam/x", []),
        ("clip.mp4", []),
    ],
)
def test_files_are_those_that_the_source_would_open(nodes, uri, names):
    assert [file.name for file in device_files(uri, nodes)] == names


def test_files_of_auto_are_those_of_every_camera(nodes):
    def find(ribbon=()):
        return FoundCameras(ribbon, find_cameras(nodes, lambda **_: []).v4l2)

    assert [file.name for file in device_files("auto:", nodes, find)] == ["video8"]
    found = device_files("auto:", nodes, lambda: find(("a ribbon camera",)))
    assert [file.name for file in found] == ["media2", "media10", "video8"]


def test_link_is_followed_and_a_name_that_is_not_there_is_an_error(nodes, tmp_path):
    link = tmp_path / "link"
    link.symlink_to("/dev/null")
    assert device_files(f"v4l2:{link}", nodes) == [Path("/dev/null")]
    with pytest.raises(SourceError, match="no camera v4l2:Other: connected are v4l2:usb-046d"):
        device_files("v4l2:Other", nodes)
    with pytest.raises(SourceError, match=r"needs a device or a name"):
        device_files("v4l2:", nodes)


def test_command_prints_files_and_errors_with_its_exit_codes(capsys):
    assert main(["cameras", "--device-of", "v4l2:7"]) == 0
    assert capsys.readouterr().out == "/dev/video7\n"
    assert main(["cameras", "--device-of", "scripted:"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["cameras", "--device-of", "v4l2:No such camera"]) == 1
    assert "There is no camera v4l2:No such camera" in capsys.readouterr().err
    assert main(["cameras", "--device-of", "auto:x"]) == 1


def test_real_program_on_this_machine_lists_its_cameras_or_says_that_there_is_none():
    result = run("cameras")
    assert (result.returncode, "No camera was found" in result.stdout) in {(0, False), (1, True)}
    assert result.stderr == ""


def test_empty_source_is_refused():
    with pytest.raises(ConfigError, match="--device-of is '', but must be a source"):
        device_files("")
