"""Keeps OpenCV and FFmpeg from writing to standard error: our own sentence says what is wrong."""

import os

import cv2

_FFMPEG_QUIET = "-8"  # AV_LOG_QUIET


def hush() -> None:
    """Silence both, unless the person asked for their messages through OpenCV's own variables."""
    # Read when FFmpeg is first used; a URL with credentials would be among what it prints.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", _FFMPEG_QUIET)
    if "OPENCV_LOG_LEVEL" not in os.environ:
        # OpenCV 4.14 moved it to a module that the type hints of 4.11 do not have.
        levels = cv2 if hasattr(cv2, "setLogLevel") else cv2.utils.logging  # type: ignore[attr-defined, unused-ignore]
        levels.setLogLevel(0)
