"""Sources for tests: small files, a camera that the test controls, and a stand-in for OpenCV's V4L2 capture."""

import queue
import threading
import time
from pathlib import Path

import cv2
import numpy as np

from edge.capture.open import create_source
from edge.capture.scripted.script import EMOTIONS
from edge.capture.source import SourceOptions
from edge.errors import SourceLostError
from edge.pacing import Backoff
from edge.types import Frame

WIDTH, HEIGHT = 96, 64


def numbered_picture(number, width=WIDTH, height=HEIGHT):
    """Return a grey uint8 image: the left half gets brighter with the number, the right half is a ramp."""
    picture = np.tile(np.linspace(40, 200, width).astype(np.uint8), (height, 1))
    picture[:, : width // 2] = 20 + number * 10 % 220
    return picture


def write_video(path: Path, frames=10, fps=10.0, codec="MJPG"):
    """Write an .avi of numbered pictures."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), fps, (WIDTH, HEIGHT))
    assert writer.isOpened()
    for number in range(frames):
        writer.write(cv2.cvtColor(numbered_picture(number), cv2.COLOR_GRAY2BGR))
    writer.release()
    return path


def write_images(folder: Path, names=("f1.png", "f2.png", "f10.png")):
    """Write numbered pictures under these names."""
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        assert cv2.imwrite(str(folder / name), numbered_picture(number))
    return folder


def write_strip(path: Path):
    """Write a strip of seven different patterns in place of the actor's faces, which shows no person."""
    y, x = np.mgrid[0:48, 0:48]
    faces = [28 + 200 * ((x * (k + 2) // 48 + y * (k + 3) // 48) % 2) for k in range(len(EMOTIONS))]
    assert cv2.imwrite(str(path), np.hstack(faces).astype(np.uint8))
    return path


class ManualCamera:
    """A source that does what the test orders: gives a frame, blocks, is lost, ends, raises.

    `read` blocks until there is an order. With `open_gate` opening blocks until that event is set.
    """

    uri = "manual:"

    def __init__(self, *, live=True, open_error=None, open_gate=None):
        self.live = live
        self.open_error = open_error
        self.open_gate = open_gate
        self.orders = queue.Queue()
        self.opened = threading.Event()
        self.closed = threading.Event()
        self.reading = threading.Event()
        self.number = 0

    def give(self, seconds=None):
        """Let `read` return the next frame."""
        self.orders.put(self.number if seconds is None else seconds)
        self.number += 1

    def end(self):
        """Let `read` return None, the end of the source."""
        self.orders.put(None)

    def fail(self, error):
        """Let `read` raise an error."""
        self.orders.put(error)

    def lose(self):
        """Let `read` raise `SourceLostError`."""
        self.fail(SourceLostError("the cable was pulled"))

    def crash(self):
        """Let `read` raise an unexpected exception."""
        self.fail(ZeroDivisionError("a bug"))

    def open(self):
        """Open, or raise `open_error`."""
        if self.open_error is not None:
            raise self.open_error
        if self.open_gate is not None:
            self.open_gate.wait(LONG_SECONDS)
        self.opened.set()

    def read(self):
        """Wait for the next order and carry it out."""
        self.reading.set()
        order = self.orders.get()
        if order is None:
            return None
        if isinstance(order, Exception):
            raise order
        return Frame(0, order, np.full((4, 4), order % 256, np.uint8), time.monotonic(), time.time())

    def close(self):
        """Close."""
        self.closed.set()


class FakeVideoCapture:
    """Stands for cv2.VideoCapture on a V4L2 device."""

    size = (WIDTH, HEIGHT)

    def __init__(self, driver, backend):
        self.driver, self.backend = driver, backend
        self.fourcc = driver.formats[0] if driver.formats else "RGB3"
        self.properties = {cv2.CAP_PROP_CONVERT_RGB: 1.0}
        self.number = 0
        self.gone = False

    def isOpened(self):  # noqa: N802 - OpenCV's name
        """Return whether the device could be opened."""
        return self.driver.opens

    def set(self, prop, value):
        """Set a property; refuses a format that the device lacks."""
        if prop == cv2.CAP_PROP_FOURCC:
            fourcc = int(value).to_bytes(4, "little").decode()
            if fourcc not in self.driver.formats:
                return False
            self.fourcc = fourcc
        self.properties[prop] = value
        return True

    def get(self, prop):
        """Return a property; the size is the device's own."""
        if prop == cv2.CAP_PROP_FOURCC:
            return float(int.from_bytes(self.fourcc.encode(), "little"))
        if prop in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT):
            return float(self.size[prop == cv2.CAP_PROP_FRAME_HEIGHT])
        return self.properties.get(prop, 0.0)

    def read(self):
        """Return a buffer in the chosen format; before those the driver's broken buffers."""
        if self.gone:
            return False, None
        broken = next(self.driver.broken_buffers, None)
        if broken is not None:
            return True, broken
        luma = numbered_picture(self.number, *self.size)
        self.number += 1
        if self.properties[cv2.CAP_PROP_CONVERT_RGB]:
            return True, cv2.cvtColor(luma, cv2.COLOR_GRAY2BGR)
        if self.fourcc == "MJPG":
            return True, cv2.imencode(".jpg", luma)[1].reshape(1, -1)
        return True, np.dstack([luma, np.full_like(luma, 128)])

    def release(self):
        """Close."""
        self.gone = True


class FakeV4l2Driver:
    """A V4L2 device with some pixel formats. `open` stands for cv2.VideoCapture; `capture` is what it returned last."""

    def __init__(self, formats=("YUYV", "MJPG"), *, opens=True, broken_buffers=()):
        self.formats = formats
        self.opens = opens
        self.broken_buffers = iter(broken_buffers)
        self.capture = None

    def open(self, _device, backend):
        """Open the device."""
        self.capture = FakeVideoCapture(self, backend)
        return self.capture


LONG_SECONDS = 20.0
"""Limit of a wait that ends by itself; only a failing test waits that long."""


def until(condition, seconds=LONG_SECONDS):
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"the condition did not hold within {seconds:g} s"
        time.sleep(0.002)


class FixedBackoff(Backoff):
    """Waits of one length. `attempts` lists for each wait how many preceded it since the last stable attempt.

    With `gate` the wait is not handed out before that event is set.
    """

    def __init__(self, seconds=0.0, *, stable_seconds=LONG_SECONDS, gate=None):
        super().__init__(seconds, seconds, stable_seconds=stable_seconds)
        self.seconds = seconds
        self.stable_seconds = stable_seconds
        self.gate = gate
        self.attempts = []
        self.number = 0

    def next_seconds(self):
        """Return the one length."""
        self.attempts.append(self.number)
        self.number += 1
        if self.gate is not None:
            self.gate.wait(LONG_SECONDS)
        return self.seconds

    def attempt_ended(self, lasted_seconds):
        """Start to count anew after a stable attempt."""
        if lasted_seconds >= self.stable_seconds:
            self.number = 0


def read_first_frame(uri: str, options: SourceOptions) -> Frame:
    """Open a source, read one frame and close it."""
    source = create_source(uri, options)
    try:
        source.open()
        frame = source.read()
    finally:
        source.close()
    assert frame is not None
    return frame
