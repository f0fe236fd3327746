"""The picamera source on the fake of picamera2, and the strictness of that fake."""

import sys
import types

import numpy as np
import pytest

from edge.capture.backends.picamera import PicameraSource, i420_to_bgr, load_driver, nv12_to_bgr, ribbon_cameras
from edge.capture.capture import Capture
from edge.capture.reconnect import ReconnectPolicy
from edge.capture.source import SourceOptions
from edge.config.schema import SourceConfig
from edge.errors import SourceError, SourceLostError
from support.fake_picamera2 import FakePicamera2, FakeRequest, FakeWorld
from support.sources import FixedBackoff, numbered_picture

OPTIONS = SourceOptions(SourceConfig(width=160, height=120, stall_seconds=0.3))


@pytest.fixture
def world():
    return FakeWorld(lambda number: numbered_picture(number, 160, 120))


def source_in(world, options=OPTIONS, number=0):
    return PicameraSource(f"picamera:{number}", number, options, lambda: world.driver)


def test_luma_has_no_row_padding_and_buffers_are_returned(world):
    source = source_in(world)
    source.open()
    # 160 is no multiple of 64: the rows are padded to 192.
    assert world.cameras_opened[-1].stream_configuration("lores")["stride"] == 192
    for number in range(20):  # more frames than buffers: each buffer is returned
        assert np.array_equal(source.read().luma, numbered_picture(number, 160, 120))
    source.close()


def test_i420_planes_become_bgr():
    # One red half: Y, U, V of (255, 0, 0) in full-range BT.601 are 76, 85, 255; OpenCV reads them as limited range.
    width, height, stride = 6, 4, 64
    planes = np.full((height * 3 // 2, stride), 0xA5, np.uint8)
    planes[:height, :width] = 81
    chroma = planes[height:].reshape(2, height // 2, stride // 2)
    chroma[0, :, : width // 2] = 90
    chroma[1, :, : width // 2] = 240
    bgr = i420_to_bgr(planes, width, height)
    assert bgr.shape == (height, width, 3)
    assert np.abs(bgr.astype(int) - (0, 0, 255)).max() <= 3


def test_camera_with_only_nv12_is_used():
    world = FakeWorld(lambda number: numbered_picture(number, 160, 120), only_format="NV12")
    source = source_in(world, SourceOptions(SourceConfig(width=160, height=120), colour=True))
    source.open()
    frame = source.read()
    assert np.array_equal(frame.luma, numbered_picture(0, 160, 120))
    assert np.abs(frame.bgr.astype(int).max(axis=2) - frame.bgr.min(axis=2)).max() <= 2  # grey all over
    source.close()


def test_camera_with_neither_format_is_refused_and_released():
    world = FakeWorld(lambda number: numbered_picture(number, 160, 120), only_format="YUYV")
    with pytest.raises(SourceError, match=r"\(it gives YUYV, but neither YUV420 nor NV12\)"):
        source_in(world).open()
    assert not world.in_use


def test_picamera2_that_cannot_convert_the_format_is_a_loss_with_its_reason(world, monkeypatch):
    def refuse(*_):
        raise RuntimeError("Format NV12 not supported")

    source = source_in(world)
    source.open()
    monkeypatch.setattr(FakeRequest, "make_array", refuse)
    with pytest.raises(SourceLostError, match=r"picamera:0 gives frames .* \(Format NV12 not supported\)"):
        source.read()
    source.close()


def test_nv12_planes_become_bgr():
    # One colour, red, as above; U and V alternate.
    width, height = 6, 4
    planes = np.full((height * 3 // 2, width + 2), 0xA5, np.uint8)
    planes[:height, :width] = 81
    planes[height:, 0:width:2] = 90
    planes[height:, 1:width:2] = 240
    bgr = nv12_to_bgr(planes, width, height)
    assert bgr.shape == (height, width, 3)
    assert np.abs(bgr.astype(int) - (0, 0, 255)).max() <= 3


def test_colour_of_heights_whose_planes_end_in_the_middle_of_a_row(world):
    source = source_in(world, SourceOptions(SourceConfig(width=98, height=66), colour=True))
    source.open()
    frame = source.read()
    assert frame.luma.shape == (66, 98)
    assert np.abs(frame.bgr.astype(int).max(axis=2) - frame.bgr.min(axis=2)).max() <= 2  # grey all over
    source.close()


def test_odd_sizes_are_reduced_to_even_ones(world):
    source = source_in(world, SourceOptions(SourceConfig(width=161, height=121)))
    source.open()
    assert source.read().luma.shape == (120, 160)
    source.close()


def test_fps_sets_the_frame_duration(world):
    source = source_in(world, SourceOptions(SourceConfig(fps=12.5)))
    source.open()
    assert world.cameras_opened[-1].camera_config["controls"] == {"FrameDurationLimits": (80_000, 80_000)}
    source.close()


def test_fps_is_ignored_by_a_camera_without_that_control(world, monkeypatch):
    monkeypatch.setattr(FakePicamera2, "camera_controls", {})
    source = source_in(world, SourceOptions(SourceConfig(fps=12.5)))
    source.open()
    assert source.read() is not None
    source.close()


def test_missing_camera_number_is_refused(world):
    with pytest.raises(SourceError, match=r"picamera:1 cannot be opened \(No camera number 1.*--list-cameras"):
        source_in(world, number=1).open()


def test_camera_in_use_is_refused_until_it_is_released(world):
    first, second = source_in(world), source_in(world)
    first.open()
    with pytest.raises(SourceError, match=r"Device or resource busy.*no other program"):
        second.open()
    first.close()
    second.open()
    second.close()


def test_camera_that_refuses_its_configuration_is_released(world, monkeypatch):
    def refuse(_self, _config):
        message = "Invalid camera configuration"
        raise RuntimeError(message)

    monkeypatch.setattr(FakePicamera2, "configure", refuse)
    with pytest.raises(SourceError, match=r"160x120.*Invalid camera configuration"):
        source_in(world).open()
    assert not world.in_use


def test_stalled_camera_is_lost_and_can_be_closed(world):
    source = source_in(world)
    source.open()
    assert source.read() is not None
    world.flowing.clear()
    with pytest.raises(SourceLostError, match=r"no frame for 0\.3 s"):
        source.read()
    source.close()
    assert not world.in_use


def test_capture_reopens_a_camera_that_stalled_and_vanished(world):
    capture = Capture(lambda: source_in(world), fast=False, policy=ReconnectPolicy(0.3), backoff=FixedBackoff(0.02))
    capture.start()
    try:
        assert capture.next(5.0) is not None
        world.flowing.clear()
        while capture.state == "ok":
            capture.next(0.02)
        assert "no frame for" in capture.error
        world.vanished = True
        world.flowing.set()
        while "No camera number 0" not in (capture.error or ""):
            capture.next(0.02)
        world.vanished = False
        while (frame := capture.next(1.0)) is None:
            pass
        assert frame.number > 0
        assert capture.state == "ok"
        assert capture.reopened >= 1
    finally:
        capture.stop()
    assert not world.in_use


def test_missing_or_old_picamera2_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(SourceError, match=r"python3-picamera2.*--system-site-packages"):
        load_driver(lambda: False)
    old = types.ModuleType("picamera2")
    old.Picamera2 = type("Picamera2", (), {})
    monkeypatch.setitem(sys.modules, "picamera2", old)
    with pytest.raises(SourceError, match="too old"):
        load_driver(lambda: False)
    old.Picamera2 = FakePicamera2
    assert load_driver(lambda: False) is FakePicamera2


def test_ribbon_camera_in_a_container_is_refused_with_what_to_do_instead(monkeypatch):
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(
        SourceError, match=r"do not work in a container.*install the Debian package on the system"
    ) as no:
        load_driver(lambda: True)
    assert "apt" not in str(no.value)
    with pytest.raises(SourceError, match="python3-picamera2"):
        load_driver(lambda: False)


class TestFakeStrictness:
    """The fake refuses what the real class refuses."""

    @pytest.fixture
    def camera(self, world):
        camera = world.driver()
        yield camera
        camera.cancel_all_and_flush()
        camera.close()

    def test_unknown_stream_keys_are_refused(self, camera):
        with pytest.raises(ValueError, match="Bad key 'fps'"):
            camera.create_preview_configuration(main={"fps": 3})
        with pytest.raises(RuntimeError, match="Display stream lores was not defined"):
            camera.create_preview_configuration(display="lores")

    @pytest.mark.parametrize(
        ("streams", "message"),
        [
            ({"main": {"format": "H264"}}, "Bad format H264 in stream main"),
            ({"main": {"size": (641, 480)}}, "should be even"),
            ({"main": {"size": [640, 480]}}, r"should be \(width, height\)"),
            ({"lores": {"size": (800, 480)}}, "may not exceed main"),
            ({"lores": {"format": "RGB888"}}, "lores stream must be YUV"),
            ({"controls": {"FrameRates": 3}}, "FrameRates is not advertised"),
        ],
    )
    def test_invalid_configurations_are_refused(self, camera, streams, message):
        with pytest.raises(RuntimeError, match=message):
            camera.configure(camera.create_preview_configuration(**streams))

    def test_wrong_order_of_calls_is_refused(self, world, camera):
        with pytest.raises(KeyError):
            camera.stream_configuration("main")
        camera.configure()
        with pytest.raises(RuntimeError, match=r"before start"):
            camera.capture_request(wait=0.01)
        camera.start()
        with pytest.raises(RuntimeError, match="must be stopped before configuring"):
            camera.configure()
        with pytest.raises(RuntimeError, match="did not complete"):
            world.driver()
        request = camera.capture_request()
        with pytest.raises(RuntimeError, match="'lores' is not defined"):
            request.make_array("lores")
        request.release()
        with pytest.raises(RuntimeError, match="negative ref_count"):
            request.release()
        with pytest.raises(RuntimeError, match="released"):
            request.make_array("main")
        camera.close()
        camera.close()
        with pytest.raises(RuntimeError, match="not opened"):
            camera.capture_request(wait=0.01)
        with pytest.raises(RuntimeError, match="not opened"):
            camera.start()

    def test_requests_that_are_not_released_exhaust_the_buffers(self, camera):
        camera.start()
        kept = [camera.capture_request() for _ in range(4)]
        with pytest.raises(RuntimeError, match="no buffer left"):
            camera.capture_request()
        kept[0].release()
        camera.capture_request()

    def test_close_before_cancelling_a_capture_that_timed_out_is_refused(self, world, camera):
        camera.start()
        world.flowing.clear()
        with pytest.raises(TimeoutError):
            camera.capture_request(wait=0.01)
        with pytest.raises(RuntimeError, match="cancel_all_and_flush"):
            camera.close()


class FakeLibcamera(types.ModuleType):
    """The part of libcamera's bindings that tells the sizes of a sensor."""

    def __init__(self, sizes):
        super().__init__("libcamera")
        formats = types.SimpleNamespace(
            pixel_formats=list(sizes),
            sizes=lambda form: [types.SimpleNamespace(width=w, height=h) for w, h in sizes[form]],
        )
        form = types.SimpleNamespace(at=lambda index: [types.SimpleNamespace(formats=formats)][index])
        raw = object()
        self.StreamRole = types.SimpleNamespace(Raw=raw)
        sensors = [
            types.SimpleNamespace(
                id=f"/base/soc/i2c0mux/i2c@{number}/imx708@1a",
                generate_configuration=lambda roles: form if roles == [raw] else None,
            )
            for number in range(2)
        ]
        self.CameraManager = types.SimpleNamespace(singleton=lambda: types.SimpleNamespace(cameras=sensors))


def test_ribbon_cameras_have_the_numbers_that_open_them_and_usb_cameras_are_none(monkeypatch):
    world = FakeWorld(numbered_picture, cameras=2, usb_cameras=1)
    FakePicamera2.world = world
    found = ribbon_cameras(lambda: FakePicamera2)
    assert [(each.uri, each.model, each.sizes) for each in found] == [
        ("picamera:0", "imx708", ()),
        ("picamera:1", "imx708", ()),
    ]
    assert world.cameras_opened == []
    sizes = {"SRGGB10_CSI2P": [(4608, 2592), (1536, 864)], "SRGGB12": [(1536, 864)]}
    monkeypatch.setitem(sys.modules, "libcamera", FakeLibcamera(sizes))
    assert [each.sizes for each in ribbon_cameras(lambda: FakePicamera2, details=True)] == [
        ((1536, 864), (4608, 2592))
    ] * 2


def test_sizes_that_libcamera_does_not_tell_are_left_out(monkeypatch):
    FakePicamera2.world = FakeWorld(numbered_picture)
    monkeypatch.setitem(sys.modules, "libcamera", None)
    assert [each.sizes for each in ribbon_cameras(lambda: FakePicamera2, details=True)] == [()]


def test_listing_that_fails_is_one_sentence():
    class Broken:
        @staticmethod
        def global_camera_info():
            raise RuntimeError("Failed to start the camera manager\nand more") from OSError("no udev")

    with pytest.raises(SourceError, match=r"^picamera2 cannot list the cameras \(no udev\)$"):
        ribbon_cameras(lambda: Broken)
