"""Configurations of notices, and a reader of the PDF files that the program writes, which knows no more than those."""

import re

import cv2
import numpy as np

from edge.config.loader import load
from edge.notice.page import HEIGHT, WIDTH

SETTINGS = {
    "RESPONSIBLE": "Muzeum Zabawek, ul. Piotrkowska 1, 90-001 Łódź",
    "CONTACT": "ochrona@muzeum.example, +48 42 555 01 00",
    "PURPOSE": "żeby wiedzieć, które eksponaty podobają się zwiedzającym",
    "URL": "https://muzeum.example/ochrona?danych=1&x=<y>",
}


def config_with(*, led="", preview=False, **changes):
    """Return the configuration with SETTINGS, changed by keys of [notice] in capitals."""
    notice = {f"EMOTION_EDGE_NOTICE_{key}": value for key, value in (SETTINGS | changes).items()}
    others = {"EMOTION_EDGE_INDICATOR_LED": led, "EMOTION_EDGE_PREVIEW_ENABLED": str(preview).lower()}
    return load(environ=notice | others)


def read_code(image):
    """Return what the QR code in a uint8 image says; "" where none is found."""
    return cv2.QRCodeDetector().detectAndDecode(image)[0]


class Pdf:
    """A PDF file as the program writes it. Fails where the table of objects or a length is wrong."""

    def __init__(self, data: bytes) -> None:
        assert data.startswith(b"%PDF-1.4\n")
        assert data.endswith(b"%%EOF\n")
        start = int(re.search(rb"startxref\n(\d+)\n", data)[1])
        assert data[start:].startswith(b"xref\n0 ")
        offsets = [int(offset) for offset in re.findall(rb"^(\d{10}) 00000 n \n", data[start:], re.MULTILINE)]
        assert re.search(rb"/Size (\d+)", data)[1] == b"%d" % (len(offsets) + 1)
        for number, offset in enumerate(offsets, 1):
            assert data[offset:].startswith(b"%d 0 obj\n" % number)
        length, begin = re.search(rb"<</Length (\d+)>>\nstream\n", data)[1], data.index(b"stream\n") + len(b"stream\n")
        self.content = data[begin : begin + int(length)].decode("latin-1")
        assert data[begin + int(length) :].startswith(b"\nendstream\nendobj\n")
        self.language = re.search(rb"/Lang\((\w+)\)", data)[1].decode()

    @property
    def lines(self):
        """Texts of the lines, from top to bottom."""
        return [bytes.fromhex(text).decode("utf-16-be") for text in re.findall(r"ActualText <feff(\w*)>", self.content)]

    def picture(self, scale=2):
        """Return the rectangles as a uint8 image, white where there is none."""
        image = np.full((int(HEIGHT * scale), int(WIDTH * scale)), 255, np.uint8)
        for white, *numbers in re.findall(
            r"^([01]) g\n([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+) re f", self.content, re.MULTILINE
        ):
            x, y, width, height = (float(number) for number in numbers)
            left, right = round(x * scale), round((x + width) * scale)
            top, bottom = round((HEIGHT - y - height) * scale), round((HEIGHT - y) * scale)
            image[top:bottom, left:right] = 255 * int(white)
        return image
