"""Measures the accuracy for each margin by which the detector's box is widened before the crop.

The model learnt FER2013's framing of a face; the device has boxes of a Haar cascade. Faces are embedded in
frames, detected there, cropped with each margin, and classified. The margin with the best accuracy is the
manifest's `crop_margin`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from convert.data.fer2013 import Split
from convert.evaluation.face_frames import SAME_FACE_IOU, embed_in_frame, one_thread
from convert.runtimes.inputs import to_network
from convert.runtimes.tflite import Int8Model
from edge.config.schema import DetectorConfig
from edge.types import Box, Detection
from edge.vision.classification.manifest import ModelInput
from edge.vision.classification.preprocess import face_for_network, with_detail
from edge.vision.detection.detector import Detector

MARGINS: Final = (-0.1, -0.05, 0.0, 0.05, 0.1, 0.15, 0.2, 0.3)
_SEED: Final = 5


@dataclass(frozen=True)
class MarginStudy:
    """Accuracy by margin over the same detected faces, and the position of the boxes.

    `faces`: embedded, `detected`: of those. `accuracy`: (margin, share). `whole`: accuracy on FER2013's own
    framing of the detected faces. `side_ratio`: median of the box's side over the FER2013 image's side.
    `offset`: median (x, y) from the image's centre to the box's centre, in shares of the image's side.
    """

    faces: int
    detected: int
    accuracy: tuple[tuple[float, float], ...]
    whole: float
    side_ratio: float
    offset: tuple[float, float]


def find_face(detector: Detector, frame: NDArray[np.uint8], place: Box) -> Detection | None:
    """Return the detection in a grey uint8 (h, w) frame that overlaps `place` most; None where none does enough."""
    with one_thread():
        detections = [each for each in detector.detect(frame) if each.box.iou(place) > SAME_FACE_IOU]
    return max(detections, key=lambda each: place.iou(each.box), default=None)


def measure_crop_margins(  # noqa: PLR0913 - data, model and detector
    split: Split,
    labels: NDArray[np.int64],
    model: Int8Model,
    spec: ModelInput,
    margins: Sequence[float] = MARGINS,
    config: DetectorConfig | None = None,
) -> MarginStudy:
    """Measure the accuracy for each margin on the faces of `split` that the detector finds.

    `labels`: int64 (n,), the true labels. `config`: of the detector (None: as a device has it by default). Raises
    CascadeError where OpenCV's cascades are missing.
    """
    detector, rng = Detector(config or DetectorConfig()), np.random.default_rng(_SEED)
    correct: list[list[bool]] = []
    whole, sides, offsets = [], [], []
    for image, label in zip(split.images, labels, strict=True):
        frame, place = embed_in_frame(image, rng)
        detection = find_face(detector, frame, place)
        if detection is None:
            continue
        box, roll = detection.box, detection.roll_degrees
        views = [face_for_network(frame, box, margin, spec, roll) for margin in margins] + [with_detail(image, spec)]
        matches = model.predict(np.stack([to_network(view, spec) for view in views])).argmax(axis=1) == label
        correct.append([bool(value) for value in matches[:-1]])
        whole.append(bool(matches[-1]))
        sides.append(box.width / place.width)
        offsets.append([(a - b) / place.width for a, b in zip(box.centre, place.centre, strict=True)])
    shares = np.mean(correct, axis=0)
    across, down = np.median(offsets, axis=0)
    return MarginStudy(
        faces=len(split),
        detected=len(correct),
        accuracy=tuple((margin, float(share)) for margin, share in zip(margins, shares, strict=True)),
        whole=float(np.mean(whole)),
        side_ratio=float(np.median(sides)),
        offset=(float(across), float(down)),
    )


def to_text(study: MarginStudy) -> str:
    """Return the study as text for the terminal."""
    lines = [
        f"{study.detected} of {study.faces} faces detected; box side {study.side_ratio:.3f} of FER2013's, "
        f"centre {study.offset[0]:+.3f} across and {study.offset[1]:+.3f} down",
        f"FER2013's own framing   {100 * study.whole:.2f} %",
    ]
    lines += [f"crop_margin {margin:+.2f}       {100 * share:.2f} %" for margin, share in study.accuracy]
    return "\n".join(lines) + "\n"
