"""Classifies the faces of single pictures, which have no frames before or after them.

Streams go through `edge.vision.pipeline` instead, which tracks faces and smooths their labels.
"""

from collections.abc import Sequence

from edge.config.schema import Config
from edge.types import Detection, Frame, TrackedFace
from edge.vision.calm_face import CalmShift
from edge.vision.classification.classifier import Classifier
from edge.vision.expression import best_label, unknown_threshold


def classify_faces(
    frame: Frame,
    detections: Sequence[Detection],
    classifier: Classifier,
    config: Config,
    shift: CalmShift | None = None,
) -> list[TrackedFace]:
    """Classify the faces of a picture that passed verification.

    `frame`: must carry `bgr` where the model needs colour. `detections`: as `Detector.detect` returns them,
    largest first. Of those that passed verification the first `model.max_faces` are classified. `shift`: of the calm
    face of this place.

    Returns the faces in the order of the detections, with `track_id` from 1. Their probabilities are
    calibrated and not smoothed. The label is `unknown` below `events.unknown_below`, or below the threshold
    of the manifest where that key is not set.

    Raises ModelError where the model needs colour and the frame has none.
    """
    threshold = unknown_threshold(config.events, classifier.manifest.thresholds.unknown_below)
    verified = [detection for detection in detections if detection.verified]
    found = verified[: config.model.max_faces]
    predictions = classifier.classify(frame, [one.box for one in found], [one.roll_degrees for one in found])
    if shift is not None:
        predictions = [shift.apply(reading) for reading in predictions]
    return [
        TrackedFace(
            track_id,
            detection.box,
            label=best_label(probabilities, classifier.labels, threshold),
            confidence=float(probabilities.max()),
            probabilities=probabilities,
            leader=classifier.labels[int(probabilities.argmax())],
            roll_degrees=detection.roll_degrees,
        )
        for track_id, (detection, probabilities) in enumerate(zip(found, predictions, strict=True), start=1)
    ]
