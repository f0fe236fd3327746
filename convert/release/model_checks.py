"""Finds what looks wrong in a user's model: double scaling of the input, unknown faces, labels in another order."""

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from convert.errors import ConvertError, reason_of
from convert.runtimes.inputs import Image, to_network
from convert.runtimes.keras_model import FloatModel
from convert.runtimes.network_ends import last_operations, scaled_input
from convert.runtimes.outputs import with_probabilities
from edge.vision.classification.face_reading import plain_label
from edge.vision.classification.manifest import ModelInput

_PIXELS: Final = (0.0, 255.0)
_RANGES: Final = (_PIXELS, (0.0, 1.0), (-1.0, 1.0))
"""Ranges with which networks are trained."""
_CREDIBLE_SPAN: Final = (0.1, 300.0)
"""Difference of black and white at a first layer: 1 or 2 in most networks, 4.5 where ImageNet's deviation divides, 255
where only its mean is subtracted. Scaled twice by 1/127.5 it is 0.016."""
_COMPARED_IMAGES: Final = 64
_UNMOVED: Final = 0.02
"""Standard deviation of a probability from image to image below which a network hardly looks at them."""
_CLEARER: Final = 5.0
"""How much more another range must move the outputs, to be named."""
_MOST: Final = 0.5
_ENOUGH_IMAGES: Final = 50
"""Calibration images below which the ranges of the activations are a matter of chance."""
_ENOUGH_NAMED: Final = 20
"""Images with a known expression from which an order of labels can be judged."""
_FAR_BETTER: Final = 0.25
"""Share of images by which another order of labels must be better. The best order of a network that guesses gains some
0.1 on twenty images."""
_MOST_PERMUTED: Final = 8
"""Labels up to which all orders are tried, 40,320; beyond, pairs are exchanged while that gains."""


def count_warnings(count: int) -> Iterator[str]:
    """Yield a sentence where there are fewer calibration pictures than int8 needs."""
    if count < _ENOUGH_IMAGES:
        yield (
            f"{count} calibration picture{'s are' if count > 1 else ' is'} too few: int8 takes its value ranges from "
            f"them, and other pictures may exceed these; give {_ENOUGH_IMAGES} or more, best some hundred"
        )


def input_warnings(model: FloatModel, spec: ModelInput, images: Sequence[Image]) -> Iterator[str]:
    """Yield a sentence for each reason to doubt that the model receives what it was trained with.

    Raises ConvertError where the model cannot be traced or its outputs cannot be used.
    """
    low, high = spec.value_range
    try:
        last = last_operations(model)
        scaled = scaled_input(model, low, high)
    except Exception as error:  # TensorFlow raises any type
        msg = f"model {model.path} cannot be traced for one image: {reason_of(error)}"
        raise ConvertError(msg) from error
    if last in {("Softmax", "Sigmoid"), ("Softmax", "Softmax")}:
        yield (
            f"the model has a softmax over values between 0 and 1, of a {last[1].lower()}: with {model.outputs} labels "
            f"no probability can exceed {np.e / (np.e + model.outputs - 1):.2f}; leave one of the two out"
        )
    if scaled is None:
        yield from _range_warnings(model, spec, images)
        return
    first, last_value, fitted = scaled
    arrives = f"with --range {low:g} {high:g} its first layer receives {first:.3g} to {last_value:.3g}"
    credible = _CREDIBLE_SPAN[0] <= last_value - first <= _CREDIBLE_SPAN[1]
    if not credible:
        another = "another --range" if (low, high) == _PIXELS else "--range 0 255, or the range of its training"
        yield f"the model scales its input itself, and {arrives}: give {another}"
    elif not fitted and (low, high) != _PIXELS:
        yield (
            f"the model scales its input itself, although --range scales too: {arrives}; if it was trained on plain "
            "pixels, give --range 0 255"
        )


def _range_warnings(model: FloatModel, spec: ModelInput, images: Sequence[Image]) -> Iterator[str]:
    """Yield a sentence where the outputs hardly change from image to image, and would with another range."""

    def movement(value_range: tuple[float, float]) -> float:
        probable = ModelInput(width=spec.width, height=spec.height, colour=spec.colour, value_range=value_range)
        inputs = np.stack([to_network(image, probable) for image in images[:_COMPARED_IMAGES]])
        try:
            return float(with_probabilities(model, inputs).predict(inputs).std(axis=0).max())
        except ConvertError:  # with a range that is not the model's, outputs may be of no kind
            return 0.0

    if len(images) == 1:
        return
    given = movement(spec.value_range)
    if given >= _UNMOVED:
        return
    others = {each: movement(each) for each in _RANGES if each != spec.value_range}
    best = max(others, key=lambda each: others[each])
    low, high = spec.value_range
    sentence = f"with --range {low:g} {high:g} the model gives almost the same for every image"
    if others[best] >= max(_UNMOVED, _CLEARER * given):
        sentence += f", and would not with --range {best[0]:g} {best[1]:g}: was it trained with that?"
    yield sentence


def output_warnings(
    probabilities: NDArray[np.float32], labels: Sequence[str], names: Sequence[str], unknown_below: float
) -> Iterator[str]:
    """Yield a sentence for each reason to doubt that faces will get their labels.

    `probabilities`: float32 (images, labels), calibrated, of the int8 model. `names`: of the expressions that the
    images show, "" where that is not known.
    """
    highest = probabilities.max(axis=1)
    unknown = float((highest < unknown_below).mean())
    if unknown > _MOST:
        yield (
            f"{100 * unknown:.0f} % of the {len(highest)} calibration pictures fall below --unknown-below "
            f"{unknown_below:g}, so that such faces would be unknown (highest probability {highest.max():.2f}, median "
            f"{np.median(highest):.2f}): --range, --colour or the calibration pictures may be wrong, or the threshold "
            "is too high for this model"
        )
    order = better_order(probabilities, labels, names)
    if order is not None:
        given, best, suggested = order
        yield (
            f"the labels look permuted: of the calibration pictures whose expression is known {100 * given:.0f} % are "
            f"right, and {100 * best:.0f} % would be with --labels {','.join(suggested)}"
        )


def better_order(
    probabilities: NDArray[np.float32], labels: Sequence[str], names: Sequence[str]
) -> tuple[float, float, list[str]] | None:
    """Return the order of labels that fits the known expressions far better, if there is one.

    Returns the share of images that are right with the labels as they are, the share with the better order, and that
    order. Needs twenty images whose names are among the labels, or are other names of FER's seven.
    """
    known = {plain_label(label): at for at, label in enumerate(labels)}
    truth = np.array([known.get(plain_label(name), -1) for name in names])
    named = truth >= 0
    if named.sum() < _ENOUGH_NAMED or len(set(truth[named])) < 2:  # noqa: PLR2004 - one label has no order
        return None
    counts = np.zeros((len(labels), len(labels)), dtype=np.int64)
    np.add.at(counts, (truth[named], probabilities[named].argmax(axis=1)), 1)
    outputs = _best_assignment(counts)
    rows = np.arange(len(labels))
    given, best = np.trace(counts) / named.sum(), counts[rows, outputs].sum() / named.sum()
    if best - given < _FAR_BETTER:
        return None
    suggested = [""] * len(labels)
    for label, output in zip(labels, outputs, strict=True):
        suggested[output] = label
    return float(given), float(best), suggested


def _best_assignment(counts: NDArray[np.int64]) -> NDArray[Any]:
    """Return the output for each label that makes the most images right; `counts`: (labels, outputs)."""
    size = len(counts)
    rows = np.arange(size)
    if size <= _MOST_PERMUTED:
        orders = np.array(list(permutations(range(size))))
        return np.asarray(orders[counts[rows, orders].sum(axis=1).argmax()])
    order = rows.copy()
    gained = True
    while gained:
        gained = False
        for one in range(size):
            for other in range(one):
                now = counts[one, order[one]] + counts[other, order[other]]
                if counts[one, order[other]] + counts[other, order[one]] > now:
                    order[[one, other]] = order[[other, one]]
                    gained = True
    return order
