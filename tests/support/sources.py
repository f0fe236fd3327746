"""Sources to test with: small files made on the spot, a camera made of events, a stand-in for OpenCV's."""

import queue
import threading
import time
from pathlib import Path

import cv2
import numpy as np

from edge.capture.scripted.script import EMOTIONS
from edge.errors import SourceLostError
from edge.pacing import Backoff
from edge.types import Frame

WIDTH, HEIGHT = 96, 64


def numbered_picture(number, width=WIDTH, height=HEIGHT):
    """Return a grey picture whose left half gets brighter with its number, and whose right half is a ramp."""
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
    """Write a strip of composites that are nobody's: seven different patterns."""
    y, x = np.mgrid[0:48, 0:48]
    faces = [28 + 200 * ((x * (k + 2) // 48 + y * (k + 3) // 48) % 2) for k in range(len(EMOTIONS))]
    assert cv2.imwrite(str(path), np.hstack(faces).astype(np.uint8))
    return path


class CameraByHand:
    """A live source that does what the test tells it: frames, silence, loss, hanging."""

    live = True
    uri = "by-hand:"

    def __init__(self, *, live=True, open_error=None):
        self.live = live
        self.open_error = open_error
        self.orders = queue.Queue()
        self.opened = threading.Event()
        self.closed = threading.Event()
        self.reading = threading.Event()
        self.number = 0

    def give(self, seconds=None):
        """Let read() give its next frame."""
        self.orders.put(("frame", self.number if seconds is None else seconds))
        self.number += 1

    def lose(self):
        """Let read() find the camera gone."""
        self.orders.put(("lost", None))

    def end(self):
        """Let read() find the end."""
        self.orders.put(("end", None))

    def crash(self):
        """Let read() raise what nobody expected."""
        self.orders.put(("crash", None))

    def open(self):
        """Open, or fail as told."""
        if self.open_error is not None:
            raise self.open_error
        self.opened.set()

    def read(self):
        """Wait for the test's next order."""
        self.reading.set()
        order, value = self.orders.get()
        if order == "frame":
            now = time.monotonic()
            return Frame(0, value, np.full((4, 4), value % 256, np.uint8), now, time.time())
        if order == "lost":
            message = "the cable was pulled"
            raise SourceLostError(message)
        if order == "crash":
            message = "a bug"
            raise ZeroDivisionError(message)
        return None

    def close(self):
        """Close."""
        self.closed.set()


class FakeVideoCapture:
    """Stands for cv2.VideoCapture on a V4L2 device that has some formats and gives some buffers."""

    formats = ("YUYV", "MJPG")
    opens = True
    size = (WIDTH, HEIGHT)

    def __init__(self, device, backend):
        self.device, self.backend = device, backend
        self.fourcc = self.formats[0] if self.formats else "RGB3"
        self.properties = {cv2.CAP_PROP_CONVERT_RGB: 1.0}
        self.number = 0
        self.gone = False

    def isOpened(self):  # noqa: N802 - OpenCV's name
        """Whether the device could be opened."""
        return self.opens

    def set(self, prop, value):
        """Take a property, or refuse a format that the device lacks."""
        if prop == cv2.CAP_PROP_FOURCC:
            asked = int(value).to_bytes(4, "little").decode()
            if asked not in self.formats:
                return False
            self.fourcc = asked
        self.properties[prop] = value
        return True

    def get(self, prop):
        """Tell a property; the size is the device's own."""
        if prop == cv2.CAP_PROP_FOURCC:
            return float(int.from_bytes(self.fourcc.encode(), "little"))
        if prop in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT):
            return float(self.size[prop == cv2.CAP_PROP_FRAME_HEIGHT])
        return self.properties.get(prop, 0.0)

    def read(self):
        """Give a buffer in the format that was chosen."""
        if self.gone:
            return False, None
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


LONG_SECONDS = 20.0
"""Bound of a wait that ends by itself; only a failing test waits that long."""


def until(condition, seconds=LONG_SECONDS):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


class FixedBackoff(Backoff):
    """Waits of one length; `attempts` lists the number of each since the last attempt that was stable."""

    def __init__(self, seconds=0.0, *, stable_seconds=LONG_SECONDS):
        super().__init__(seconds, seconds, stable_seconds=stable_seconds)
        self.seconds = seconds
        self.stable_seconds = stable_seconds
        self.attempts = []
        self.number = 0

    def next_seconds(self):
        self.attempts.append(self.number)
        self.number += 1
        return self.seconds

    def attempt_ended(self, lasted_seconds):
        if lasted_seconds >= self.stable_seconds:
            self.number = 0
