"""Makes pictures as cameras, scanners and programs write them, and OpenCV does not: deep, transparent, animated, CMYK.

Each shows `RAMP`: one grey value a column.
"""

import struct
import zlib

import cv2
import numpy as np

HEIGHT, WIDTH = 24, 40
RAMP = np.tile(np.linspace(20, 220, WIDTH).astype(np.uint8), (HEIGHT, 1))
TRANSPARENT = np.tile((np.arange(WIDTH) >= WIDTH // 2), (HEIGHT, 1))
"""Where a transparent picture is transparent: its right half."""
_OPAQUE = np.where(TRANSPARENT, 0, 255).astype(np.uint8)


def chunk(kind, content):
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(samples, bits, colour_type, *chunks):
    """Return a PNG of samples (height, width[, channels]), with `chunks` before its data."""
    rows = samples.astype(">u2" if bits == 16 else "u1")
    content = b"".join(b"\0" + row.tobytes() for row in rows)
    head = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], bits, colour_type, 0, 0, 0)
    parts = chunk(b"IHDR", head), *chunks, chunk(b"IDAT", zlib.compress(content)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def rgba(scale=1):
    """Return samples of an RGBA picture: in the transparent half, which nobody sees, the ramp goes on."""
    return np.dstack([RAMP, RAMP, RAMP, _OPAQUE]).astype(int) * scale


def grey_alpha(scale=1):
    """Return samples of a picture of grey and transparency."""
    return np.dstack([RAMP, _OPAQUE]).astype(int) * scale


def palette():
    """Return a PNG with a palette of reversed greys."""
    colours = b"".join(bytes([255 - at] * 3) for at in range(256))
    return png(255 - RAMP, 8, 3, chunk(b"PLTE", colours))


def transparent_palette():
    """Return a PNG with a palette, of which the upper half is transparent."""
    colours = b"".join(bytes([at] * 3) for at in range(256))
    visible = bytes(255 if at < RAMP[0, WIDTH // 2] else 0 for at in range(256))
    return png(RAMP, 8, 3, chunk(b"PLTE", colours), chunk(b"tRNS", visible))


def tiff(samples, bits, *, sample_format=1, extra_samples=None, more=()):
    """Return an uncompressed TIFF of samples (height, width[, channels]), little-endian. `more`: (tag, value)."""
    channels = samples.shape[2] if samples.ndim == 3 else 1
    kinds = {8: "u1", 16: "<u2", 32: "<f4" if sample_format == 3 else "<i4"}
    data = samples.astype(kinds[bits]).tobytes()
    bits_at = 8 + len(data)
    tags = {
        256: (3, 1, samples.shape[1]),
        257: (3, 1, samples.shape[0]),
        258: (3, channels, bits if channels == 1 else bits_at),
        259: (3, 1, 1),
        262: (3, 1, 1 if channels == 1 else 2),
        273: (4, 1, 8),
        277: (3, 1, channels),
        278: (3, 1, samples.shape[0]),
        279: (4, 1, len(data)),
        339: (3, 1, sample_format),
    }
    if extra_samples is not None:
        tags[338] = (3, 1, extra_samples)
    tags.update({tag: (3, 1, value) for tag, value in more})
    depth = struct.pack(f"<{channels}H", *[bits] * channels)
    entries = b"".join(struct.pack("<HHII", tag, *tags[tag]) for tag in sorted(tags))
    head = b"II*\0" + struct.pack("<I", bits_at + len(depth))
    return head + data + depth + struct.pack("<H", len(tags)) + entries + bytes(4)


def pgm(white, dtype):
    """Return a PGM whose header states `white` as its highest value."""
    samples = np.rint(RAMP / 255 * white).astype(dtype)
    return b"P5\n# made by a test\n%d %d\n%d\n" % (WIDTH, HEIGHT, white) + samples.tobytes()


def text_pgm():
    """Return a PGM of digits that ends with the last of them."""
    return b"P2 %d %d 255\n" % (WIDTH, HEIGHT) + " ".join(map(str, RAMP.ravel())).encode()


def animated_png():
    """Return an APNG of two pictures."""
    control = struct.pack(">IIIIIHHBB", 0, WIDTH, HEIGHT, 0, 0, 1, 10, 0, 0)
    return png(RAMP, 8, 0, chunk(b"acTL", struct.pack(">II", 2, 0)), chunk(b"fcTL", control))


def animated_webp():
    """Return the beginning of an animated WebP, as far as its flags."""
    head = b"VP8X" + struct.pack("<IB", 10, 0x02) + bytes(3)
    body = b"WEBP" + head + (WIDTH - 1).to_bytes(3, "little") + (HEIGHT - 1).to_bytes(3, "little") + b"ANIM" + bytes(30)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def transparent_webp():
    """Return a lossless WebP with transparency."""
    samples = np.dstack([RAMP, RAMP, RAMP, _OPAQUE])
    return cv2.imencode(".webp", samples, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()


def cmyk_jpeg(*, adobe):
    """Return a JPEG of four inks, each in a scan of its own: cyan, magenta and yellow are unused, black is the ramp.

    `adobe`: whether it has Adobe's mark, with which 255 is no ink; without one, 0 is no ink.
    """
    none = np.full_like(RAMP, 255 if adobe else 0)
    scans = [_parts_of_jpeg(plane) for plane in (none, none, none, RAMP if adobe else 255 - RAMP)]
    tables = scans[0][0]
    frame = struct.pack(">HBHHB", 8 + 12, 8, HEIGHT, WIDTH, 4) + b"".join(bytes([at, 0x11, 0]) for at in (1, 2, 3, 4))
    mark = b"\xff\xee" + struct.pack(">H", 14) + b"Adobe" + struct.pack(">HHHB", 100, 0, 0, 0)
    data = b"\xff\xd8" + (mark if adobe else b"") + tables + b"\xff\xc0" + frame
    for at, (_, coded) in enumerate(scans, start=1):
        data += b"\xff\xda" + struct.pack(">HB", 8, 1) + bytes([at, 0, 0, 63, 0]) + coded
    return data + b"\xff\xd9"


def _parts_of_jpeg(plane):
    """Return the tables of a grey JPEG with their markers, and its entropy-coded data."""
    data = cv2.imencode(".jpg", plane, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    at, tables = 2, b""
    while True:
        marker, length = data[at + 1], struct.unpack_from(">H", data, at + 2)[0]
        if marker == 0xDA:
            return tables, data[at + 2 + length : -2]
        if marker in (0xC4, 0xDB):
            tables += data[at : at + 2 + length]
        at += 2 + length


def twelve_bit_jpeg():
    """Return a JPEG whose header states 12 bits a sample."""
    data = bytearray(cv2.imencode(".jpg", RAMP)[1].tobytes())
    data[data.index(b"\xff\xc0") + 4] = 12
    return bytes(data)


def with_damaged_colours(data):
    """Return a PNG about whose colours libpng writes warnings to standard error."""
    return data[:33] + chunk(b"gAMA", bytes(4)) + chunk(b"iCCP", b"x\0\0no profile") + data[33:]
