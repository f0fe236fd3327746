"""Recognises what the outputs of a classifier are, and converts each kind to probabilities.

A network ends in a softmax, in one sigmoid per label, or in nothing (logits). One kind taken for another is not noticed
at once and wrong for ever: a softmax over sigmoids gives no label of seven more than e / (e + 6) = 0.31.
"""

from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

OutputKind = Literal["probabilities", "sigmoids", "logits"]

FLOAT_TOLERANCE: Final = 1e-4
"""Rounding of one float32 output. A softmax of seven labels sums to 1 within 1e-6; sigmoids of a trained network miss 1
by hundredths on most pictures."""
_CONSTANT_SUM_TOLERANCE: Final = 1e-3
"""Relative spread of the sums of outputs that are probabilities times a factor."""


class UnusableOutputsError(ValueError):
    """Outputs that are of none of the three kinds. The message says what they are, as the end of a sentence."""


def recognise_outputs(values: NDArray[np.floating[Any]], tolerance: float = FLOAT_TOLERANCE) -> OutputKind:
    """Return what the outputs of a network are, by their values for several pictures.

    `values`: (pictures, labels), at least one and two. `tolerance`: rounding of one output, the scale of a quantized
    one. Every row decides: sigmoids may sum to 1 on some pictures by chance.

    - probabilities: from 0 to 1, and each row sums to 1
    - sigmoids: from 0 to 1, with another sum in at least one row
    - logits: anything else, log-probabilities included, of which a softmax gives the probabilities exactly

    Raises UnusableOutputsError for values that are not finite, and for probabilities times a factor, such as per cent.
    """
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        raise UnusableOutputsError(f"not finite on {int((~finite).sum())} of {len(values)} pictures")
    wide = values.astype(np.float64)
    sums = wide.sum(axis=1)
    if wide.min() >= -tolerance and wide.max() <= 1 + tolerance:
        return "probabilities" if np.abs(sums - 1).max() <= tolerance * values.shape[1] else "sigmoids"
    factor = float(sums.mean())
    rounding = tolerance * values.shape[1] + _CONSTANT_SUM_TOLERANCE * abs(factor)
    same_rows = bool((np.ptp(wide, axis=0) <= tolerance).all())
    if wide.min() >= -tolerance and np.abs(sums - factor).max() <= rounding and not same_rows:
        raise UnusableOutputsError(
            f"not negative and sum to {factor:.4g} on every picture: they are probabilities times {factor:.4g}"
        )
    return "logits"


def to_probabilities(
    values: NDArray[np.float32], kind: OutputKind, temperature: float, quantum: float
) -> NDArray[np.float32]:
    """Convert outputs, float32 (..., labels), to calibrated probabilities: above 0, with the sum 1.

    Logits: softmax(logits / T). Probabilities: p^(1/T), renormalised, which is the same (`calibrate`). Sigmoids: the
    same, so that with T = 1 each is divided by their sum. They answer seven independent questions, while a face gets
    one label; the division keeps their order and their ratios. `quantum`: scale of the quantized output.
    """
    if kind == "logits":
        wide = values.astype(np.float64)
        powers = np.exp((wide - wide.max(axis=-1, keepdims=True)) / temperature)
        # The least float32 keeps what underflows above 0.
        powers = np.maximum(powers, np.finfo(np.float32).tiny)
        return np.asarray(powers / powers.sum(axis=-1, keepdims=True), dtype=np.float32)
    if kind == "sigmoids":
        # All may be near 0, and their powers would be too small for float32: the highest becomes 1 first.
        floored = np.maximum(values, quantum / 2)
        return calibrate(np.asarray(floored / floored.max(axis=-1, keepdims=True), np.float32), temperature, 0.0)
    return calibrate(values, temperature, quantum)


def calibrate(probabilities: NDArray[np.float32], temperature: float, quantum: float) -> NDArray[np.float32]:
    """Scale probabilities, float32 (..., labels), by a temperature T: p^(1/T), renormalised to sum 1.

    Equal to the softmax of logits / T (Guo et al., "On calibration of modern neural networks", 2017), but
    computed from the output of a quantized softmax. `quantum`: scale of that output. Probabilities are raised
    to at least half of it, below which the output cannot distinguish them, so that none is zero.
    """
    floored = np.maximum(probabilities, quantum / 2)
    powered = floored ** (1 / temperature)
    return np.asarray(powered / powered.sum(axis=-1, keepdims=True), dtype=np.float32)
