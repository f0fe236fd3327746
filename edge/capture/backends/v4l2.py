"""USB and other V4L2 cameras, through OpenCV."""

import stat
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.capture.source import LiveClock, SourceOptions, frame_from_bgr, make_frame
from edge.errors import SourceError, SourceLostError
from edge.logs.native import silence_opencv
from edge.types import Frame, Luma

_PLANAR_FORMATS = frozenset({"GREY", "NV12", "NV21", "YU12", "YV12"})  # the luma plane comes first
_PACKED_LUMA_OFFSET = {"YUYV": 0, "YVYU": 0, "UYVY": 1, "VYUY": 1}  # two bytes per pixel, one of them luma
_JPEG_FORMATS = frozenset({"MJPG", "JPEG"})
_TO_BGR = {
    "YUYV": cv2.COLOR_YUV2BGR_YUYV,
    "YVYU": cv2.COLOR_YUV2BGR_YVYU,
    "UYVY": cv2.COLOR_YUV2BGR_UYVY,
    "NV12": cv2.COLOR_YUV2BGR_NV12,
    "NV21": cv2.COLOR_YUV2BGR_NV21,
    "YU12": cv2.COLOR_YUV2BGR_I420,
    "YV12": cv2.COLOR_YUV2BGR_YV12,
}
"""OpenCV converts no VYUY."""

_UNCOMPRESSED_MAX_PIXELS = 640 * 480
"""Largest uncompressed frame that USB 2 carries at full rate; with larger ones a camera drops to a few per second."""
_MAX_BROKEN_FRAMES = 30
"""Broken frames in a row, about one second, after which the camera counts as lost; a single one is normal on USB."""


def extract_luma(fourcc: str, raw: NDArray[np.uint8], width: int, height: int) -> Luma | None:
    """Extract the luma from a raw V4L2 buffer.

    `raw`: the buffer as uint8 of any shape, rows without padding; bytes after the image are ignored.
    Returns uint8 (height, width); None where the buffer is too short or not a JPEG, as a frame that was cut off on the
    bus is. Raises `ValueError` for an unsupported format. The values are the camera's own: most use 16 to 235 in YUV
    formats and 0 to 255 in JPEG.
    """
    flat = raw.reshape(-1)
    size = width * height
    if fourcc in _PLANAR_FORMATS:
        return flat[:size].reshape(height, width).copy() if flat.size >= size else None
    if fourcc in _PACKED_LUMA_OFFSET:
        if flat.size < 2 * size:
            return None
        return np.ascontiguousarray(flat[: 2 * size].reshape(height, width, 2)[:, :, _PACKED_LUMA_OFFSET[fourcc]])
    if fourcc in _JPEG_FORMATS:
        if flat.size == 0:
            return None
        image = cv2.imdecode(flat, cv2.IMREAD_GRAYSCALE)
        return None if image is None or image.shape != (height, width) else np.asarray(image, np.uint8)
    message = f"the luma of the pixel format {fourcc} cannot be extracted"
    raise ValueError(message)


def extract_bgr(fourcc: str, raw: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8] | None:
    """Convert a raw V4L2 buffer to colour: BGR, uint8 (height, width, 3).

    `raw`: as for `extract_luma`, from which the luma was extracted. Returns None where it has no colour, or is cut off.
    """
    flat = raw.reshape(-1)
    if fourcc in _JPEG_FORMATS:
        image = cv2.imdecode(flat, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        return None if image is None else np.asarray(image, np.uint8)
    code = _TO_BGR.get(fourcc)
    rows, channels = (height, 2) if fourcc in _PACKED_LUMA_OFFSET else (height * 3 // 2, 1)
    size = rows * width * channels
    if code is None or flat.size < size:
        return None
    shape = (rows, width, channels) if channels > 1 else (rows, width)
    return np.asarray(cv2.cvtColor(flat[:size].reshape(shape), code), np.uint8)


def fourcc_name(code: float) -> str:
    """Return the name of a pixel format from the number that OpenCV gives: 1448695129.0 is "YUYV"."""
    number = int(code) & 0xFFFFFFFF
    return number.to_bytes(4, "little").decode("latin-1")


class V4l2Source:
    """A V4L2 camera; live.

    `device`: its path, such as /dev/video0, or a function that finds it at the opening and raises `SourceError`. Luma
    is extracted straight from the buffer where the camera has a format that allows it, unless colour is requested.
    `open_capture` opens the device. `why_no_camera` returns why a device that cannot be opened is no camera, as a
    clause, or None.
    """

    live = True

    def __init__(
        self,
        uri: str,
        device: str | Callable[[], Path],
        options: SourceOptions,
        open_capture: Callable[[str, int], cv2.VideoCapture] = cv2.VideoCapture,
        why_no_camera: Callable[[Path], str | None] = lambda _: None,
    ) -> None:
        self.uri = uri
        self._find = device if callable(device) else lambda: Path(device)
        self._device = Path(uri)
        self._why_no_camera = why_no_camera
        self._options = options
        self._open_capture = open_capture
        self._capture: cv2.VideoCapture | None = None
        self._raw_fourcc: str | None = None
        self._number = 0
        self._clock = LiveClock()

    def open(self) -> None:
        """Open the device and choose its pixel format."""
        silence_opencv()
        self._device = self._find()
        self._check_device()
        capture = self._open_capture(str(self._device), cv2.CAP_V4L2)
        if not capture.isOpened():
            capture.release()
            reason = self._why_no_camera(self._device)
            if reason is None:
                reason = "must be a video capture device that no other program uses, and the user must be in the group "
                reason += '"video"'
            message = f"The camera {self._device} cannot be opened: it {reason}"
            raise SourceError(message)
        self._raw_fourcc = self._choose_format(capture)
        self._capture = capture

    def read(self) -> Frame | None:
        """Wait for the next frame; raises `SourceLostError` where the camera gives none."""
        if self._capture is None:
            message = "read() of a camera that is not open"
            raise RuntimeError(message)
        for _ in range(_MAX_BROKEN_FRAMES):
            decoded, image = self._capture.read()
            if not decoded or image is None:
                message = f"The camera {self._device} gives no frame any more"
                raise SourceLostError(message)
            frame = self._frame(np.asarray(image, np.uint8))
            if frame is not None:
                self._number += 1
                return frame
        message = f"The camera {self._device} gives only broken frames"
        raise SourceLostError(message)

    def close(self) -> None:
        """Release the device."""
        if self._capture is not None:
            self._capture.release()
        self._capture = None

    def _check_device(self) -> None:
        try:
            is_device = stat.S_ISCHR(self._device.stat().st_mode)
        except OSError as error:
            present = sorted(str(path) for path in Path("/dev").glob("video[0-9]*"))
            message = f"There is no camera at {self._device}: this machine has {', '.join(present) or 'none'}"
            raise SourceError(message) from error
        if not is_device:
            message = f"{self._device} is not a camera: it must be a device such as /dev/video0"
            raise SourceError(message)

    def _choose_format(self, capture: cv2.VideoCapture) -> str | None:
        """Request format, size and rate; returns the raw format, or None where OpenCV converts to BGR."""
        source = self._options.config
        small = source.width * source.height <= _UNCOMPRESSED_MAX_PIXELS
        wanted = ("GREY", "YUYV", "NV12", "YU12", "MJPG") if small else ("MJPG", "NV12", "YU12", "YUYV", "GREY")
        for fourcc in wanted:
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*fourcc))
            if fourcc_name(capture.get(cv2.CAP_PROP_FOURCC)) == fourcc:
                break
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, source.width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, source.height)
        if source.fps:
            capture.set(cv2.CAP_PROP_FPS, source.fps)
        given = fourcc_name(capture.get(cv2.CAP_PROP_FOURCC))
        known = given in _PLANAR_FORMATS or given in _PACKED_LUMA_OFFSET or given in _JPEG_FORMATS
        if self._options.colour or not known or not capture.set(cv2.CAP_PROP_CONVERT_RGB, 0):
            return None
        return given

    def _frame(self, image: NDArray[np.uint8]) -> Frame | None:
        seconds = self._clock.seconds()
        if self._raw_fourcc is None:
            return frame_from_bgr(self._number, seconds, image, self._options)
        assert self._capture is not None  # noqa: S101 - for the type checker; read() checked it
        width = int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        height = int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        luma = extract_luma(self._raw_fourcc, image, width, height)
        if luma is None:
            return None
        fourcc = self._raw_fourcc
        decode = None if fourcc == "GREY" else lambda: extract_bgr(fourcc, image, width, height)
        return make_frame(self._number, seconds, luma, self._options, decode)
