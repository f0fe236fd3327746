"""What an evaluation consists of, as data."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convert.data.fer2013 import Split
from convert.evaluation.end_to_end import Detected
from convert.evaluation.provenance import Circumstances
from convert.evaluation.robustness import Robust
from convert.metrics import Bin, Scores


@dataclass(frozen=True)
class How:
    """What to measure.

    `split`: PublicTest or PrivateTest. `quick`: leave out all but Keras and the int8 model on the
    runtime that ships. `sample`: measure so many images of the split, drawn at random; None for all.
    """

    split: str = "PrivateTest"
    quick: bool = False
    sample: int | None = None


@dataclass(frozen=True)
class Result:
    """Scores of one form of the model, run by `runtime`, against the labels of `dataset`."""

    dataset: str
    runtime: str
    scores: Scores


@dataclass(frozen=True)
class Pair:
    """Two forms of the model on the same images.

    `agreement`: share of all `images` with the same most probable label. Of the `judged` ones, which
    have a FER+ majority, `only_first_right` and `only_second_right` are right in one form and wrong in
    the other; `difference`: accuracy of the second less that of the first, as a share.
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
class Trust:
    """Whether the calibrated confidence of the int8 form means what it says.

    `calibration_error`: over `bins`. `coverage`: share of images whose confidence reaches the
    manifest's threshold `unknown_below`, `covered_accuracy`: of those, None without any. `curve`:
    (share of the surest images, accuracy on them).
    """

    dataset: str
    runtime: str
    images: int
    temperature: float
    unknown_below: float
    calibration_error: float
    bins: tuple[Bin, ...]
    coverage: float
    covered_accuracy: float | None
    curve: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Evaluation:
    """Everything measured on one split.

    `whole`: images of the split as it was published; `dropped`: of those, left out because Training
    holds them too; `images`: measured. `robustness` and `detected`: int8, FER+ majority, run by
    `trust.runtime`. `absent`: what was not measured, with the reason.
    """

    model: str
    sha256: str
    split: str
    whole: int
    dropped: int
    images: int
    results: tuple[Result, ...]
    pairs: tuple[Pair, ...]
    trust: Trust
    robustness: tuple[Robust, ...]
    detected: Detected | None
    absent: tuple[str, ...]
    circumstances: Circumstances

    @property
    def shipped(self) -> Result:
        """The result that counts: the labels and the form of the model that `trust` is about."""
        wanted = (self.trust.dataset, self.trust.runtime)
        return next(result for result in self.results if (result.dataset, result.runtime) == wanted)


@dataclass(frozen=True)
class Measurement:
    """An evaluation, and what it was read from: the split, and calibrated int8 probabilities (n, 7) of it."""

    evaluation: Evaluation
    images: Split
    calibrated: NDArray[np.float32]
