"""`emotion-edge doctor`: checks every part of the installation by using it, one line each: ok, or what to do."""

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable
from typing import Final, TextIO

import cv2
import numpy as np

from edge import __version__
from edge.capture.open import create_source, read_first_frame
from edge.capture.source import SourceOptions
from edge.commands.common import write_line
from edge.config.schema import Config
from edge.errors import BrokerError, CascadeError, EdgeError
from edge.messages.payload_builder import PayloadBuilder
from edge.mqtt.connection import Connector
from edge.mqtt.errors import ConnectFailedError
from edge.mqtt.outbox.inspect import describe_outbox
from edge.mqtt.settings import broker_settings
from edge.preview.factory import try_preview
from edge.system import board
from edge.system.realtime import describe_priority
from edge.types import Detection, Frame
from edge.vision.classification.classifier import Classifier, find_runtime
from edge.vision.detection.detector import Detector

_TIMED_RUNS: Final = 20
_TEST_SOURCE: Final = "scripted:happy=1?seed=1"


def run(_: argparse.Namespace, config: Config) -> int:
    """Check every part; returns 0 where all are in order, else 1."""
    return doctor(config, sys.stdout)


def doctor(config: Config, stream: TextIO) -> int:
    """Print a line per check; returns 0 where all succeed, else 1."""
    checks = _Checks(config)
    by_name: dict[str, Callable[[], str]] = {
        "system": checks.system,
        "interpreter": checks.interpreter,
        "model": checks.model,
        "cascade": checks.cascade,
        "source": checks.source,
        "broker": checks.broker,
        "outbox": checks.outbox,
        "priority": checks.priority,
    }
    if config.preview.enabled:
        by_name["page"] = checks.page
    failed = 0
    for name, check in by_name.items():
        try:
            line = f"ok    {name:<12} {check()}"
        except EdgeError as error:
            failed += 1
            line = f"FAIL  {name:<12} {error}"
        write_line(stream, line)
    return 1 if failed else 0


class _Checks:
    """One method per part: returns a line about the part, or raises EdgeError with what to do.

    Later checks use the detector and the classifier of earlier ones; each is None where its check failed.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.detector: Detector | None = None
        self.classifier: Classifier | None = None

    def system(self) -> str:
        name = board.board_name() or platform.machine()
        celsius = board.temperature_c()
        temperature = "" if celsius is None else f", {celsius:.0f} degrees C"
        throttled = ", throttled now: check power supply and cooling" if board.throttled() else ""
        return (
            f"emotion-edge {__version__} on {name}, Python {platform.python_version()}, "
            f"OpenCV {cv2.__version__}, numpy {np.__version__}{temperature}{throttled}"
        )

    def interpreter(self) -> str:
        return str(find_runtime(self.config.model.runtime))

    def model(self) -> str:
        classifier = Classifier.from_config(self.config.model)
        spec = classifier.manifest.input
        shape = (spec.height, spec.width, 3)[: 3 if classifier.wants_colour else 2]
        face = np.zeros(shape, dtype=np.uint8)
        times_ms = []
        for _ in range(_TIMED_RUNS):
            began = time.perf_counter()
            classifier.classify_crop(face)
            times_ms.append(1000 * (time.perf_counter() - began))
        PayloadBuilder("", classifier.labels, self.config.labels)
        self.classifier = classifier
        return (
            f"{classifier.path} fits its manifest and runs in {statistics.median(times_ms):.1f} ms on "
            f"{classifier.runtime} (median of {_TIMED_RUNS}, {self.config.model.threads} thread(s))"
        )

    def cascade(self) -> str:
        detector = Detector(self.config.detector)
        frame = read_first_frame(_TEST_SOURCE, SourceOptions(colour=True))
        faces = [face for face in detector.detect(frame.luma) if face.verified]
        if len(faces) != 1:
            raise CascadeError(
                f"{detector.path} finds {len(faces)} faces in a test image that shows one: use a cascade trained on "
                f"frontal faces, or leave detector.cascade empty"
            )
        self.detector = detector
        return f"{detector.path} finds the face in the test image{self._label(frame, faces[0])}"

    def _label(self, frame: Frame, face: Detection) -> str:
        if self.classifier is None:
            return ""
        probabilities = self.classifier.classify(frame, [face.box])[0]
        best = int(probabilities.argmax())
        return f", and the model classifies it as {self.classifier.labels[best]} ({100 * probabilities[best]:.0f} %)"

    def source(self) -> str:
        options = SourceOptions(self.config.source)
        frame = read_first_frame(self.config.source.uri, options)
        height, width = frame.luma.shape
        found = "" if self.detector is None else f", {len(self.detector.detect(frame.luma))} face(s) in its first frame"
        return f"{create_source(self.config.source.uri, options).uri} opens and gives frames of {width}x{height}{found}"

    def broker(self) -> str:
        mqtt = self.config.mqtt
        if not mqtt.url:
            return "none configured: events go to standard output as JSON Lines (set mqtt.url to use a broker)"
        connector = Connector(broker_settings(mqtt), f"emotion-edge-doctor-{time.time_ns() % 1_000_000}")
        began = time.perf_counter()
        try:
            with connector.connect() as connection:
                protocol = connection.protocol.value
                connection.close()
        except ConnectFailedError as error:
            raise BrokerError(str(error)) from error
        return f"{mqtt.url} accepts the connection with {protocol} in {1000 * (time.perf_counter() - began):.0f} ms"

    def outbox(self) -> str:
        return describe_outbox(self.config.mqtt, board.device_id(self.config.device.id))

    def priority(self) -> str:
        return describe_priority(self.config.budget.priority)

    def page(self) -> str:
        return f"can be served at {try_preview(self.config)}"
