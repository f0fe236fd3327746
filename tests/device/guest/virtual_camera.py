"""Runs `emotion-edge` with the real picamera2 on libcamera's virtual camera, which has no sensor behind it.

In the emulated device, with the installed service's Python: virtual_camera.py PACKAGES ARGUMENT... What picamera2
takes for granted on a Pi, and a virtual camera cannot have, is supplied here; everything that makes, hands on and
reads frames is real.
"""

import mmap
import sys
import time
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

DEBIANS_OWN = "/usr/lib/python3/dist-packages"
"""Where python3-libcamera is. Last, so that nothing else of it takes the place of what the service brings."""

STREAM_SECONDS = 0.1
"""Of each of a frame's two streams: five frames a second."""

NO_FRAME_NEEDS = ("pykms", "prctl", "pidng", "pidng.camdefs", "pidng.core")
"""What picamera2 imports for previews on a screen, recordings with ffmpeg and raw pictures in files."""


class WholeBuffer:
    """Maps a frame's memory by its size: the virtual camera does not say how much of it it has used.

    It also fills the next as soon as it can, where a sensor exposes: so each frame takes its time here.
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
    """Patch, and run the command."""
    sys.path += [packages, DEBIANS_OWN]
    sys.modules.update((name, MagicMock()) for name in NO_FRAME_NEEDS)

    import libcamera  # noqa: PLC0415 - can be found from here on
    import picamera2  # noqa: PLC0415
    from picamera2.allocators import LibcameraAllocator  # noqa: PLC0415

    class VirtualCamera(picamera2.Picamera2):
        """Frames in memory that libcamera itself sets up: Debian's kernel has no heap for a Pi's image processor."""

        def __init__(self, camera_num: int) -> None:
            super().__init__(camera_num, allocator=MagicMock())
            self.allocator = LibcameraAllocator(self.camera)
            self.allocator.sync = WholeBuffer

        def _get_raw_modes(self) -> list[dict[str, object]]:
            # A camera without a sensor has none, and picamera2 takes the first without a look.
            return [{"format": "NV12", "size": (640, 480)}]

    picamera2.picamera2.DmaAllocator = MagicMock  # made anew when the camera is closed
    # Nor does the virtual camera say that a frame has succeeded, and picamera2 drops what has not. It looks at the
    # `next` of a frame's buffers, and uses that word elsewhere only to read a sensor's tuning.
    fine = SimpleNamespace(metadata=SimpleNamespace(status=libcamera.FrameMetadata.Status.Success))
    picamera2.picamera2.next = lambda _buffers: fine
    picamera2.Picamera2 = VirtualCamera

    from edge.cli import main as emotion_edge  # noqa: PLC0415

    return emotion_edge(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
