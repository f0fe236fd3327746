"""Keeps OpenCV and FFmpeg from writing to standard error: our own sentence says what is wrong."""

import os

import cv2

_FFMPEG_QUIET = "-8"  # AV_LOG_QUIET


def hush() -> None:
    """Silence both, unless the person asked for their messages through OpenCV's own variables."""
    # Read when FFmpeg is first used; a URL with credentials would be among what it prints.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", _FFMPEG_QUIET)
    if "OPENCV_LOG_LEVEL" not in os.environ:
        cv2.setLogLevel(0)
