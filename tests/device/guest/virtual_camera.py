"""Runs `emotion-edge` with the real picamera2 on libcamera's virtual camera, which has no sensor behind it.

Runs in the emulated device, with the installed service's Python: virtual_camera.py PACKAGES ARGUMENT... It replaces
what picamera2 requires of a Pi and a virtual camera lacks. The code that produces, transfers and reads frames is real.
"""

import mmap
import sys
import time
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

DEBIAN_PACKAGES = "/usr/lib/python3/dist-packages"
"""Folder of python3-libcamera. Last in the path, so that the service's own packages come first."""

STREAM_SECONDS = 0.1
"""Delay of each of a frame's two streams: five frames a second."""

UNUSED_MODULES = ("pykms", "prctl", "pidng", "pidng.camdefs", "pidng.core")
"""Modules that picamera2 imports for previews on a screen, recordings with ffmpeg and raw images in files."""


class WholeBuffer:
    """Maps a frame's memory by its size, because the virtual camera does not report how many bytes it has used.

    The virtual camera fills buffers without the delay of an exposure, so each frame is delayed here.
    """

    def __init__(self, _allocator: object, buffer: Any, _write: object) -> None:
        self._planes = buffer.planes

    def __enter__(self) -> mmap.mmap:
        time.sleep(STREAM_SECONDS)
        self._mapped = mmap.mmap(self._planes[0].fd, sum(plane.length for plane in self._planes))
        return self._mapped

    def __exit__(self, *_: object) -> None:
        self._mapped.close()


def main(packages: str, arguments: list[str]) -> int:
    """Patch picamera2 and run the command."""
    sys.path += [packages, DEBIAN_PACKAGES]
    sys.modules.update((name, MagicMock()) for name in UNUSED_MODULES)

    import libcamera  # noqa: PLC0415 - importable only from here on
    import picamera2  # noqa: PLC0415
    from picamera2.allocators import LibcameraAllocator  # noqa: PLC0415

    class VirtualCamera(picamera2.Picamera2):
        """A camera with memory from libcamera itself: Debian's kernel has no heap for a Pi's image processor."""

        def __init__(self, camera_num: int) -> None:
            super().__init__(camera_num, allocator=MagicMock())
            self.allocator = LibcameraAllocator(self.camera)
            self.allocator.sync = WholeBuffer

        def _get_raw_modes(self) -> list[dict[str, object]]:
            # A camera without a sensor has no raw mode, and picamera2 uses the first one unchecked.
            return [{"format": "NV12", "size": (640, 480)}]

    picamera2.picamera2.DmaAllocator = MagicMock  # created again when the camera is closed
    # The virtual camera does not report the success of a frame, and picamera2 drops frames without it. It is read from
    # `next` of a frame's buffers, and calls `next` elsewhere only to read a sensor's tuning.
    success = SimpleNamespace(metadata=SimpleNamespace(status=libcamera.FrameMetadata.Status.Success))
    picamera2.picamera2.next = lambda _buffers: success
    picamera2.Picamera2 = VirtualCamera

    from edge.cli import main as emotion_edge  # noqa: PLC0415

    return emotion_edge(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
