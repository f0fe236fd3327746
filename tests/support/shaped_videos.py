"""Makes videos that are stored turned, with pixels that are not square, or that change their size."""

import struct

import cv2
import numpy as np

MATRICES = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
"""Display matrix (a, b, c, d of ISO 14496-12, 6.2.2) that has a player turn the picture clockwise."""


def write_frames(path, pictures, codec, fps=10.0):
    """Write grey pictures of one size as a video; the suffix names the container."""
    height, width = pictures[0].shape
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), fps, (width, height))
    assert writer.isOpened()
    for picture in pictures:
        writer.write(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))
    writer.release()
    return path


def write_shaped_mp4(path, pictures, *, clockwise_degrees=0, matrix=None, pixel_aspect=None):
    """Write an MP4 with a display matrix (a, b, c, d) and, as (numerator, denominator), the shape of its pixels."""
    data = bytearray(write_frames(path, pictures, "mp4v").read_bytes())
    a, b, c, d = (value * 0x10000 for value in matrix or MATRICES[clockwise_degrees])
    struct.pack_into(">9i", data, data.index(b"tkhd") + 4 + 40, a, b, 0, c, d, 0, 0, 0, 0x40000000)
    if pixel_aspect is not None:
        box = struct.pack(">I4sII", 16, b"pasp", *pixel_aspect)
        entry = data.index(b"mp4v", data.index(b"stsd")) - 4
        end = entry + int.from_bytes(data[entry : entry + 4], "big")
        data[end:end] = box
        names = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
        for at in [entry, *(data.index(name) - 4 for name in names)]:
            struct.pack_into(">I", data, at, int.from_bytes(data[at : at + 4], "big") + len(box))
    path.write_bytes(data)
    return path


def ramp(number, width, height):
    """Return a grey picture that is bright in its upper left corner; the rest gets brighter with the number."""
    picture = np.full((height, width), 30 + 5 * number, np.uint8)
    picture[: height // 2, : width // 2] = 220
    return picture
