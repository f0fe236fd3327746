"""Checks for `doctor` how faces are read: interpreter, model, cascade, source."""

import os
import statistics
import time
from pathlib import Path
from typing import ClassVar, Final

import msgspec
import numpy as np

from edge.capture.masks import masks_in_words, masks_warning
from edge.capture.open import create_masked_source
from edge.capture.probe import SourceProbe, probe_source
from edge.capture.scripted.script import source_in_words
from edge.capture.source import SourceOptions
from edge.capture.stall import StallLimit
from edge.commands.doctor.checks import Check, Checks
from edge.config.schema import Config
from edge.config.state_dir import calm_face_file
from edge.control.calm_face import CalmFace, CalmFaceFile
from edge.daemon.cascade_trial import cascade_findings
from edge.daemon.finder_trial import describe_finder, finder_findings, other_version
from edge.daemon.model_trial import ModelTrial
from edge.daemon.slow_source import slow_source_effects, slow_source_sentence
from edge.errors import CascadeError, ConfigError, DetectorError
from edge.messages.payload_builder import PayloadBuilder
from edge.system import board
from edge.vision.classification.classifier import Classifier, find_runtime
from edge.vision.classification.manifest import configured_model, load_manifest
from edge.vision.detection.detector import Detector
from edge.vision.detection.verification import NO_VERIFICATION

_TIMED_RUNS: Final = 20


class VisionChecks(Checks):
    """Checks how faces are read.

    Later checks use the detector and the classifier of earlier ones; each is None where its check failed.
    """

    conditional: ClassVar[frozenset[str]] = frozenset({"calm-face", "detector"})

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.detector: Detector | None = None
        self.classifier: Classifier | None = None

    def by_name(self) -> dict[str, Check]:
        """Return the checks by name."""
        checks = {"interpreter": self._interpreter, "model": self._model}
        if self._kept_calm_face() is not None:
            checks["calm-face"] = self._calm_face
        checks["cascade"] = self._cascade
        if self.config.detector.kind != "haar":
            checks["detector"] = self._detector
        return checks | {"source": self._source}

    def _interpreter(self) -> str:
        return str(find_runtime(self.config.model.runtime))

    def _model(self) -> str:
        classifier = Classifier.from_config(self.config.model)
        spec = classifier.manifest.input
        shape = (spec.height, spec.width, 3)[: 3 if classifier.wants_colour else 2]
        face = np.zeros(shape, dtype=np.uint8)
        times_ms = []
        for _ in range(_TIMED_RUNS):
            began = time.perf_counter()
            classifier.classify_crop(face)
            times_ms.append(1000 * (time.perf_counter() - began))
        finding = PayloadBuilder("", classifier.labels, self.config.labels, self.config.valence).weights.finding()
        self.classifier = classifier
        if finding is not None:
            self.warn(finding)
        trial = ModelTrial(classifier, self.config.events)
        for sentence in trial.warnings():
            self.warn(sentence)
        return (
            f"{classifier.path} fits its manifest, runs in {statistics.median(times_ms):.1f} ms on "
            f"{classifier.runtime} (median of {_TIMED_RUNS}, {self.config.model.threads} thread(s)), and "
            f"{trial.reading.summary()}"
        )

    def _kept_calm_face(self) -> Path | None:
        """Return the file of the calm face, None where there is none; another check reports a folder of no use."""
        try:
            file = calm_face_file(self.config.mqtt, board.device_id(self.config.device.id))
        except ConfigError:
            return None
        return file if file is not None and os.path.exists(file) else None  # noqa: PTH110 - Path.exists may raise

    def _calm_face(self) -> str:
        manifest = load_manifest(configured_model(self.config.model))
        calm_face = CalmFace(manifest, CalmFaceFile(self._kept_calm_face()))
        if calm_face.ignored is not None:
            self.warn(f"not in force: {calm_face.ignored}")
            return "kept, and not in force"
        return f'kept since {calm_face.info.since} (request/calibrate with {{"reset": true}} removes it)'

    def _cascade(self) -> str:
        # Without the network, which has a check of its own.
        detector = Detector(msgspec.structs.replace(self.config.detector, kind="haar"))
        first, *others = [*cascade_findings(self.config.detector), ""]
        if first:
            for sentence in filter(None, others):
                self.warn(sentence)
            raise CascadeError(first)
        self.detector = detector
        verified = self.config.detector.confirm_cascade != NO_VERIFICATION
        return f"{detector.path} finds the face in the test picture" + (
            ", and the second cascade verifies it" * verified
        )

    def _detector(self) -> str:
        # Until it is in order, nothing is said of faces in the source.
        self.detector = None
        detector = Detector(self.config.detector)
        for sentence in finder_findings(detector.finder):
            raise DetectorError(sentence)
        self.detector = detector
        warning = other_version(detector.finder)
        if warning is not None:
            self.warn(warning)
        return f"{describe_finder(detector.finder)} finds the face in the test picture"

    def _source(self) -> str:
        config = self.config.source
        options = SourceOptions(config, stall=StallLimit(config.stall_seconds, config.fps))
        source = create_masked_source(self.config, options, self.warn)
        probe = probe_source(source)
        self._warn_of_slow_source(source.live, probe)
        height, width = probe.first.luma.shape
        rate = "" if probe.fps is None else f", {probe.fps:.3g} a second"
        found = ""
        limit = None if self.detector is None else self.detector.search_limit((height, width))
        if limit is not None:
            self.warn(limit)
        if self.detector is not None:
            found = f", {len(self.detector.detect(probe.first.luma, probe.first.in_colour))} face(s) in its first frame"
        warning = masks_warning(probe.first)
        if warning is not None:
            self.warn(warning)
        masked = masks_in_words(probe.first)
        masked = "" if masked is None else f", {masked}"
        return f"{source_in_words(source.uri)} gives frames of {width}x{height}{rate}{masked}{found}"

    def _warn_of_slow_source(self, live: bool, probe: SourceProbe) -> None:  # noqa: FBT001 - as Source.live
        if probe.problem is not None and (probe.fps is not None or not live):
            self.warn(f"after {probe.frames} frame(s): {probe.problem}")
        fps, requested = probe.max_fps, self.config.source.fps
        measured = probe.fps is not None
        if live and not measured and 0 < requested * probe.waited_seconds < 1:
            fps, measured = requested, True
        elif live and not measured:
            cause = probe.problem or "its frames are further apart than this check waits"
            self.warn(
                f"the camera gave one frame, and none in the {probe.waited_seconds:.0f} s after it ({cause}). Where it "
                f"is meant to be that slow, set source.fps to its rate, such as 0.1 for a frame in ten seconds"
            )
        effects = [] if fps is None else slow_source_effects(self.config, fps, live=live)
        if fps is not None and effects:
            self.warn(slow_source_sentence(fps, effects, measured=measured))
