"""The three variants that a benchmark compares: the sensor's pipeline, a plain loop, and one run of the network."""

import time
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np

from edge.config.schema import Config
from edge.messages.payload_builder import STATE_SECONDS, PayloadBuilder
from edge.sinks.base import Sink
from edge.types import Box, Frame
from edge.vision.classification.classifier import Classifier
from edge.vision.detection.cascades import SEARCH_CASCADE, cascade_path, load_cascade
from edge.vision.detection.detector import Detector
from edge.vision.pipeline import Pipeline

PLAIN_SCALE: Final = 1.1
PLAIN_NEIGHBOURS: Final = 5
PLAIN_MIN_PX: Final = 30
"""Cascade settings of the plain loop: those of OpenCV's own tutorial and of most programs that copied it."""


@dataclass(frozen=True)
class Work:
    """Result of one frame: faces found, and milliseconds by stage, for the stages that had work to do."""

    faces: int
    stage_ms: dict[str, float] = field(default_factory=dict)


class Variant(Protocol):
    """Processes frames, which come in the order of their `seconds`."""

    def work(self, frame: Frame) -> Work:
        """Process one frame."""


class PipelineVariant:
    """The sensor's own pipeline, payloads and sink, as the daemon runs them, at the best level."""

    def __init__(self, config: Config, classifier: Classifier, sink: Sink) -> None:
        self._pipeline = Pipeline(config, Detector(config.detector), classifier)
        self._payloads = PayloadBuilder("bench", classifier.labels, config.labels, config.valence)
        self._sink = sink
        self._state_due = 0.0

    def work(self, frame: Frame) -> Work:
        """Process the frame and publish its events and state."""
        result = self._pipeline.step(frame)
        stage_ms = dict(result.stage_ms)
        if not result.faces_classified:
            stage_ms.pop("classify", None)
        began = time.perf_counter()
        for event in result.events:
            self._sink.event(self._payloads.event(event), frame.captured_monotonic)
        due = bool(result.faces) and frame.seconds >= self._state_due
        if due:
            self._state_due = frame.seconds + STATE_SECONDS
            self._sink.state(self._payloads.state(result.faces, frame, frame.captured_unix))
        if due or result.events:
            stage_ms["publish"] = 1000 * (time.perf_counter() - began)
        return Work(len(result.faces), stage_ms)


class PlainLoopVariant:
    """Searches each whole frame at its own size, and classifies every face found with the same network."""

    def __init__(self, config: Config, classifier: Classifier) -> None:
        path = cascade_path(config.detector.cascade, SEARCH_CASCADE)
        self._cascade = load_cascade(path, "detector.cascade")
        self._classifier = classifier

    def work(self, frame: Frame) -> Work:
        """Search the frame, and classify the faces found."""
        found = self._cascade.detectMultiScale(
            frame.luma, scaleFactor=PLAIN_SCALE, minNeighbors=PLAIN_NEIGHBOURS, minSize=(PLAIN_MIN_PX, PLAIN_MIN_PX)
        )
        boxes = [Box(*(float(value) for value in corners)) for corners in found]
        self._classifier.classify(frame, boxes)
        return Work(len(boxes))


class NetworkOnlyVariant:
    """Runs the network once per frame and does nothing else: no program that classifies a face per frame costs less."""

    def __init__(self, classifier: Classifier) -> None:
        spec = classifier.manifest.input
        shape = (spec.height, spec.width, 3)[: 3 if classifier.wants_colour else 2]
        self._crop = np.zeros(shape, dtype=np.uint8)
        self._classifier = classifier

    def work(self, frame: Frame) -> Work:  # noqa: ARG002 - the image is always the same
        """Run the network once, on a black image."""
        self._classifier.classify_crop(self._crop)
        return Work(1)
