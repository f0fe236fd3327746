"""Runs `emotion-edge` with the real picamera2 on libcamera's virtual camera, which has no sensor behind it.

In the emulated device, with the installed service's Python: virtual_camera.py PACKAGES ARGUMENT... What picamera2
takes for granted on a Pi, and a virtual camera cannot have, is supplied here; everything that makes, hands on and
reads frames is real.
"""

import sys
from unittest.mock import MagicMock

DEBIANS_OWN = "/usr/lib/python3/dist-packages"
"""Where python3-libcamera is. Last, so that nothing else of it takes the place of what the service brings."""

NO_FRAME_NEEDS = ("pykms", "prctl", "pidng", "pidng.camdefs", "pidng.core")
"""What picamera2 imports for previews on a screen, recordings with ffmpeg and raw pictures in files."""


def main(packages: str, arguments: list[str]) -> int:
    """Patch, and run the command."""
    sys.path += [packages, DEBIANS_OWN]
    sys.modules.update((name, MagicMock()) for name in NO_FRAME_NEEDS)

    import picamera2  # noqa: PLC0415 - can be found from here on
    import picamera2.dma_heap  # noqa: PLC0415

    # A Pi reserves memory for its image processor; any memory does for frames that a program draws.
    picamera2.dma_heap.heapNames.append("/dev/dma_heap/system")
    # A camera without a sensor has no raw modes, and picamera2 takes the first of them without a look.
    picamera2.Picamera2._get_raw_modes = lambda _self: [{"format": "NV12", "size": (640, 480)}]

    from edge.cli import main as emotion_edge  # noqa: PLC0415

    return emotion_edge(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
