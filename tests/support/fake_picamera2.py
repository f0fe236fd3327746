"""A camera without hardware that is as strict as picamera2's own class.

It has the methods that `picamera.py` uses, with the signatures, defaults and errors of picamera2
0.3.38 (a test compares them with the real package), and refuses what the real class refuses: wrong
order, unknown keys and formats, odd sizes, streams that were not configured, a camera that is in
use, a request released twice. Rows are padded as the hardware pads them.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import ClassVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
StreamConfig = dict[str, object]

YUV_FORMATS = frozenset({"NV21", "NV12", "YUV420", "YVU420", "YVYU", "YUYV", "UYVY", "VYUY"})
RGB_FORMATS = frozenset({"BGR888", "RGB888", "XBGR8888", "XRGB8888", "RGB161616", "BGR161616"})
STREAM_KEYS = ("format", "size", "stride", "preserve_ar")
_STRIDE_ALIGNMENT = 64  # the Pi 5's for YUV420; usual widths are often no multiple of it
_PADDING = 0xA5  # not image data, so that a test notices a stride that was ignored
_NEUTRAL_CHROMA = 128


class FakeWorld:
    """The cameras that are plugged in, shared by every `FakePicamera2` of a test.

    `image(number)` returns the uint8 (height, width) image of a frame, of any size. Clear `flowing` to stall the
    camera; set `vanished` to pull the cable. `cameras_opened` lists the cameras in the order of opening. `only_format`:
    the format to which libcamera changes every stream, as it does for cameras that have one format. `usb_cameras`: how
    many more of them libcamera lists.
    """

    def __init__(
        self,
        image: Callable[[int], Image],
        *,
        cameras: int = 1,
        frame_seconds: float = 0.0,
        only_format: str | None = None,
        usb_cameras: int = 0,
    ) -> None:
        self.image = image
        self.usb_cameras = usb_cameras
        self.cameras = cameras
        self.frame_seconds = frame_seconds
        self.only_format = only_format
        self.flowing = threading.Event()
        self.flowing.set()
        self.vanished = False
        self.frames = 0
        self.cameras_opened: list[FakePicamera2] = []
        self.in_use: set[int] = set()

    def driver(self, camera_num: int = 0) -> "FakePicamera2":
        """Open a camera of this world, as `Picamera2(camera_num)` does."""
        FakePicamera2.world = self
        return FakePicamera2(camera_num)


class FakeRequest:
    """A completed frame, which holds a buffer until `release`."""

    def __init__(self, camera: "FakePicamera2", luma: Image) -> None:
        self._camera = camera
        self._luma = luma
        self._held = True

    def make_array(self, name: str) -> Image:
        """Copy a stream's image: uint8 (height * 3 / 2, stride), of NV12 without the stride's padding."""
        if not self._held:
            message = "make_array() on a request that was released"
            raise RuntimeError(message)
        config = self._camera.stream_config_or_none(name)
        if config is None:
            message = f"Stream {name!r} is not defined"
            raise RuntimeError(message)
        width, height = cast("tuple[int, int]", config["size"])
        planes = np.full((height * 3 // 2, cast("int", config["stride"])), _PADDING, np.uint8)
        planes[:height, :width] = cv2.resize(self._luma, (width, height), interpolation=cv2.INTER_AREA)
        planes[height:] = _NEUTRAL_CHROMA
        # The real class does the same: for NV12 it cuts the padding off.
        return planes[:, :width].copy() if config["format"] == "NV12" else planes

    def release(self) -> None:
        """Return the buffer to the camera, once."""
        if not self._held:
            message = "CompletedRequest: lock now has negative ref_count"
            raise RuntimeError(message)
        self._held = False
        self._camera.buffers_out -= 1


class FakePicamera2:
    """Stands for `picamera2.Picamera2`."""

    world: ClassVar[FakeWorld]

    def __init__(
        self, camera_num: int = 0, verbose_console: None = None, tuning: None = None, allocator: None = None
    ) -> None:
        del verbose_console, tuning, allocator
        world = self._world = FakePicamera2.world
        self._is_open = False
        if world.vanished or camera_num >= world.cameras:
            message = (
                f'No camera number {camera_num} found - use "rpicam-hello --list-cameras" to check connected cameras'
            )
            raise RuntimeError(message)
        if camera_num in world.in_use:
            message = "Camera __init__ sequence did not complete."
            cause = "Failed to acquire camera: Device or resource busy"
            raise RuntimeError(message) from RuntimeError(cause)
        world.in_use.add(camera_num)
        world.cameras_opened.append(self)
        self._camera_num = camera_num
        self._is_open = True
        self.camera_config: dict[str, object] = {}
        self._started = False
        self._jobs_left_behind = 0
        self.buffers_out = 0

    @staticmethod
    def global_camera_info() -> list[dict[str, object]]:
        """Describe every camera, those on USB last; `Num` is libcamera's number, not that of `Picamera2(number)`."""
        world = FakePicamera2.world
        ids = [f"/base/soc/i2c0mux/i2c@{number}/imx708@1a" for number in range(world.cameras)]
        usb = [f"/base/scb/pcie@7d500000/usb@0,0-1:1.{number}-046d:0825" for number in range(world.usb_cameras)]
        described = [{"Model": "imx708", "Location": 2, "Rotation": 180, "Id": each, "Num": 0} for each in ids]
        described += [{"Model": "C270 Webcam", "Location": 2, "Id": each, "Num": 0} for each in usb]
        numbered = [{**each, "Num": number} for number, each in enumerate(reversed(described))]
        return sorted(numbered, key=lambda each: ("/usb" not in str(each["Id"]), each["Id"]), reverse=True)

    @property
    def camera_controls(self) -> dict[str, tuple[object, object, object]]:
        """Controls that the camera has: name to (minimum, maximum, default)."""
        return {"FrameDurationLimits": (33_333, 120_000, 33_333), "ExposureTime": (1, 66_666, 20_000)}

    def create_preview_configuration(
        self,
        main: Mapping[str, object] | None = None,
        lores: Mapping[str, object] | None = None,
        raw: Mapping[str, object] | None = None,
        transform: object = None,
        colour_space: object = None,
        buffer_count: int = 4,
        controls: Mapping[str, object] | None = None,
        display: str | None = "main",
        encode: str | None = "main",
        queue: bool = True,  # noqa: FBT001, FBT002 - as in the real class
        sensor: Mapping[str, object] | None = None,
        use_case: str = "preview",
    ) -> dict[str, object]:
        """Make a configuration, with the real defaults."""
        del raw, transform, colour_space, sensor, use_case
        self._must_be_open("Camera not opened")
        streams = {
            "main": _stream({"format": "XBGR8888", "size": (640, 480)}, main or {}),
            "lores": None if lores is None else _stream({"format": "YUV420", "size": (640, 480)}, lores),
        }
        for role, stream in (("Display", display), ("Encode", encode)):
            if stream is not None and streams.get(stream) is None:
                message = f"{role} stream {stream} was not defined"
                raise RuntimeError(message)
        own = {"buffer_count": buffer_count, "controls": dict(controls or {}), "queue": queue}
        return {**streams, **own, "display": display, "encode": encode}

    def configure(self, camera_config: dict[str, object] | None = None) -> None:
        """Apply a configuration; adds `stride` and `framesize` to each stream, as libcamera does."""
        self._must_be_open("Camera not opened")
        if self._started:
            message = "Camera must be stopped before configuring"
            raise RuntimeError(message)
        self.camera_config = {}
        config = dict(camera_config if camera_config is not None else self.create_preview_configuration())
        main = _checked(cast("StreamConfig", config["main"]), "main")
        if config["lores"] is not None:
            lores = _checked(cast("StreamConfig", config["lores"]), "lores")
            inside = zip(cast("tuple[int, int]", lores["size"]), cast("tuple[int, int]", main["size"]), strict=True)
            if any(small > large for small, large in inside):
                message = "lores stream dimensions may not exceed main stream"
                raise RuntimeError(message)
            if lores["format"] not in YUV_FORMATS:
                message = "lores stream must be YUV"
                raise RuntimeError(message)
            config["lores"] = self._adjusted(lores)
        for name in cast("dict[str, object]", config["controls"]):
            if name not in self.camera_controls:
                message = f"Control {name} is not advertised by libcamera"
                raise RuntimeError(message)
        self.camera_config = {**config, "main": self._adjusted(main)}

    def stream_configuration(self, name: str = "main") -> dict[str, object]:
        """Return what was configured for a stream."""
        return cast("StreamConfig", self.camera_config[name])

    def start(self, config: dict[str, object] | None = None, show_preview: bool | None = False) -> None:  # noqa: FBT001, FBT002 - as in the real class
        """Start to capture frames."""
        del show_preview
        self._must_be_open("Camera not opened")
        if config is not None or not self.camera_config:
            self.configure(config)
        self._started = True

    def capture_request(
        self, wait: float | None = None, signal_function: None = None, flush: None = None
    ) -> FakeRequest:
        """Wait for a frame without a limit, or for `wait` seconds and then raise TimeoutError."""
        del signal_function, flush
        self._must_be_open("Camera not opened")
        if not self._started:
            # The real class would wait for ever: no event loop runs the job.
            message = "capture_request() before start()"
            raise RuntimeError(message)
        if self.buffers_out >= cast("int", self.camera_config["buffer_count"]):
            message = "no buffer left: requests were not released"
            raise RuntimeError(message)
        world = self._world
        if world.vanished or not world.flowing.wait(wait):
            self._jobs_left_behind += 1
            raise TimeoutError
        time.sleep(world.frame_seconds)
        self.buffers_out += 1
        image = world.image(world.frames)
        world.frames += 1
        return FakeRequest(self, image)

    def cancel_all_and_flush(self) -> None:
        """Cancel captures that timed out."""
        self._jobs_left_behind = 0

    def stop(self) -> None:
        """Stop capturing; allowed when stopped."""
        self._started = False

    def close(self) -> None:
        """Release the camera; allowed when closed."""
        if not self._is_open:
            return
        if self._jobs_left_behind:
            message = "close() behind captures that timed out would hang: cancel_all_and_flush() comes first"
            raise RuntimeError(message)
        self.stop()
        self._is_open = False
        self.camera_config = {}
        self._world.in_use.discard(self._camera_num)

    def stream_config_or_none(self, name: str) -> StreamConfig | None:
        """Return the configuration of a stream, for `FakeRequest`."""
        return cast("StreamConfig | None", self.camera_config.get(name)) if name in ("main", "lores") else None

    def _adjusted(self, stream: StreamConfig) -> StreamConfig:
        return stream if self._world.only_format is None else {**stream, "format": self._world.only_format}

    def _must_be_open(self, message: str) -> None:
        if not self._is_open:
            raise RuntimeError(message)


def _stream(defaults: StreamConfig, updates: Mapping[str, object]) -> StreamConfig:
    for key in updates:
        if key not in STREAM_KEYS:
            message = f"Bad key {key!r}: valid stream configuration keys are {STREAM_KEYS}"
            raise ValueError(message)
    return {**defaults, **updates}


def _checked(stream: StreamConfig, name: str) -> StreamConfig:
    """Check one stream as the real class does, and add what libcamera computes."""
    form, size = stream["format"], stream["size"]
    if form not in YUV_FORMATS | RGB_FORMATS:
        message = f"Bad format {form} in stream {name}"
        raise RuntimeError(message)
    if not isinstance(size, tuple) or len(size) != 2:
        message = f"size in {name} stream should be (width, height)"
        raise RuntimeError(message)
    width, height = size
    if width % 2 or height % 2:
        message = "width and height should be even"
        raise RuntimeError(message)
    stride = -(-width // _STRIDE_ALIGNMENT) * _STRIDE_ALIGNMENT
    return {**stream, "stride": stride, "framesize": stride * height * 3 // 2}
