"""Finds the face of each picture as the device does, and crops it to the size of a network's input."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from convert.data.labelled_folder import LabelledPictures, printable
from convert.evaluation.face_frames import one_thread
from convert.progress import Tick
from convert.runtimes.inputs import to_size
from edge.capture.backends.images import read_picture
from edge.capture.source import SourceOptions
from edge.config.schema import DetectorConfig, SourceConfig
from edge.errors import SourceError
from edge.types import Box, Detection, Frame
from edge.vision.classification.manifest import ModelInput
from edge.vision.classification.preprocess import face_for_network, with_detail
from edge.vision.detection.detector import Detector


@dataclass(frozen=True)
class PictureFaces:
    """The faces of pictures, at the size of the network's input.

    `images`: uint8 (n, height, width) for a grey network, else BGR (n, height, width, 3). `rows`: int64 (n,), the
    picture of each. `counts`: int64 (pictures,), the number of faces found in each picture, -1 where it could not be
    read. `unreadable`: a sentence for each of those.
    """

    images: NDArray[np.uint8]
    rows: NDArray[np.int64]
    counts: NDArray[np.int64]
    unreadable: tuple[str, ...]


def find_faces(
    pictures: LabelledPictures, spec: ModelInput, crop_margin: float, *, crops: bool, tick: Tick
) -> PictureFaces:
    """Find and crop the face of each picture; of several the largest.

    A face counts where the second cascade verifies it, as `emotion-edge classify` counts it. `crop_margin`: widens
    its box on every side, in sides of the box. `crops`: each picture is a face already, and its own edges are the box;
    one that is not square keeps its proportions, and its edge pixels are repeated. Without a margin it is resized as
    FER2013's faces are in `evaluate`. Raises CascadeError where OpenCV's cascades are missing.
    """
    options = SourceOptions(SourceConfig(), colour=True)
    detector = None if crops else Detector(DetectorConfig())
    faces, rows, unreadable = [], [], []
    counts = np.full(len(pictures.paths), -1, dtype=np.int64)
    with one_thread():
        for row, path in enumerate(pictures.paths):
            tick(row, len(pictures.paths))
            try:
                frame = read_picture(path, options)
            except SourceError as error:
                unreadable.append(printable(str(error)))
                continue
            detections = _detections(frame, detector)
            counts[row] = len(detections)
            if detections:
                picture = frame.luma if spec.colour == "gray" else _bgr(frame)
                whole = crops and not crop_margin
                face = (
                    to_size(with_detail(_squared(picture), spec), spec)
                    if whole
                    else _cropped(picture, detections[0], crop_margin, spec)
                )
                faces.append(face)
                rows.append(row)
    shape = (spec.height, spec.width) if spec.colour == "gray" else (spec.height, spec.width, 3)
    return PictureFaces(
        np.stack(faces) if faces else np.zeros((0, *shape), dtype=np.uint8),
        np.asarray(rows, dtype=np.int64),
        counts,
        tuple(unreadable),
    )


def _detections(frame: Frame, detector: Detector | None) -> list[Detection]:
    if detector is None:
        height, width = frame.luma.shape
        return [Detection(Box(0.0, 0.0, float(width), float(height)), 0, verified=True)]
    return [detection for detection in detector.detect(frame.luma) if detection.verified]


def _cropped(picture: NDArray[np.uint8], face: Detection, margin: float, spec: ModelInput) -> NDArray[np.uint8]:
    return face_for_network(picture, face.box, margin, spec, face.roll_degrees)


def _squared(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture as a square, its edge pixels repeated on both of its longer sides."""
    height, width = picture.shape[:2]
    down, across = max(0, width - height), max(0, height - width)
    borders = (down // 2, down - down // 2, across // 2, across - across // 2)
    return np.asarray(cv2.copyMakeBorder(picture, *borders, cv2.BORDER_REPLICATE), dtype=np.uint8)


def _bgr(frame: Frame) -> NDArray[np.uint8]:
    if frame.bgr is not None:
        return frame.bgr
    return np.asarray(cv2.cvtColor(frame.luma, cv2.COLOR_GRAY2BGR), dtype=np.uint8)
