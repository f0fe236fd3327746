"""`emotion-edge classify`: prints the faces of image files as a table or JSON, and draws them."""

import argparse
import glob
import logging
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TextIO

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.capture.backends.images import images_in, natural_key, read_picture
from edge.capture.open import describe_other_source, missing_path
from edge.capture.pictures.foreign import is_video
from edge.capture.source import SourceOptions
from edge.config.schema import Config
from edge.daemon.cascade_trial import warn_of_unfit_cascades
from edge.daemon.finder_trial import warn_of_unfit_finder
from edge.daemon.model_trial import warn_of_useless_model
from edge.errors import ConfigError, SourceError
from edge.logs.setup import on_one_line, print_error
from edge.messages.payload_builder import PayloadBuilder
from edge.redact import redacted
from edge.types import Frame, TrackedFace
from edge.vision.classification.classifier import Classifier
from edge.vision.detection.detector import Detector
from edge.vision.stills import classify_faces

log = logging.getLogger(__name__)

_GREEN: Final = (80, 220, 80)
_DARK_GREY: Final = (20, 20, 20)
"""Colours of boxes and of the labels' background, BGR."""
_ONE_SLASH: Final = re.compile(r"^([a-z]{2,}:)/(?!/)", re.IGNORECASE)
"""Beginning of an address that was taken for a path, which has lost a slash."""
_SNIFF_BYTES: Final = 512  # two packets of a transport stream


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Classify the faces of the images; returns the exit code: 1 where an image cannot be read, after all others."""
    images = [path for given in arguments.images for path in _matches(given)]
    unreadable = classify(config, images, as_json=arguments.json, annotate=arguments.annotate, stream=sys.stdout)
    return 1 if unreadable else 0


def classify(config: Config, images: Sequence[Path], *, as_json: bool, annotate: Path | None, stream: TextIO) -> int:
    """Print the faces of each image; return how many images could not be read, each named on standard error.

    `annotate`: file for the image with boxes and labels, for one image only. Raises EdgeError where it cannot be
    written, or the model or the cascade cannot be used.
    """
    if annotate is not None and len(images) > 1:
        raise ConfigError(f"--annotate {annotate} takes one image, but {len(images)} were given")
    classifier = Classifier.from_config(config.model)
    warn_of_useless_model(classifier, config.events)
    warn_of_unfit_cascades(config.detector)
    payloads = PayloadBuilder("", classifier.labels, config.labels, config.valence)
    detector = Detector(config.detector)
    warn_of_unfit_finder(detector.finder)
    limits: set[str] = set()
    unreadable = 0
    for path in images:
        try:
            frame = _read(path, config)
        except SourceError as error:
            unreadable += 1
            stream.flush()  # so that the lines of both streams come in the order of the images
            print_error(str(error))
            continue
        limit = detector.search_limit(frame.luma.shape)
        if limit is not None and limit not in limits:
            limits.add(limit)
            log.warning("%s", limit)
        found = detector.detect(frame.luma, frame.in_colour)
        faces = classify_faces(frame, found, classifier, config)
        _warn_of_left_out(on_one_line(str(path)), sum(bool(one.verified) for one in found), len(faces))
        if as_json:
            state: dict[str, Any] = msgspec.to_builtins(payloads.state(faces, frame, frame.captured_unix))
            image = str(path).encode(errors="backslashreplace").decode()  # a name need not be UTF-8, but JSON is
            stream.write(msgspec.json.encode({"image": image, "faces": state["faces"]}).decode() + "\n")
        else:
            smallest_px = detector.smallest_face_px(frame.luma.shape)
            stream.write(_table(on_one_line(str(path)), faces, classifier.labels, smallest_px))
        if annotate is not None:
            _write(annotate, annotated(frame, faces))
    return unreadable


def _matches(given: Path) -> list[Path]:
    """Return the files that a pattern matches, which the shell has not expanded; else what was given."""
    if not glob.has_magic(str(given)) or os.path.lexists(given):
        return [given]
    found = sorted((Path(name) for name in glob.glob(str(given), recursive=True)), key=natural_key)  # noqa: PTH207 - takes absolute patterns
    return found or [given]


def _read(path: Path, config: Config) -> Frame:
    """Read an image. Raises SourceError, also for what is no image, with what would be right."""
    try:
        if path.is_dir():
            example = images_in(path)[0]
            raise SourceError(f"{path} is a folder: name the images in it, as in {path}/*{example.suffix}")
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise SourceError(_missing(path)) from None
    except OSError as error:  # a name that is too long, a folder that may not be searched
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    if _is_video(path):
        raise SourceError(f"{path} is a video, but classify takes pictures: {_run(str(path))} --fast` reads it")
    return read_picture(path, SourceOptions(config.source, colour=True))


def _missing(path: Path) -> str:
    """Return the sentence on an argument that is no file."""
    uri = _ONE_SLASH.sub(r"\1//", str(path))
    shown = redacted(uri)
    other = describe_other_source(uri)
    if other is not None:
        return f"{shown} is {other}, but classify takes picture files: {_run(shown)}` reads {other}"
    if glob.has_magic(str(path)):
        return f"no file matches {shown}: name an image, or a pattern that matches images"
    return f"{shown} cannot be read: {missing_path(path, 'file')}"


def _run(source: str) -> str:
    return f"`emotion-edge run --source {shlex.quote(source)}"


def _is_video(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return path.is_file() and is_video(file.read(_SNIFF_BYTES))
    except OSError:
        return False  # reported when it is read as a picture


def _warn_of_left_out(name: str, verified: int, classified: int) -> None:
    if classified < verified:
        log.warning(
            "%s shows %d faces, but only the largest are classified: model.max_faces is %d", name, verified, classified
        )


def _table(name: str, faces: Sequence[TrackedFace], labels: Sequence[str], smallest_px: float) -> str:
    if not faces:
        return f"{name}: no face of {round(smallest_px)} pixels or more\n"
    lines = [f"{name}: {len(faces)} face{'s' * (len(faces) > 1)}"]
    widths = [max(len(label), 5) for label in labels]
    headings = "  ".join(f"{label:>{width}}" for label, width in zip(labels, widths, strict=True))
    lines.append(f"  {'face':>4}  {'x, y, width, height':>22}  {'label':<10}  {headings}")
    for face in faces:
        box = face.box
        corners = f"{box.x:.0f}, {box.y:.0f}, {box.width:.0f}, {box.height:.0f}"
        percentages = "  ".join(
            f"{100 * value:>{width - 2}.1f} %" for value, width in zip(face.probabilities, widths, strict=True)
        )
        lines.append(f"  {face.track_id:>4}  {corners:>22}  {face.label:<10}  {percentages}")
    return "\n".join(lines) + "\n"


def annotated(frame: Frame, faces: Sequence[TrackedFace]) -> NDArray[np.uint8]:
    """Return a copy of the frame, uint8 (height, width, 3) BGR, with boxes, labels and confidences."""
    image = np.array(cv2.cvtColor(frame.luma, cv2.COLOR_GRAY2BGR) if frame.bgr is None else frame.bgr, dtype=np.uint8)
    size = max(0.5, image.shape[1] / 1000)
    thickness = max(1, round(2 * size))
    for face in faces:
        left, top = round(face.box.x), round(face.box.y)
        right, bottom = round(face.box.x + face.box.width), round(face.box.y + face.box.height)
        cv2.rectangle(image, (left, top), (right, bottom), _GREEN, thickness)
        text = f"{face.label} {100 * face.confidence:.0f} %"
        (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, thickness)
        base = top - 6 if top - 6 - height > 0 else bottom + 6 + height
        cv2.rectangle(image, (left, base - height - 4), (left + width + 4, base + 4), _DARK_GREY, cv2.FILLED)
        cv2.putText(image, text, (left + 2, base), cv2.FONT_HERSHEY_SIMPLEX, size, _GREEN, thickness, cv2.LINE_AA)
    return image


def _write(path: Path, image: NDArray[np.uint8]) -> None:
    try:
        encoded, data = cv2.imencode(path.suffix, image)
    except cv2.error:
        encoded = False
    if not encoded:
        raise ConfigError(f"--annotate {path} has a suffix that is no image format: use .png or .jpg")
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise ConfigError(f"--annotate {path} cannot be written: {error.strerror}") from error
