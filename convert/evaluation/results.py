"""The results of an evaluation as data. The field names are the keys of the JSON report."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from convert.data.fer2013 import Split
from convert.evaluation.end_to_end import EndToEndResult
from convert.evaluation.provenance import Provenance
from convert.evaluation.robustness import ConditionResult
from convert.metrics import ReliabilityBin, Scores

FERPLUS: Final = "FER+ majority"
FER2013: Final = "FER2013"

Probabilities = NDArray[np.float32]
"""float32 (images, labels)."""


@dataclass(frozen=True)
class EvaluationOptions:
    """What to measure.

    `split`: PublicTest or PrivateTest. `quick`: only Keras and the int8 model on the shipped runtime, on the
    clean images. `sample`: number of images of the split, drawn at random; None for all.
    """

    split: str = "PrivateTest"
    quick: bool = False
    sample: int | None = None


@dataclass(frozen=True)
class RuntimeResult:
    """Scores of one form of the model, run by `runtime`, against the labels of `dataset`."""

    dataset: str
    runtime: str
    scores: Scores


@dataclass(frozen=True)
class RuntimeComparison:
    """Two forms of the model on the same images.

    `agreement`: share of all `images` with the same most probable label. `judged`: number of images with a
    FER+ majority; `only_first_right`, `only_second_right`: of those, the images that one form classifies
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
    """How well the calibrated confidence of the int8 form matches its accuracy.

    `calibration_error`: over `bins`. `coverage`: share of images whose confidence reaches the manifest's
    threshold `unknown_below`; `covered_accuracy`: accuracy on those, None without any. `curve`: (share of the
    most confident images, accuracy on them).
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


@dataclass(frozen=True)
class Evaluation:
    """All results on one split.

    `whole`: images of the split as published; `dropped`: of those, left out because Training contains them
    too; `images`: measured. `robustness` and `detected`: int8, FER+ majority, run by `trust.runtime`.
    `absent`: what was not measured, with the reason.
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
    absent: tuple[str, ...]
    circumstances: Provenance

    @property
    def shipped(self) -> RuntimeResult:
        """The main result: the labels and the runtime of `trust`."""
        wanted = (self.trust.dataset, self.trust.runtime)
        return next(result for result in self.results if (result.dataset, result.runtime) == wanted)


@dataclass(frozen=True)
class Measurement:
    """An evaluation with its images and the calibrated int8 probabilities (n, 7) for them."""

    evaluation: Evaluation
    split: Split
    probabilities: Probabilities
