"""`emotion-edge classify`: the faces of pictures, as a table or JSON, and drawn."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TextIO

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.capture.open import read_first_frame
from edge.capture.source import SourceOptions
from edge.config.schema import Config
from edge.errors import ConfigError, SourceError
from edge.messages.payload_builder import PayloadBuilder
from edge.types import Frame, TrackedFace
from edge.vision.classification.classifier import Classifier
from edge.vision.detection.detector import Detector
from edge.vision.stills import classify_faces

_INK: Final = (80, 220, 80)
_PAPER: Final = (20, 20, 20)


def _table(path: Path, faces: Sequence[TrackedFace], labels: Sequence[str]) -> str:
    if not faces:
        return f"{path}: no face\n"
    lines = [f"{path}: {len(faces)} face{'s' * (len(faces) > 1)}"]
    widths = [max(len(label), 5) for label in labels]
    heads = "  ".join(f"{label:>{width}}" for label, width in zip(labels, widths, strict=True))
    lines.append(f"  {'face':>4}  {'x, y, width, height':>22}  {'label':<10}  {heads}")
    for face in faces:
        box = face.box
        where = f"{box.x:.0f}, {box.y:.0f}, {box.width:.0f}, {box.height:.0f}"
        shares = "  ".join(
            f"{100 * value:>{width - 2}.1f} %" for value, width in zip(face.probabilities, widths, strict=True)
        )
        lines.append(f"  {face.track_id:>4}  {where:>22}  {face.label:<10}  {shares}")
    return "\n".join(lines) + "\n"


def annotated(frame: Frame, faces: Sequence[TrackedFace]) -> NDArray[np.uint8]:
    """Return a copy of the frame, uint8 (height, width, 3) BGR, with boxes, labels and confidences."""
    picture = np.array(cv2.cvtColor(frame.luma, cv2.COLOR_GRAY2BGR) if frame.bgr is None else frame.bgr, dtype=np.uint8)
    size = max(0.5, picture.shape[1] / 1000)
    thickness = max(1, round(2 * size))
    for face in faces:
        left, top = round(face.box.x), round(face.box.y)
        right, bottom = round(face.box.x + face.box.width), round(face.box.y + face.box.height)
        cv2.rectangle(picture, (left, top), (right, bottom), _INK, thickness)
        text = f"{face.label} {100 * face.confidence:.0f} %"
        (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, thickness)
        base = top - 6 if top - 6 - height > 0 else bottom + 6 + height
        cv2.rectangle(picture, (left, base - height - 4), (left + width + 4, base + 4), _PAPER, cv2.FILLED)
        cv2.putText(picture, text, (left + 2, base), cv2.FONT_HERSHEY_SIMPLEX, size, _INK, thickness, cv2.LINE_AA)
    return picture


def _write(path: Path, picture: NDArray[np.uint8]) -> None:
    try:
        encoded, data = cv2.imencode(path.suffix, picture)
    except cv2.error:
        encoded = False
    if not encoded:
        raise ConfigError(f"--annotate {path} has a suffix that is no picture format: use .png or .jpg")
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise ConfigError(f"--annotate {path} cannot be written: {error.strerror}") from error


def classify(config: Config, images: Sequence[Path], *, as_json: bool, annotate: Path | None, stream: TextIO) -> int:
    """Read pictures and print what their faces show; returns the exit code.

    Raises EdgeError for a file that is no picture, and where `annotate` cannot be written.
    """
    if annotate is not None and len(images) > 1:
        raise ConfigError(f"--annotate {annotate} takes one picture, but {len(images)} were given")
    classifier = Classifier.from_config(config.model)
    composer = PayloadBuilder("", classifier.labels, config.labels)
    detector = Detector(config.detector)
    for path in images:
        if path.is_dir():
            raise SourceError(f"{path} is a folder: name the pictures in it, as in {path}/*.jpg")
        # Absolute: a picture may be called 0, which as a source is a camera.
        frame = read_first_frame(str(path.absolute()), SourceOptions(config.source, colour=True))
        faces = classify_faces(frame, detector.detect(frame.luma), classifier, config)
        if as_json:
            state: dict[str, Any] = msgspec.to_builtins(composer.state(faces, frame, frame.captured_unix))
            stream.write(msgspec.json.encode({"image": str(path), "faces": state["faces"]}).decode() + "\n")
        else:
            stream.write(_table(path, faces, classifier.labels))
        if annotate is not None:
            _write(annotate, annotated(frame, faces))
    return 0
