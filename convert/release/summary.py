"""Describes a converted model for its user: input, labels, three pictures, and the command to try it."""

import json
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.vision.classification.manifest import ModelInput, manifest_path

_PICTURES: Final = 3
_MODEL_VARIABLE: Final = "EMOTION_EDGE_MODEL_NAME"
"""Environment variable of the configuration key `model.name`."""


def summary_lines(
    path: Path,
    spec: ModelInput,
    labels: Sequence[str],
    forms: tuple[NDArray[np.float32], NDArray[np.float32]],
    sources: Sequence[str],
) -> Iterator[str]:
    """Yield what a user must know about a model that was written to `path`.

    `forms`: calibrated probabilities, float32 (pictures, labels), of the float and of the int8 model. `sources`: the
    name of each picture.
    """
    low, high = spec.value_range
    yield f"wrote {path} and {manifest_path(path)}"
    yield f"input: {spec.width}x{spec.height} pixels, {spec.colour}; pixel values 0 to 255 become {low:g} to {high:g}"
    yield f"labels, in the order of the outputs: {', '.join(labels)}"
    shown = pictures_to_show(forms[0])
    yield f"{len(shown)} of the calibration pictures, each with its label and the probability of that:"
    width = max(len(sources[at]) for at in shown)
    texts = [[_leader(rows[at], labels) for rows in forms] for at in shown]
    float_width = max(len(text) for text, _ in texts)
    for at, (by_float, by_int8) in zip(shown, texts, strict=True):
        yield f"  {sources[at]:<{width}}  float: {by_float:<{float_width}}  int8: {by_int8}"
    yield f"try it: {_MODEL_VARIABLE}={shlex.quote(str(path))} emotion-edge classify PHOTO.jpg"
    yield "use it with these two lines in the configuration of the sensor:"
    yield "  [model]"
    yield f"  name = {json.dumps(str(path.absolute()))}"


def pictures_to_show(probabilities: NDArray[np.float32]) -> list[int]:
    """Return the numbers of up to three pictures, of different labels as far as there are.

    `probabilities`: float32 (pictures, labels). Of each label the first picture is taken.
    """
    leaders = probabilities.argmax(axis=1)
    first = np.unique(leaders, return_index=True)[1]
    others = np.setdiff1d(np.arange(len(leaders)), first)
    return sorted(np.concatenate([first, others])[:_PICTURES].tolist())


def _leader(row: NDArray[np.float32], labels: Sequence[str]) -> str:
    at = int(row.argmax())
    return f"{labels[at]} {row[at]:.2f}"
