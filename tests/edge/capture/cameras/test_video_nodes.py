import errno
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from edge.capture.cameras.video_nodes import VideoNodes
from support.fake_v4l2 import CAPTURE, HD, STREAMING, VGA, Node, webcam


def test_details_are_what_the_camera_says(machine):
    _, nodes = machine(dict(enumerate(webcam())))
    camera, metadata = nodes.list(details=True)
    assert (camera.driver, camera.card, camera.bus) == ("uvcvideo", "HD Pro Webcam C920", "usb-0000:01:00.0-1.1")
    assert camera.caps == CAPTURE | 0x200000 | STREAMING
    assert [each.fourcc for each in camera.formats] == ["YUYV", "MJPG"]
    assert camera.formats[0].sizes == ((VGA, (30.0, 15.0)), (HD, (10.0,)))
    assert not camera.busy
    assert metadata.formats == ()
    assert camera.parent == metadata.parent != ""
    assert (camera.index, metadata.index) == (0, 1)


def test_ranges_of_sizes_and_rates_are_their_ends(machine):
    sizes = {(320, 180): [(1, 60), (1, 1)], (3840, 2160): [(1, 30), (1, 1)]}
    node = Node("vivid", "vivid", "platform:vivid-000", CAPTURE, {"YUYV": sizes}, any_size=True)
    (only,) = machine({0: node})[1].list(details=True)
    assert only.formats[0].any_size
    assert only.formats[0].sizes == (((320, 180), (1.0, 60.0)), ((3840, 2160), (1.0, 30.0)))


def test_camera_from_which_another_program_streams_is_busy_and_still_tells_all(machine):
    kernel, nodes = machine(dict(enumerate(webcam())))
    kernel.nodes[kernel.dev / "video0"].streaming = True
    assert [node.busy for node in nodes.list(details=True)] == [True, False]
    assert nodes.list(details=True)[0].formats
    assert not any(node.busy for node in nodes.list())


def test_nodes_are_in_the_order_of_their_numbers_and_other_files_are_none(machine):
    kernel, nodes = machine({number: Node("x", "X", "b", CAPTURE) for number in (10, 9, 0)})
    for name in ("video", "videox", "vbi0", "video-x"):
        (kernel.dev / name).touch()
    assert [device.name for device in nodes.devices()] == ["video0", "video9", "video10"]
    assert [node.number for node in nodes.list()] == [0, 9, 10]


def test_device_that_is_gone_or_refuses_is_listed_with_the_error(machine):
    kernel, nodes = machine({0: Node("", "", "", 0), 1: Node("x", "X", "b", CAPTURE, open_error=errno.EACCES)})
    (kernel.dev / "video2").symlink_to("nowhere")
    assert [node.problem for node in nodes.list()] == [errno.ENOTTY, errno.EACCES, errno.ENOENT]


def test_machine_without_any_of_the_folders_has_no_nodes():
    assert VideoNodes(Path("/nowhere/dev"), Path("/nowhere/sys")).list() == []


def test_real_file_that_is_no_device_is_refused_by_the_real_kernel(tmp_path):
    (tmp_path / "video0").touch()
    (only,) = VideoNodes(tmp_path, tmp_path).list(details=True)
    assert only.problem == errno.ENOTTY


@given(st.binary(max_size=31), st.integers(0, 2**32 - 1))
def test_names_of_any_bytes_become_one_printable_line(tmp_path_factory, card, caps):
    class Kernel:
        def ioctl(self, _, request, argument):
            if request & 0xFF:
                raise OSError(errno.EINVAL, "")
            argument.card, argument.device_caps, argument.capabilities = card, caps, 0x80000000

    folder = tmp_path_factory.mktemp("dev")
    (folder / "video0").touch()
    (only,) = VideoNodes(folder, folder, Kernel().ioctl).list(details=True)
    assert only.card.isprintable()
    assert only.caps == caps
    assert only.problem is None
