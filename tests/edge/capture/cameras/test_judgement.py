import errno
import functools
import operator
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.capture.cameras.judgement import judge
from edge.capture.cameras.video_nodes import PixelFormat, VideoNode
from support.fake_v4l2 import (
    CAPTURE,
    CAPTURE_MPLANE,
    META_CAPTURE,
    META_OUTPUT,
    OUTPUT,
    READWRITE,
    STREAMING,
    Node,
    pi4,
    pi5,
    webcam,
)


def judged(machine, nodes):
    _, found = machine(nodes)
    cameras, others = judge(found.list())
    return {camera.name: camera.node.number for camera in cameras}, {one.node.number: one.reason for one in others}


@pytest.mark.parametrize(("board", "ribbon"), [(pi4, {0, 1}), (pi5, set(range(8)))])
def test_board_with_a_ribbon_camera_has_no_v4l2_camera_and_each_node_says_why(machine, board, ribbon):
    nodes = board()
    cameras, others = judged(machine, nodes)
    assert cameras == {}
    assert set(others) == set(nodes)
    assert {number for number, reason in others.items() if "picamera:0" in reason} == ribbon
    rest = {reason for number, reason in others.items() if number not in ribbon}
    assert any("image processor" in reason for reason in rest)
    assert "is the board's video decoder" in rest
    assert all("\n" not in reason and reason.split()[0] in {"is", "receives"} for reason in rest)


def test_webcam_on_a_board_is_the_one_camera_and_its_metadata_node_none(machine):
    main, metadata = webcam()
    cameras, others = judged(machine, pi5() | {8: main, 9: metadata})
    assert cameras == {"usb-046d_HD_Pro_Webcam_C920_EE6C2C9F-video-index0": 8}
    assert others[9] == "carries data about the pictures of a camera, and no pictures"


def test_second_pictures_of_one_interface_are_no_second_camera_but_those_of_another_interface_are(machine):
    bus = "usb-0000:00:14.0-8"
    nodes = {
        number: Node("uvcvideo", card, bus, CAPTURE | STREAMING, {name: {}}, parent=f"1-8:{interface}", index=index)
        for number, card, interface, index, name in [
            (4, "Laptop: Infrared", "1.2", 0, "GREY"),
            (2, "Laptop: Colour", "1.0", 1, "H264"),
            (0, "Laptop: Colour", "1.0", 0, "MJPG"),
        ]
    }
    cameras, others = judged(machine, nodes)
    assert cameras == {"Laptop: Colour": 0, "Laptop: Infrared": 4}
    assert list(others) == [2]
    assert "second node of the camera at " in others[2]
    assert others[2].endswith("video0")


def test_two_cameras_of_the_test_driver_on_one_parent_are_two_and_are_named_by_their_bus(machine):
    # As Linux 6.1 has them: both count their nodes from 0, so that udev has one path for both.
    nodes = {}
    for instance in (0, 1):
        for index, caps in enumerate((CAPTURE, OUTPUT, META_CAPTURE, META_OUTPUT)):
            nodes[4 * instance + index] = Node(
                "vivid", "vivid", f"platform:vivid-00{instance}", caps | STREAMING | READWRITE, {"YUYV": {}},
                parent="vivid.0", index=index, by_path=("platform-vivid.0-video-index0",) * (caps == CAPTURE),
            )  # fmt: skip
    cameras, others = judged(machine, nodes)
    assert cameras == {"platform:vivid-000": 0, "platform:vivid-001": 4}
    assert len(others) == 6


def test_cameras_of_one_model_without_serial_numbers_are_told_apart_by_their_sockets(machine):
    one, _ = webcam("USB Camera", serial="", port="1")
    other, _ = webcam("USB Camera", serial="", port="2")
    assert one.by_id == other.by_id
    cameras, _ = judged(machine, {0: one, 2: other})
    path = "platform-fd500000.pcie-pci-0000:01:00.0-usb-0:1.{}:1.0-video-index0"
    assert cameras == {path.format(1): 0, path.format(2): 2}


def test_without_udev_card_and_bus_count_where_they_are_alone_and_else_the_device(machine):
    plain = {"caps": CAPTURE | STREAMING, "formats": {"YUYV": {}}}
    twins = [Node("a", "Twin", bus, **plain, parent=f"parent{n}") for n, bus in enumerate(("x-1", "x-2", "x-3", "x-3"))]
    cameras, _ = judged(machine, dict(enumerate([*twins, Node("b", "One", "y", **plain), Node("b", "7", "", **plain)])))
    named = {name.rpartition("/")[2]: number for name, number in cameras.items()}
    assert named == {"One": 4, "x-1": 0, "x-2": 1, "video2": 2, "video3": 3, "video5": 5}


def test_loopback_device_that_takes_and_gives_pictures_is_a_camera(machine):
    loopback = Node("v4l2 loopback", "Dummy", "platform:v4l2loopback-000", CAPTURE | OUTPUT | STREAMING, {"YUYV": {}})
    phone = Node("qcom", "Phone", "platform:camss", CAPTURE_MPLANE | STREAMING, {"NV12": {}})
    cameras, _ = judged(machine, {0: loopback, 1: phone})
    assert cameras == {"Dummy": 0, "Phone": 1}


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (Node("x", "X", "b", CAPTURE, {"YUYV": {}}, open_error=errno.EACCES), "no permission.*usermod -aG video"),
        (Node("x", "X", "b", CAPTURE, {"YUYV": {}}, open_error=errno.EBUSY), "in use by another program"),
        (Node("x", "X", "b", CAPTURE, {"YUYV": {}}, open_error=errno.ENODEV), "unplugged"),
        (Node("x", "X", "b", CAPTURE, {"YUYV": {}}, open_error=errno.EIO), r"cannot be asked \(Input/output error\)"),
        (Node("", "", "", 0), "no video device"),
        (Node("bttv", "BT878", "PCI:1", 0x10), "captures no video"),
        (Node("hdmi", "Grabber", "usb-1", CAPTURE), "offers no format"),
        (Node("x", "X", "b", META_CAPTURE), "carries data"),
        (Node("imx7-csi", "imx-capture", "b", CAPTURE | 0x20000000, {"GREY": {}}), "only through libcamera"),
    ],
)
def test_other_nodes_say_why_they_are_no_camera_and_what_to_do(machine, node, reason):
    _, others = judged(machine, {0: node})
    assert re.search(reason, others[0])


FLAGS = st.sampled_from([CAPTURE, OUTPUT, CAPTURE_MPLANE, META_CAPTURE, STREAMING, 0x8000, 0x20000000])
NODES = st.builds(
    VideoNode,
    st.integers(0, 9).map(lambda number: Path(f"/dev/video{number}")),
    driver=st.sampled_from(["uvcvideo", "pispbe", ""]),
    card=st.sampled_from(["", "A", "B", "7", "a/b"]),
    bus=st.sampled_from(["usb-1", "usb-2"]),
    caps=st.lists(FLAGS, max_size=3).map(lambda flags: functools.reduce(operator.or_, flags, 0)),
    links=st.dictionaries(st.sampled_from(["by-id", "by-path"]), st.tuples(st.sampled_from(["x", "y"])), max_size=2),
    parent=st.sampled_from(["", "1-1:1.0", "1-2:1.0"]),
    index=st.integers(0, 2),
    formats=st.sampled_from([(), (PixelFormat("YUYV"),)]),
    problem=st.sampled_from([None, None, errno.EACCES, 999]),
)


@given(st.lists(NODES, max_size=8, unique_by=lambda node: node.device))
def test_every_node_is_a_camera_or_has_a_reason_and_no_two_cameras_share_a_cards_name(nodes):
    cameras, others = judge(nodes)
    assert sorted([one.node.number for one in cameras] + [one.node.number for one in others]) == sorted(
        node.number for node in nodes
    )
    assert all(other.reason and "\n" not in other.reason for other in others)
    by_card = [camera.name for camera in cameras if camera.name == camera.node.card]
    assert len(by_card) == len(set(by_card))
    for camera in cameras:
        names = {name for links in camera.node.links.values() for name in links}
        assert camera.name in names | {camera.node.card, camera.node.bus, str(camera.node.device)}
