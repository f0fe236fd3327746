import json
from dataclasses import replace

import pytest

from edge.capture.backends.picamera import RibbonCamera
from edge.capture.cameras.find import find_cameras
from edge.capture.cameras.video_nodes import PixelFormat, VideoNodes
from edge.commands.cameras.text import as_json, format_lines, in_words
from edge.errors import SourceError
from support.fake_v4l2 import FakeKernel, Node, pi5, webcam

IMX708 = RibbonCamera(0, "imx708", ((1536, 864), (4608, 2592)))


NONE = "No camera was found. A network camera needs its address (rtsp://...), the built-in actor scripted:\n"


@pytest.fixture
def found(tmp_path):
    """Finds the cameras of a machine; `dev` in a text stands for its folder of devices."""

    def find(nodes, ribbon=(), *, streaming=()):
        kernel = FakeKernel(tmp_path, nodes)
        for number in streaming:
            kernel.nodes[kernel.dev / f"video{number}"].streaming = True

        def list_ribbon(*, details):
            assert details
            if ribbon is None:
                raise SourceError("picamera2 cannot be used here (not installed)")
            return list(ribbon)

        machine = VideoNodes(kernel.dev, kernel.sysfs, kernel.ioctl, kernel.open_file)
        return find_cameras(machine, list_ribbon, details=True)

    return find


def shown(found, tmp_path, programs=()):
    return in_words(found, lambda _: list(programs)).replace(f"{tmp_path}/dev", "/dev")


def test_board_with_both_kinds_of_cameras(found, tmp_path):
    text = shown(found(pi5() | dict(enumerate(webcam(), 8)), [IMX708]), tmp_path)
    assert (
        text
        == """\
Ribbon camera imx708
  uri = "picamera:0"
  sizes of the sensor: 1536x864, 4608x2592

HD Pro Webcam C920 (/dev/video8, driver uvcvideo)
  uri = "v4l2:usb-046d_HD_Pro_Webcam_C920_EE6C2C9F-video-index0"
  YUYV: 640x480 (30, 15 fps), 1280x720 (10 fps)
  MJPG: 640x480 (30 fps), 1280x720 (30 fps), 1920x1080 (30 fps)

No cameras (18 video nodes):
  /dev/video0 to 7 (rp1-cfe) receives the ribbon camera's raw picture, which libcamera reads: use picamera:0
  /dev/video9 (HD Pro Webcam C920) carries data about the pictures of a camera, and no pictures
  /dev/video19 (rpivid) is the board's video decoder
  /dev/video20 to 27 (pispbe) is a stage of the board's image processor: it changes pictures that are in memory
"""
    )


def test_ribbon_camera_that_cannot_be_used_is_named_with_the_reason(found, tmp_path):
    text = shown(found(pi5(), None), tmp_path)
    assert text.startswith(
        NONE + "\nA ribbon camera is connected, but picamera2 cannot be used here (not installed)\n\nNo "
    )


def test_machine_without_cameras_says_what_was_not_looked_for(found, tmp_path):
    assert shown(found({}), tmp_path) == NONE
    text = shown(found({}, None), tmp_path)
    assert text == (
        NONE + "Ribbon cameras, of a Raspberry Pi, were not looked for: picamera2 cannot be used here (not installed)\n"
    )


def test_busy_camera_says_who_has_it_and_what_to_do(found, tmp_path):
    here = found(dict(enumerate(webcam())), streaming=[0])
    assert "  in use by emotion-edge (process 12): end it before" in shown(
        here, tmp_path, ["emotion-edge (process 12)"]
    )
    assert "  in use by another program (sudo shows which one): end it" in shown(here, tmp_path)
    (camera,) = as_json(here, lambda _: ["cheese (process 3)"])["cameras"]
    assert camera["busy"]
    assert camera["used_by"] == ["cheese (process 3)"]


def test_ribbon_camera_in_use_is_told_and_of_several_only_that_one_is(found, tmp_path):
    here = found(pi5(), [IMX708], streaming=[0, 4])
    sentence = "is in use by rpicam-vid (process 9): end it before you use this camera\n"
    assert f"The ribbon camera {sentence}" in shown(here, tmp_path, ["rpicam-vid (process 9)"])
    (camera,) = as_json(here, lambda _: ["rpicam-vid (process 9)"])["cameras"]
    assert (camera["busy"], camera["used_by"]) == (True, ["rpicam-vid (process 9)"])
    both = replace(here, ribbon=(IMX708, RibbonCamera(1, "imx219")))
    assert f"One of the ribbon cameras {sentence}" in shown(both, tmp_path, ["rpicam-vid (process 9)"])
    assert [camera["busy"] for camera in as_json(both, lambda _: [])["cameras"]] == [None, None]


def test_name_with_a_quotation_mark_is_written_as_toml_takes_it(found, tmp_path):
    text = shown(found({0: Node("x", 'My "best" camera', "b", 1, {"YUYV": {}})}), tmp_path)
    assert r'  uri = "v4l2:My \"best\" camera"' in text


def test_json_has_everything(found, tmp_path):
    content = as_json(found({19: pi5()[19]} | dict(enumerate(webcam())), [IMX708]), lambda _: [])
    ribbon, usb = json.loads(json.dumps(content))["cameras"]
    sizes = [[1536, 864], [4608, 2592]]
    about = {"uri": "picamera:0", "kind": "ribbon", "name": "imx708"}
    assert ribbon == about | {"sizes": sizes, "busy": False, "used_by": []}
    assert usb["uri"] == "v4l2:usb-046d_HD_Pro_Webcam_C920_EE6C2C9F-video-index0"
    assert usb["device"] == str(tmp_path / "dev/video0")
    assert [len(names) for names in usb["links"].values()] == [1, 2]
    assert usb["formats"][0] == {
        "format": "YUYV",
        "any_size": False,
        "sizes": [{"width": 640, "height": 480, "fps": [30.0, 15.0]}, {"width": 1280, "height": 720, "fps": [10.0]}],
    }
    assert [other["reason"] for other in content["others"]][-1] == "is the board's video decoder"
    assert content["ribbon_problem"] is None


def test_long_lists_of_sizes_are_shortened_and_ranges_are_ranges():
    many = tuple(((100 + n, 100), ()) for n in range(20))
    (line,) = format_lines([PixelFormat("YUYV", many)])
    assert line.startswith("YUYV: 100x100, 101x100, ")
    assert line.endswith(", 110x100, 119x100 and 8 more sizes")
    two = (((16, 16), ()), ((3840, 2160), (60.0,)))
    assert format_lines([PixelFormat("YUYV", two, any_size=True)]) == ["YUYV: 16x16 to 3840x2160 (60 fps)"]
    assert format_lines([PixelFormat("H264")]) == ["H264"]


def test_formats_with_the_same_sizes_share_a_line():
    one, other = (((16, 16), ()),), (((32, 32), ()),)
    forms = [*(PixelFormat(f"F{n}", one) for n in range(9)), PixelFormat("MJPG", other), PixelFormat("F9", one)]
    assert format_lines(forms) == ["F0, F1, F2, F3, F4, F5 and 3 more formats: 16x16", "MJPG: 32x32", "F9: 16x16"]
