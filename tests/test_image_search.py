"""The search for pictures finds them in every encoding, and finds nothing in the sensor's own messages."""

import base64
import gzip
import io
import json

import cv2
import numpy as np
import pytest

from edge.capture.open import create_source
from edge.capture.source import SourceOptions
from edge.messages.payloads import encode
from support.image_search import entropy_bits, hunt, needles
from support.mqtt import event, health, info, state


def picture() -> np.ndarray:
    source = create_source("scripted:happy=3?seed=5", SourceOptions())
    source.open()
    return [source.read() for _ in range(20)][-1].luma[160:320, 240:400]


PICTURE = picture()
KNOWN = needles([PICTURE])
TEXT = b"".join(map(encode, (event(1), info(), state(), health())))


def as_file(suffix: str) -> bytes:
    done, data = cv2.imencode(suffix, PICTURE)
    assert done
    return data.tobytes()


def as_numpy() -> bytes:
    stream = io.BytesIO()
    np.save(stream, PICTURE)
    return stream.getvalue()


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".tiff", ".pgm"])
@pytest.mark.parametrize("encoding", [bytes, base64.b64encode, base64.encodebytes, lambda data: data.hex().encode()])
def test_picture_file_is_found_in_every_encoding(suffix, encoding) -> None:
    name = {".jpg": "JPEG", ".png": "PNG", ".webp": "WebP", ".bmp": "BMP", ".tiff": "TIFF", ".pgm": "PNM"}[suffix]
    assert name in hunt(TEXT + b'"' + encoding(as_file(suffix)) + b'"' + TEXT, KNOWN)


def test_thumbnail_is_found_by_its_first_bytes() -> None:
    small = cv2.imencode(".jpg", cv2.resize(PICTURE, (24, 24)))[1].tobytes()
    assert "JPEG" in hunt(json.dumps({"face": base64.b64encode(small).decode()}).encode(), KNOWN)


@pytest.mark.parametrize(
    ("data", "finding"),
    [
        (as_numpy(), "numpy"),
        (gzip.compress(PICTURE.tobytes()), "gzip"),
        (gzip.compress(PICTURE.tobytes())[10:], "a dense block"),
        (PICTURE[80].tobytes(), "rows of a frame"),
        (TEXT + PICTURE[70, 10:150].tobytes() + TEXT, "rows of a frame"),
        (json.dumps(PICTURE[90].tolist()).encode(), "rows of a frame"),
        (str(PICTURE[100, 48:].tolist()).encode(), "rows of a frame"),
        (base64.b64encode(PICTURE[80].tobytes()), "rows of a frame"),
        (base64.b64encode(bytes(300)), "a long run of base64 or hexadecimal"),
        (cv2.resize(PICTURE, (96, 96)).tobytes(), "a dense block"),
    ],
)
def test_pixels_are_found_in_other_encodings(data: bytes, finding: str) -> None:
    assert finding in hunt(data, KNOWN)


def test_messages_of_the_sensor_contain_no_picture() -> None:
    assert hunt(TEXT * 20, KNOWN) == set()
    assert entropy_bits(TEXT) < 5.8
