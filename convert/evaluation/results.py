"""The results of an evaluation as data. The field names are the keys of the JSON report."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from convert.data.fer2013 import LABELS
from convert.evaluation.end_to_end import EndToEndResult
from convert.evaluation.provenance import Provenance
from convert.evaluation.robustness import ConditionResult
from convert.evaluation.valence import ValenceResult
from convert.metrics import Interval, ReliabilityBin, Scores

FERPLUS: Final = "FER+ majority"
FER2013: Final = "FER2013"
FOUND_FACES: Final = "found faces"
ALL_PICTURES: Final = "all pictures"
"""What the scores on pictures of a folder count: the faces that the detector found, and every picture, where one
without a face counts as wrong."""
ROBUSTNESS: Final = "robustness"
DETECTOR: Final = "the real detector"
"""Parts of an evaluation that are not forms of the model, in `NotMeasured.what`."""
FEW_IMAGES: Final = 20
"""Below this number of images a label gets a warning: the interval of a recall is wider than 40 points around 50 %."""

Probabilities = NDArray[np.float32]
"""float32 (images, labels)."""


@dataclass(frozen=True)
class EvaluationOptions:
    """What to measure.

    `split`: PublicTest or PrivateTest. `quick`: only Keras and the int8 model on the shipped runtime, on the
    clean images. `sample`: number of images of the split, drawn at random; None for all. `tflite_python`: a Python
    that has tflite-runtime, instead of the one that is found.
    """

    split: str = "PrivateTest"
    quick: bool = False
    sample: int | None = None
    tflite_python: Path | None = None


@dataclass(frozen=True)
class RuntimeResult:
    """Scores of one form of the model, run by `runtime`, against the labels of `dataset`."""

    dataset: str
    runtime: str
    scores: Scores


@dataclass(frozen=True)
class NotMeasured:
    """Something that was not measured. `remedy`: what measures it, as a request to the user; may be empty."""

    what: str
    reason: str
    remedy: str

    @property
    def why(self) -> str:
        """The reason, with the remedy where there is one."""
        return f"{self.reason}{'; ' if self.remedy else ''}{self.remedy}"

    def __str__(self) -> str:
        """Return all of it as one sentence."""
        return f"{self.what}: {self.why}"


@dataclass(frozen=True)
class RuntimeComparison:
    """Two forms of the model on the same images.

    `agreement`: share of all `images` with the same most probable label. `judged`: number of images with a
    label of `dataset`; `only_first_right`, `only_second_right`: of those, the images that one form classifies
    correctly and the other does not. `difference`: accuracy of the second less that of the first, a share.
    """

    first: str
    second: str
    images: int
    agreement: float
    dataset: str
    judged: int
    only_first_right: int
    only_second_right: int
    difference: float


@dataclass(frozen=True)
class CalibrationResult:
    """How well the calibrated confidence of the form that `runtime` runs matches its accuracy.

    `calibration_error`: over `bins`. `coverage`: share of images whose confidence reaches the
    threshold `unknown_below`; `covered_accuracy`: accuracy on those, None without any. `curve`: (share of the
    most confident images, accuracy on them). The intervals are of 95 %: of `calibration_error_interval` and Wilson's.
    """

    dataset: str
    runtime: str
    images: int
    temperature: float
    unknown_below: float
    calibration_error: float
    bins: tuple[ReliabilityBin, ...]
    coverage: float
    covered_accuracy: float | None
    curve: tuple[tuple[float, float], ...]
    calibration_error_interval: Interval
    coverage_interval: Interval
    covered_accuracy_interval: Interval | None


@dataclass(frozen=True)
class LabelCounts:
    """Pictures of one label that could be read, and of those: without a face, and with more than one."""

    label: str
    pictures: int
    no_face: int
    several_faces: int


@dataclass(frozen=True)
class PictureCounts:
    """Pictures of a folder, and what was found in them.

    `crops`: whether the pictures are faces already, so that no detector ran. `crop_margin`: with which each box was
    widened. `pictures`: with a label, measured or not readable; `no_face`, `several_faces`: of those read.
    `unreadable`: a sentence for each that was left out. `left_out`: pictures without a label. `other_files`: files that
    are no pictures by their names. `folders`: the label of each folder, None where it was left out.
    """

    folder: str
    crops: bool
    crop_margin: float
    pictures: int
    no_face: int
    several_faces: int
    unreadable: tuple[str, ...]
    left_out: int
    other_files: int
    folders: dict[str, str | None]
    labels: tuple[LabelCounts, ...]

    @property
    def read(self) -> int:
        """Number of pictures that could be read."""
        return self.pictures - len(self.unreadable)


@dataclass(frozen=True)
class Evaluation:
    """All results on one split, or on the pictures of a folder.

    `split`: its name, or that of the folder. `whole`: images of the split as published; `dropped`: of those, left out
    because Training contains them too; `images`: measured. `robustness` and `detected`: int8, FER+ majority, run by
    `trust.runtime`. `not_measured`: what is absent. `pictures`: None for a split. `warnings`: sentences on what makes
    figures weak or looks wrong. `notes`: sentences on what was left out, and under which names.
    `valence`: of each form, on a split. `public_test`: beside PrivateTest, the main runtime on PublicTest: more images
    of the rare labels. `detected_sharp`: as `detected`, of sharpened faces.
    """

    model: str
    sha256: str
    split: str
    whole: int
    dropped: int
    images: int
    results: tuple[RuntimeResult, ...]
    pairs: tuple[RuntimeComparison, ...]
    trust: CalibrationResult
    robustness: tuple[ConditionResult, ...]
    detected: EndToEndResult | None
    not_measured: tuple[NotMeasured, ...]
    circumstances: Provenance
    labels: tuple[str, ...] = LABELS
    pictures: PictureCounts | None = None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    public_test: tuple[RuntimeResult, ...] = ()
    valence: tuple[ValenceResult, ...] = ()
    detected_sharp: EndToEndResult | None = None

    @property
    def shipped(self) -> RuntimeResult:
        """The main result: the labels and the runtime of `trust`."""
        return self.result_of(self.trust.dataset)

    @property
    def over_all_pictures(self) -> RuntimeResult | None:
        """The main result with pictures without a face as wrong; None where no detector ran."""
        return None if self.pictures is None or self.pictures.crops else self.result_of(ALL_PICTURES)

    def result_of(self, dataset: str) -> RuntimeResult:
        """Return the result of the main runtime against the labels of `dataset`."""
        wanted = (dataset, self.trust.runtime)
        return next(result for result in self.results if (result.dataset, result.runtime) == wanted)


@dataclass(frozen=True)
class MeasuredFaces:
    """The faces that were measured, as the page of errors shows them.

    `images`: uint8, grey or BGR. `labels`: int64 (n,), the true labels, -1 where none is known. `votes`: the true
    label in words, such as the shares of people's votes. `places`: where each face comes from.
    """

    images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]
    labels: NDArray[np.int64]
    votes: Sequence[str]
    places: Sequence[str]


@dataclass(frozen=True)
class Measurement:
    """An evaluation with its faces and the calibrated probabilities (n, labels) of the main runtime for them."""

    evaluation: Evaluation
    faces: MeasuredFaces
    probabilities: Probabilities


def few_images_warning(scores: Scores, labels: Sequence[str], images: str) -> tuple[str, ...]:
    """Return a sentence on the labels that have few `images` (a plural noun), as a tuple; empty where none has."""
    few = [
        f"{label} ({scores.images_of(at)})" for at, label in enumerate(labels) if 0 < scores.images_of(at) < FEW_IMAGES
    ]
    if not few:
        return ()
    whose = "this label" if len(few) == 1 else "these labels"
    return (
        f"fewer than {FEW_IMAGES} {images} of {', '.join(few)}: the figures of {whose} say little, see their intervals",
    )
