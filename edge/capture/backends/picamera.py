"""Cameras on the Pi's ribbon connector, through picamera2. The only file that imports picamera2."""

import importlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.capture.source import LiveClock, SourceOptions, make_frame
from edge.errors import SourceError, SourceLostError
from edge.system import board
from edge.types import Frame

STREAM = "lores"
FORMAT = "YUV420"
FALLBACK_FORMAT = "NV12"
"""Format of cameras that have no other, such as libcamera's virtual one. Luma is the first plane of both formats."""

_BUFFER_COUNT = 4
"""Number of buffers: one is being exposed, one processed, one copied by this process, one in reserve."""

_USB_ID: Final = re.compile(r"/usb|-[0-9a-f]{4}:[0-9a-f]{4}$")
"""Ids that libcamera gives to USB cameras: they end with the numbers of vendor and product (libcamera's uvcvideo.cpp).
They are V4L2 cameras for the sensor: for them its own way costs less."""


@dataclass(frozen=True, slots=True)
class RibbonCamera:
    """A camera on the ribbon connector: its number for `picamera:`, its sensor, and that sensor's sizes in pixels."""

    number: int
    model: str
    sizes: tuple[tuple[int, int], ...] = ()

    @property
    def uri(self) -> str:
        """The camera as `source.uri` names it."""
        return f"picamera:{self.number}"


class CompletedRequest(Protocol):
    """The part of picamera2's class of this name that is used here."""

    def make_array(self, name: str) -> NDArray[np.uint8]:
        """Copy a stream's image: uint8, for YUV420 (height * 3 / 2, stride), for NV12 (height * 3 / 2, width)."""

    def release(self) -> None:
        """Return the buffer to the camera."""


class Camera(Protocol):
    """The part of picamera2's `Picamera2` that is used here."""

    @property
    def camera_controls(self) -> dict[str, tuple[object, object, object]]:
        """Controls that the camera has: name to (minimum, maximum, default)."""

    def create_preview_configuration(  # noqa: PLR0913 - picamera2's arguments
        self,
        *,
        main: dict[str, object],
        lores: dict[str, object],
        controls: dict[str, object],
        buffer_count: int,
        display: None,
        encode: None,
    ) -> dict[str, object]:
        """Make a configuration; full-range luma (colour space sYCC) is its default."""

    def configure(self, camera_config: dict[str, object]) -> None:
        """Apply a configuration."""

    def stream_configuration(self, name: str) -> dict[str, object]:
        """Return what was configured for a stream: format, size, stride."""

    def start(self) -> None:
        """Start to capture frames."""

    def capture_request(self, *, wait: float) -> CompletedRequest:
        """Wait `wait` seconds for a frame; raises `TimeoutError` (`concurrent.futures.TimeoutError` is the same)."""

    def cancel_all_and_flush(self) -> None:
        """Cancel captures that timed out."""

    def close(self) -> None:
        """Stop and release the camera."""


def load_driver(in_container: Callable[[], bool] = board.in_container) -> Callable[[int], Camera]:
    """Import picamera2 and return its class `Picamera2`.

    Raises `SourceError`, which names the command that installs it; in a container, where ribbon cameras do not work,
    it says so.
    """
    try:
        driver = importlib.import_module("picamera2").Picamera2
    except (ImportError, OSError, ValueError, AttributeError) as error:
        # ValueError: picamera2 was built against another numpy ("numpy.dtype size changed").
        message = (
            f"picamera2 cannot be used here ({str(error).splitlines()[0]}): it needs `sudo apt install"
            " python3-picamera2` and a virtual environment made with --system-site-packages"
        )
        if in_container():
            message = (
                "cameras on the ribbon connector (picamera:) do not work in a container, which has no picamera2: "
                "install the Debian package on the system itself, or use a USB or network camera"
            )
        raise SourceError(message) from error
    if not hasattr(driver, "cancel_all_and_flush"):
        message = "picamera2 is too old here: it must be 0.3.22 or later, from `sudo apt full-upgrade`"
        raise SourceError(message)
    return cast("Callable[[int], Camera]", driver)


def ribbon_cameras(load: Callable[[], Any] = load_driver, *, details: bool = False) -> list[RibbonCamera]:
    """Return the ribbon cameras in the order of their numbers, without opening any.

    `details`: with the sizes of their sensors. Raises `SourceError` where picamera2 cannot be used.
    """
    driver = load()
    try:
        # picamera2 counts cameras by their place in this list; it sorts USB cameras behind all others.
        found = [(number, each) for number, each in enumerate(driver.global_camera_info())]
    except Exception as error:
        message = f"picamera2 cannot list the cameras ({_reason(error)})"
        raise SourceError(message) from error
    return [
        RibbonCamera(number, str(each.get("Model", "")), _sensor_sizes(str(each.get("Id", ""))) if details else ())
        for number, each in found
        if not _USB_ID.search(str(each.get("Id", "")))
    ]


def _sensor_sizes(identifier: str) -> tuple[tuple[int, int], ...]:
    """Return the sizes that a sensor reads out, the smallest first; none where libcamera does not tell."""
    try:
        libcamera = importlib.import_module("libcamera")
        (found,) = (each for each in libcamera.CameraManager.singleton().cameras if each.id == identifier)
        formats = found.generate_configuration([libcamera.StreamRole.Raw]).at(0).formats
        sizes: Sequence[Any] = [size for each in formats.pixel_formats for size in formats.sizes(each)]
        return tuple(sorted({(int(size.width), int(size.height)) for size in sizes}))
    except Exception:  # noqa: BLE001 - a camera without raw frames; its sizes are no more than a hint to people
        return ()


class PicameraSource:
    """Camera `number` in the order of `rpicam-hello --list-cameras`; live.

    The Pi's image processor delivers a small YUV420 stream. Its first plane is the luma, so that luma costs only the
    copy. `load` returns the camera class.
    """

    live = True

    def __init__(
        self,
        uri: str,
        number: int,
        options: SourceOptions,
        load: Callable[[], Callable[[int], Camera]] = load_driver,
    ) -> None:
        self.uri = uri
        self._camera_number = number
        self._options = options
        self._load = load
        self._camera: Camera | None = None
        self._size = (0, 0)
        self._to_bgr = i420_to_bgr
        self._number = 0
        self._clock = LiveClock()

    def open(self) -> None:
        """Find, configure and start the camera."""
        driver = self._load()
        try:
            camera = driver(self._camera_number)
        except (RuntimeError, IndexError) as error:
            message = (
                f"The camera {self.uri} cannot be opened ({_reason(error)}): it must be one that"
                " `rpicam-hello --list-cameras` shows and that no other program uses"
            )
            raise SourceError(message) from error
        try:
            self._configure(camera)
            camera.start()
        except (RuntimeError, ValueError, OSError) as error:
            camera.close()
            message = (
                f"The camera {self.uri} cannot run at {self._options.config.width}x{self._options.config.height},"
                f" {self._options.config.fps:g} fps ({_reason(error)})"
            )
            raise SourceError(message) from error
        except BaseException:
            camera.close()
            raise
        self._camera = camera

    def read(self) -> Frame | None:
        """Wait for the next frame; raises `SourceLostError` where none comes in time."""
        camera = self._camera
        if camera is None:
            message = "read() of a camera that is not open"
            raise RuntimeError(message)
        timeout_seconds = self._options.read_timeout_seconds
        try:
            request = camera.capture_request(wait=timeout_seconds)
        except TimeoutError as error:
            message = f"The camera {self.uri} gave no frame for {timeout_seconds:.1f} s"
            raise SourceLostError(message) from error
        except (RuntimeError, OSError) as error:
            message = f"The camera {self.uri} was lost ({_reason(error)})"
            raise SourceLostError(message) from error
        try:
            planes = request.make_array(STREAM)
        except RuntimeError as error:  # an old picamera2 knows fewer formats
            message = f"The camera {self.uri} gives frames that picamera2 cannot convert ({_reason(error)})"
            raise SourceLostError(message) from error
        finally:
            request.release()
        seconds = self._clock.seconds()
        width, height = self._size
        to_bgr, luma = self._to_bgr, planes[:height, :width]
        frame = make_frame(self._number, seconds, luma, self._options, lambda: to_bgr(planes, width, height))
        self._number += 1
        return frame

    def close(self) -> None:
        """Stop and release the camera, also where it has stalled."""
        camera, self._camera = self._camera, None
        if camera is None:
            return
        # A capture that timed out is still queued, and close() would wait for it.
        camera.cancel_all_and_flush()
        camera.close()

    def _configure(self, camera: Camera) -> None:
        # YUV420 needs even sizes, because its colour planes have half the width and height.
        source = self._options.config
        size = (source.width // 2 * 2, source.height // 2 * 2)
        controls: dict[str, object] = {}
        if source.fps and "FrameDurationLimits" in camera.camera_controls:  # absent on USB cameras
            duration_us = round(1e6 / source.fps)
            controls["FrameDurationLimits"] = (duration_us, duration_us)
        configuration = camera.create_preview_configuration(
            # The main stream is mandatory; in this format it costs least.
            main={"size": size, "format": FORMAT},
            lores={"size": size, "format": FORMAT},
            controls=controls,
            buffer_count=_BUFFER_COUNT,
            display=None,
            encode=None,
        )
        camera.configure(configuration)
        given = camera.stream_configuration(STREAM)
        if given["format"] not in (FORMAT, FALLBACK_FORMAT):
            message = f"it gives {given['format']}, but neither {FORMAT} nor {FALLBACK_FORMAT}"
            raise ValueError(message)
        self._to_bgr = i420_to_bgr if given["format"] == FORMAT else nv12_to_bgr
        self._size = cast("tuple[int, int]", given["size"])  # the camera may have adjusted it


def i420_to_bgr(planes: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Convert YUV420 planes, uint8 (height * 3 / 2, stride) with padded rows, to BGR, uint8 (height, width, 3)."""
    stride = planes.shape[1]
    # The rows of the colour planes are half as long and padded likewise.
    chroma = planes[height:].reshape(2, height // 2, stride // 2)[:, :, : width // 2]
    packed = np.concatenate([planes[:height, :width].reshape(-1), chroma.reshape(-1)])
    bgr = cv2.cvtColor(packed.reshape(height * 3 // 2, width), cv2.COLOR_YUV2BGR_I420)
    return np.asarray(bgr, np.uint8)


def nv12_to_bgr(planes: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Convert NV12 planes, uint8 (height * 3 / 2, width or more), to BGR, uint8 (height, width, 3).

    The second plane alternates U and V.
    """
    packed = np.ascontiguousarray(planes[: height * 3 // 2, :width])
    return np.asarray(cv2.cvtColor(packed, cv2.COLOR_YUV2BGR_NV12), np.uint8)


def _reason(error: BaseException) -> str:
    """Return the innermost cause in one line: picamera2 wraps it in general messages."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error) or type(error).__name__).splitlines()[0]
