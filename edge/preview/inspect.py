"""Inspects single pictures on demand: detects and classifies faces, and returns the crops that the network received."""

import time
from collections.abc import Callable
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.capture.pictures.decode import decode_picture
from edge.capture.pictures.header import NotAnImage, read_image_header
from edge.capture.source import SourceOptions, frame_from_bgr
from edge.config.schema import Config
from edge.logs.native import silence_opencv
from edge.messages.payload_builder import PayloadBuilder, box_share
from edge.preview.framing import pack
from edge.types import Detection, Frame
from edge.vision.calm_face import CalmShift
from edge.vision.classification.classifier import Classifier
from edge.vision.detection.detector import Detector
from edge.vision.stills import classify_faces

_DECODED_PX: Final = 1600
"""Longer side, pixels: a picture at least twice as large is reduced while it is decoded, but not below this. The
detector searches at 480 pixels by default, and the network takes about 112 of a face."""
_ANSWER_PX: Final = 1280
"""Longer side of the picture in the answer, pixels."""
_JPEG_QUALITY: Final = 85
_REDUCTIONS: Final = (8, 4, 2)
"""By how much OpenCV can reduce a picture while it decodes it."""
_ACCEPTED: Final = ("JPEG", "PNG", "WebP")
"""Formats of uploads. The page makes a JPEG of what else its browser can read."""


class PictureRefusedError(Exception):
    """A picture is not inspected. `status`: the HTTP status; the message is the reason, and what to send instead."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class StillInspector:
    """Detects and classifies faces in single pictures, with a detector and a classifier of its own. Not thread-safe.

    `calm_face`: returns what is subtracted from readings of this place; None: nothing.
    """

    def __init__(self, config: Config, calm_face: Callable[[], CalmShift | None] | None = None) -> None:
        """Load cascades and model. Raises EdgeError if one cannot be used."""
        silence_opencv()
        self._config, self._calm_face = config, calm_face
        self._detector = Detector(config.detector)
        self._classifier = Classifier.from_config(config.model)
        self._payload_builder = PayloadBuilder("", self._classifier.labels, config.labels, config.valence)

    def use_model(self, config: Config) -> None:
        """Classify with another model from now on. Raises EdgeError if it cannot be used, and changes nothing then."""
        classifier = Classifier.from_config(config.model)
        builder = PayloadBuilder("", classifier.labels, config.labels, config.valence)
        self._config, self._classifier, self._payload_builder = config, classifier, builder

    def inspect_upload(self, data: bytes) -> bytes:
        """Inspect an encoded picture; returns a packed record. Raises PictureRefusedError.

        It may be of any place, so its readings are not shifted.
        """
        return self.inspect_frame(self._decode(data))

    def inspect_current(self, frame: Frame) -> bytes:
        """Inspect a frame of the camera, as `inspect_frame` does, with readings that the calm face shifts."""
        return self.inspect_frame(frame, None if self._calm_face is None else self._calm_face())

    def inspect_frame(self, frame: Frame, shift: CalmShift | None = None) -> bytes:
        """Inspect a frame, whose arrays are not changed; returns a packed record. `shift`: of the calm face.

        The record holds the picture as JPEG, and the crop of each classified face as PNG.
        """
        began = time.perf_counter()
        detections = self._detector.detect(frame.luma, frame.in_colour)
        faces = classify_faces(frame, detections, self._classifier, self._config, shift)
        spent_ms = 1000 * (time.perf_counter() - began)
        crops = [self._classifier.face_crop(frame, face.box, face.roll_degrees) for face in faces]
        state = self._payload_builder.state(faces, frame, frame.captured_unix)
        height, width = frame.luma.shape
        content: dict[str, Any] = {
            "width": width,
            "height": height,
            "faces": state.faces,
            "doubted": [box_share(one.box, frame) for one in detections if one.verified is False],
            "spent_ms": round(spent_ms, 1),
            "crop": {"width": self._classifier.manifest.input.width, "height": self._classifier.manifest.input.height},
            "sentence": self._sentence(len(faces), detections, frame.luma.shape),
        }
        picture = shrink(frame.luma if frame.bgr is None else frame.bgr, _ANSWER_PX)
        return pack(content, [encode_jpeg(picture, _JPEG_QUALITY), *(_encode_png(crop) for crop in crops)])

    def _decode(self, data: bytes) -> Frame:
        try:
            header = read_image_header(data)
            if header.format not in _ACCEPTED:
                raise NotAnImage(f"this is {header.format}, which is not accepted here")  # noqa: TRY301
        except NotAnImage as error:
            raise PictureRefusedError(415, f"Not read: {error}. Choose a JPEG, PNG or WebP.") from None
        limit = self._config.preview.max_picture_megapixels
        if header.pixels > limit * 1e6:
            raise PictureRefusedError(
                413,
                f"Not read: the picture has {header.width} by {header.height} pixels, "
                f"{header.pixels / 1e6:.0f} million, and at most {limit:g} million are accepted. Make it smaller.",
            )
        if not header.complete:
            raise PictureRefusedError(
                422, f"Not read: this {header.format} is cut off: its end is missing. Send it again."
            )
        finder = self._detector.finder
        colour = self._classifier.wants_colour or (finder is not None and finder.wants_colour)
        longer = max(header.width, header.height)
        reduction = next((each for each in _REDUCTIONS if longer >= each * _DECODED_PX), 1)
        try:
            picture = decode_picture(data, header, colour=colour, reduction=reduction)
        except NotAnImage as error:
            raise PictureRefusedError(422, f"Not read: {error}. Choose another picture.") from None
        return frame_from_bgr(0, 0.0, picture.image, SourceOptions(colour=colour))

    def _sentence(self, classified: int, detections: list[Detection], shape: tuple[int, ...]) -> str:
        verified = sum(one.verified is not False for one in detections)
        rejected = len(detections) - verified
        if classified and verified > classified:
            return f"{verified} faces; the {classified} largest were classified."
        if classified:
            return "1 face." if classified == 1 else f"{classified} faces."
        if rejected:
            what = "one place looks" if rejected == 1 else f"{rejected} places look"
            return f"No face: {what} like a face to the search, but did not pass the second check (dashed box)."
        share = 100 * self._detector.smallest_face_px(shape) / min(shape)
        return (
            "No face was found. The detector finds faces seen from the front that are at least "
            f"{share:.3g} % of the picture's shorter side."
        )


def shrink(picture: NDArray[np.uint8], longer_px: int) -> NDArray[np.uint8]:
    """Return a picture, uint8 (height, width[, 3]), reduced so that its longer side is at most `longer_px`."""
    height, width = picture.shape[:2]
    factor = longer_px / max(height, width)
    if factor >= 1:
        return picture
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def encode_jpeg(picture: NDArray[np.uint8], quality: int) -> bytes:
    """Return a picture, uint8 (height, width) grey or (height, width, 3) BGR, as JPEG. `quality`: 0 to 100."""
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


def _encode_png(picture: NDArray[np.uint8]) -> bytes:
    _, data = cv2.imencode(".png", picture)
    return data.tobytes()
