"""A picture on demand: what the detector and the network make of it, and the face as the network saw it."""

import time
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.capture.source import SourceOptions, frame_from_bgr
from edge.config.schema import Config
from edge.logs.native import silence_opencv
from edge.messages.payload_builder import PayloadBuilder, box_share
from edge.preview.framing import pack
from edge.preview.image_header import NotAnImage, read_image_header
from edge.types import Detection, Frame
from edge.vision.classification.classifier import Classifier
from edge.vision.detection.detector import Detector
from edge.vision.stills import classify_faces

_ENOUGH_PX: Final = 1600
"""Longer side to which a larger picture is reduced while it is decoded: the search works on 480 pixels by
default, the network on about 112 of a face."""
_SHOWN_PX: Final = 1280
_QUALITY: Final = 85
_REDUCED: Final = (
    (8, cv2.IMREAD_REDUCED_GRAYSCALE_8, cv2.IMREAD_REDUCED_COLOR_8),
    (4, cv2.IMREAD_REDUCED_GRAYSCALE_4, cv2.IMREAD_REDUCED_COLOR_4),
    (2, cv2.IMREAD_REDUCED_GRAYSCALE_2, cv2.IMREAD_REDUCED_COLOR_2),
)


class PictureRefusedError(Exception):
    """A picture that is not read; the message says why and what would be, for a person. `status` as in HTTP."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class StillInspector:
    """Reads single pictures with a detector and a classifier of its own. For one thread at a time."""

    def __init__(self, config: Config) -> None:
        """Load cascades and model. Raises EdgeError."""
        silence_opencv()
        self._config = config
        self._detector = Detector(config.detector)
        self._classifier = Classifier.from_config(config.model)
        self._composer = PayloadBuilder("", self._classifier.labels, config.labels)

    def upload(self, data: bytes) -> bytes:
        """Read an encoded picture; returns a packed record. Raises PictureRefusedError."""
        return self._answer(self._decoded(data))

    def frame(self, frame: Frame) -> bytes:
        """Read a frame of the line, whose arrays are only looked at; returns a packed record."""
        return self._answer(frame)

    def _decoded(self, data: bytes) -> Frame:
        try:
            head = read_image_header(data)
        except NotAnImage as error:
            raise PictureRefusedError(415, f"Not read: {error}. Choose a JPEG, PNG or WebP.") from None
        most = self._config.preview.max_picture_megapixels
        if head.pixels > most * 1e6:
            raise PictureRefusedError(
                413,
                f"Not read: the picture has {head.width} by {head.height} pixels, {head.pixels / 1e6:.0f} million, "
                f"and at most {most:g} million are decoded here. Make it smaller.",
            )
        if not head.whole:
            raise PictureRefusedError(422, f"Not read: this {head.kind} is cut off, its end is missing. Send it again.")
        colour = self._classifier.wants_colour
        flags = cv2.IMREAD_COLOR if colour else cv2.IMREAD_GRAYSCALE
        for factor, grey, in_colour in _REDUCED:
            if max(head.width, head.height) >= factor * _ENOUGH_PX:
                flags = in_colour if colour else grey
                break
        try:
            # Turned as its EXIF orientation says: these flags do so unless told otherwise.
            picture = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags)
        except cv2.error:
            picture = None
        if picture is None:
            raise PictureRefusedError(
                422, f"Not read: this {head.kind} is damaged and cannot be decoded. Choose another picture."
            )
        return frame_from_bgr(0, 0.0, np.asarray(picture, dtype=np.uint8), SourceOptions(colour=colour))

    def _answer(self, frame: Frame) -> bytes:
        began = time.perf_counter()
        detections = self._detector.detect(frame.luma)
        faces = classify_faces(frame, detections, self._classifier, self._config)
        spent_ms = 1000 * (time.perf_counter() - began)
        crops = [self._classifier.face_crop(frame, face.box) for face in faces]
        state = self._composer.state(faces, frame, frame.captured_unix)
        height, width = frame.luma.shape
        content: dict[str, Any] = {
            "width": width,
            "height": height,
            "faces": state.faces,
            "doubted": [box_share(one.box, frame) for one in detections if one.verified is False],
            "spent_ms": round(spent_ms, 1),
            "crop": {"width": self._classifier.manifest.input.width, "height": self._classifier.manifest.input.height},
            "sentence": self._sentence(len(faces), detections),
        }
        shown = frame.luma if frame.bgr is None else frame.bgr
        return pack(content, [_jpeg(shown), *(_png(crop) for crop in crops)])

    def _sentence(self, read: int, detections: list[Detection]) -> str:
        verified = sum(one.verified is not False for one in detections)
        doubted = len(detections) - verified
        if read and verified > read:
            return f"{verified} faces; the {read} largest were read."
        if read:
            return "1 face." if read == 1 else f"{read} faces."
        if doubted:
            what = "One place looks" if doubted == 1 else f"{doubted} places look"
            return f"No face: {what} like one to the first cascade, and the second does not agree."
        share = 100 * self._config.detector.min_face
        return (
            "No face was found. Faces are looked for from the front, upright, and from "
            f"{share:.0f} % of the picture's shorter side up."
        )


def reduced(picture: NDArray[np.uint8], longer_px: int) -> NDArray[np.uint8]:
    """Return the picture, (height, width[, 3]), made smaller where its longer side is above that."""
    height, width = picture.shape[:2]
    factor = longer_px / max(height, width)
    if factor >= 1:
        return picture
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def encoded(picture: NDArray[np.uint8], quality: int) -> bytes:
    """Return the picture, grey or BGR, as JPEG."""
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


def _jpeg(picture: NDArray[np.uint8]) -> bytes:
    return encoded(reduced(picture, _SHOWN_PX), _QUALITY)


def _png(picture: NDArray[np.uint8]) -> bytes:
    _, data = cv2.imencode(".png", picture)
    return data.tobytes()
