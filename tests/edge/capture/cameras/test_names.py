import pytest

from edge.capture.cameras.names import find_device
from edge.errors import SourceError
from support.fake_v4l2 import CAPTURE, STREAMING, Node, pi5, webcam

ID = "usb-046d_HD_Pro_Webcam_C920_EE6C2C9F-video-index0"
PATH = "platform-fd500000.pcie-pci-0000:01:00.0-usb-0:1.1:1.0-video-index0"


@pytest.mark.parametrize("name", [ID, PATH, "HD Pro Webcam C920", "usb-0000:01:00.0-1.1"])
def test_each_name_of_a_camera_finds_it_also_when_it_returns_as_another_node(machine, name):
    kernel, nodes = machine(pi5())
    kernel.plug(8, *webcam())
    assert find_device(name, nodes) == kernel.dev / "video8"
    kernel.unplug(8)
    kernel.unplug(9)
    with pytest.raises(SourceError, match=r"^There is no camera v4l2:.*: none is connected \(`emotion-edge cameras`"):
        find_device(name, nodes)
    kernel.plug(10, *webcam())
    assert find_device(name, nodes) == kernel.dev / "video10"


def test_name_that_two_cameras_share_is_refused_with_the_names_that_tell_them_apart(machine):
    _, nodes = machine({0: webcam(port="1", serial="A1")[0], 2: webcam(port="2", serial="B2")[0]})
    with pytest.raises(SourceError) as caught:
        find_device("HD Pro Webcam C920", nodes)
    start = "usb-046d_HD_Pro_Webcam_C920"
    assert str(caught.value) == (
        f"2 cameras are called v4l2:HD Pro Webcam C920: choose one of v4l2:{start}_A1-video-index0, "
        f"v4l2:{start}_B2-video-index0"
    )


def test_unknown_name_is_refused_with_the_names_that_there_are(machine):
    _, nodes = machine(dict(enumerate(webcam())) | {5: Node("x", "Other", "b", CAPTURE | STREAMING, {"YUYV": {}})})
    with pytest.raises(SourceError, match=f"no camera v4l2:Othe: connected are v4l2:Other, v4l2:{ID} "):
        find_device("Othe", nodes)


def test_name_of_a_node_that_is_no_camera_is_no_name(machine):
    _, nodes = machine(pi5())
    with pytest.raises(SourceError, match="no camera v4l2:pispbe: none is connected"):
        find_device("pispbe", nodes)
