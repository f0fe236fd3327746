"""Classifies the faces of single pictures, which have no frames before or after them."""

from collections.abc import Sequence

from edge.config.schema import Config
from edge.types import UNKNOWN, Detection, Frame, TrackedFace
from edge.vision.classification.classifier import Classifier


def classify_faces(
    frame: Frame, detections: Sequence[Detection], classifier: Classifier, config: Config
) -> list[TrackedFace]:
    """Read every face of a picture on which both cascades agree, in the order of the detections, from 1."""
    threshold = config.events.unknown_below
    if threshold is None:
        threshold = classifier.manifest.thresholds.unknown_below
    boxes = [found.box for found in detections if found.verified][: config.model.max_faces]
    faces = []
    for number, (box, probabilities) in enumerate(zip(boxes, classifier.classify(frame, boxes), strict=True), start=1):
        best = int(probabilities.argmax())
        confidence = float(probabilities[best])
        label = classifier.labels[best] if confidence >= threshold else UNKNOWN
        faces.append(TrackedFace(number, box, label, confidence, probabilities))
    return faces
