"""What is measured: the sensor's own line, the loop that it has to beat, and the floor beneath both."""

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
"""The settings of OpenCV's own tutorial and of most programs that copied it."""


@dataclass(frozen=True)
class Work:
    """What was done with one frame; `stage_ms` holds only stages that had something to do."""

    faces: int
    stage_ms: dict[str, float] = field(default_factory=dict)


class Variant(Protocol):
    """Does something with each frame. Frames come in the order of their `seconds`."""

    def work(self, frame: Frame) -> Work:
        """Do it."""


class PipelineVariant:
    """Pipeline, composer and sink, as the daemon has them, at the best level."""

    def __init__(self, config: Config, classifier: Classifier, sink: Sink) -> None:
        self._pipeline = Pipeline(config, Detector(config.detector), classifier)
        self._composer = PayloadBuilder("bench", classifier.labels, config.labels)
        self._sink = sink
        self._state_due = 0.0

    def work(self, frame: Frame) -> Work:
        """Process the frame and hand over what came of it."""
        result = self._pipeline.step(frame)
        stage_ms = dict(result.stage_ms)
        if not result.faces_classified:
            stage_ms.pop("classify", None)
        began = time.perf_counter()
        for event in result.events:
            self._sink.event(self._composer.event(event), frame.captured_monotonic)
        due = bool(result.faces) and frame.seconds >= self._state_due
        if due:
            self._state_due = frame.seconds + STATE_SECONDS
            self._sink.state(self._composer.state(result.faces, frame, frame.captured_unix))
        if due or result.events:
            stage_ms["publish"] = 1000 * (time.perf_counter() - began)
        return Work(len(result.faces), stage_ms)


class PlainLoopVariant:
    """Search each frame whole, at its own size, and read every face found with the same network."""

    def __init__(self, config: Config, classifier: Classifier) -> None:
        path = cascade_path(config.detector.cascade, SEARCH_CASCADE)
        self._cascade = load_cascade(path, "detector.cascade")
        self._classifier = classifier

    def work(self, frame: Frame) -> Work:
        """Search, and read what is found."""
        found = self._cascade.detectMultiScale(
            frame.luma, scaleFactor=PLAIN_SCALE, minNeighbors=PLAIN_NEIGHBOURS, minSize=(PLAIN_MIN_PX, PLAIN_MIN_PX)
        )
        boxes = [Box(*(float(value) for value in corners)) for corners in found]
        self._classifier.classify(frame, boxes)
        return Work(len(boxes))


class NetworkOnlyVariant:
    """One run of the network and nothing else: no program that reads one face per frame costs less."""

    def __init__(self, classifier: Classifier) -> None:
        spec = classifier.manifest.input
        shape = (spec.height, spec.width, 3)[: 3 if classifier.wants_colour else 2]
        self._crop = np.zeros(shape, dtype=np.uint8)
        self._classifier = classifier

    def work(self, frame: Frame) -> Work:  # noqa: ARG002 - it looks at no frame
        """Run the network."""
        self._classifier.classify_crop(self._crop)
        return Work(1)
