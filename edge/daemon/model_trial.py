"""Tries a model on the faces of the built-in actor, which show seven expressions, and warns where it reads them badly.

A file that is a model, and a manifest that fits it, may still be of no use: the network is untrained, or the manifest
states another range, colour or order of labels than that of its training. No such error shows but in what it reads.

Cost: seven frames to draw and seven runs of the network, 0.24 s on one x86-64 core with `normal`, nearly all of it the
drawing. Only where faces are read badly another 35 to 50 runs try other inputs.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.capture.scripted.script import EMOTIONS
from edge.config.schema import EventsConfig
from edge.daemon.actor_pictures import TEST_FACE, actor_pictures
from edge.vision.classification.classifier import Classifier
from edge.vision.classification.face_reading import FaceReading, findings, likely_reasons
from edge.vision.classification.input_forms import (
    KNOWN_RANGES,
    ValueRange,
    describe_range,
    fills,
    other_colours,
    other_ranges,
    range_of_tensor,
)
from edge.vision.classification.manifest import ModelInput, is_shipped, manifest_path
from edge.vision.classification.preprocess import face_for_network
from edge.vision.expression import unknown_threshold

log = logging.getLogger(__name__)

_SKIN: Final = (0.76, 0.95, 1.19)
"""Blue, green and red of skin, in shares of its luma (0.114 B + 0.587 G + 0.299 R = 1): a model of colour pictures must
not be judged by grey ones, on which rgb and bgr are the same."""


class ModelTrial:
    """Reads the test faces with one model. Raises nothing."""

    def __init__(self, classifier: Classifier, events: EventsConfig) -> None:
        self._classifier = classifier
        manifest = classifier.manifest
        self._threshold = unknown_threshold(events, manifest.thresholds.unknown_below)
        self._crops = [
            face_for_network(picture, TEST_FACE, manifest.crop_margin, manifest.input)
            for picture in (_tinted(luma) if classifier.takes_colour else luma for luma in actor_pictures().values())
        ]
        self.reading = self._read(manifest.input)
        """How the model reads them with the input that its manifest states."""

    def _read(self, spec: ModelInput) -> FaceReading:
        return FaceReading(
            labels=self._classifier.labels,
            shown=EMOTIONS,
            probabilities=np.stack([self._classifier.classify_as(face, spec) for face in self._crops]),
            unknown_below=self._threshold,
        )

    def warnings(self) -> list[str]:
        """Return a sentence for each check that fails, and one of what to change. Empty where all is well."""
        found = list(findings(self.reading))
        if not found and self.reading.right == len(self.reading.counted) and not self._quantized_for_another:
            return []
        better = self._better_input()
        if better is not None:
            return [*found, self._advice(*better)]
        return [*found, *self._reasons()] if found else self._range_note()

    @property
    def _own_range(self) -> ValueRange:
        """Range that the model's input was quantized for."""
        return range_of_tensor(self._classifier.input_limits)

    @property
    def _quantized_for_another(self) -> bool:
        """Whether the manifest states another range than a known one that the model's input was quantized for."""
        stated = self._classifier.manifest.input.value_range
        return self._own_range in dict(KNOWN_RANGES) and not fills(self._own_range, stated)

    def _better_input(self) -> tuple[ModelInput, FaceReading] | None:
        """Return the range and colour that reads the faces clearly better than the stated one, if there is any."""
        stated = self._classifier.manifest.input
        tried = [(spec, self._read(spec)) for spec in other_ranges(stated, self._classifier.input_limits)]
        if self._classifier.takes_colour:
            best = max([(stated, self.reading), *tried], key=lambda one: one[1].rank)[0]
            tried += [(spec, self._read(spec)) for spec in other_colours(best)]
        better = [one for one in tried if one[1].is_better_than(self.reading)]
        # The first of equals: the range that the model was quantized for.
        return max(better, key=lambda one: one[1].rank[:2], default=None)

    def _advice(self, spec: ModelInput, reading: FaceReading) -> str:
        stated = self._classifier.manifest.input
        options = []
        if spec.value_range != stated.value_range:
            options.append(f"--range {spec.value_range[0]:g} {spec.value_range[1]:g}")
        if spec.colour != stated.colour:
            options.append(f"--colour {spec.colour}")
        return (
            f"with {_changed_keys(spec, stated)} in {self._manifest}, instead of {_changed_keys(stated, spec)}, the "
            f"model {reading.summary()}: change it there, or give {' '.join(options)} to `emotion-convert quantize`"
        )

    @property
    def _manifest(self) -> Path:
        return manifest_path(self._classifier.path)

    def _reasons(self) -> Iterator[str]:
        if self._quantized_for_another:
            yield self._quantized_sentence() + ", and neither reads the test faces well"
        yield from likely_reasons(self.reading, describe_range(self._own_range))

    def _range_note(self) -> list[str]:
        """Return a sentence where the stated range reads the faces well, and the one of the quantization does too.

        The actor's faces are plain, and are read right even with half of their contrast. Real ones are not.
        """
        if not self._quantized_for_another:
            return []
        spec = msgspec.structs.replace(self._classifier.manifest.input, value_range=self._own_range)
        if self._read(spec).rank[:2] < self.reading.rank[:2]:
            return []
        low, high = self._own_range
        return [
            f"{self._quantized_sentence()}: faces may be read worse than they could be. Change it there, or give "
            f"--range {low:g} {high:g} to `emotion-convert quantize`, if the model was trained with that range"
        ]

    def _quantized_sentence(self) -> str:
        stated = describe_range(self._classifier.manifest.input.value_range)
        return (
            f'{self._manifest} states "range": {stated}, but the input of the model was quantized for '
            f"{describe_range(self._own_range)}"
        )


def _changed_keys(spec: ModelInput, other: ModelInput) -> str:
    """Return those keys of an input that differ from another's, as the manifest has them."""
    keys = [f'"range": {describe_range(spec.value_range)}'] if spec.value_range != other.value_range else []
    keys += [f'"colour": "{spec.colour}"'] if spec.colour != other.colour else []
    return " and ".join(keys)


def warn_of_useless_model(classifier: Classifier, events: EventsConfig) -> None:
    """Log a warning where a model that is not shipped reads the test faces badly. Tries no other input."""
    if is_shipped(classifier.path):
        return
    for sentence in findings(ModelTrial(classifier, events).reading):
        log.warning("%s: %s (`emotion-edge doctor` looks for the reason)", classifier.path, sentence)


def _tinted(luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colour a grey picture, uint8 (h, w), like skin; returns uint8 (h, w, 3), BGR, of the same luma."""
    return np.asarray(cv2.merge([cv2.convertScaleAbs(luma, alpha=share) for share in _SKIN]), dtype=np.uint8)
