"""Compares the models of a folder: size, computation, time and accuracy."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np

from convert.errors import ConvertError
from convert.evaluation.results import FERPLUS
from convert.runtimes.tflite import Int8Model, runtime_name
from edge.vision.classification.manifest import MODEL_SUFFIX, Manifest, load_manifest

_ROUNDS: Final = 300
_SPLIT: Final = "PrivateTest"


@dataclass(frozen=True)
class ModelSummary:
    """Size, cost and accuracy of one model.

    `multiply_adds`: of one inference, convolutions and dense layers. `run_ms`: median processor time of one
    inference on one thread of this machine. `accuracy`, `macro_recall`: of the int8 model, as its manifest
    states them for clean PrivateTest and FER+ majorities; None where it does not.
    """

    name: str
    side_px: int
    parameters: int
    multiply_adds: int
    size_bytes: int
    run_ms: float
    accuracy: float | None
    macro_recall: float | None


def multiply_adds(model: Any) -> int:  # noqa: ANN401 - keras has no types
    """Count the multiply-accumulate operations of one inference of a Keras model on one image.

    Convolutions: height x width of the output x size of the kernel array. The same product holds for
    depthwise ones, which have one kernel per channel. Dense layers: size of the kernel array.
    """
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.DepthwiseConv2D | keras.layers.Conv2D):
            _, height, width, _ = layer.output.shape
            total += height * width * int(np.prod(layer.kernel.shape))
        elif isinstance(layer, keras.layers.Dense):
            total += int(np.prod(layer.kernel.shape))
    return total


def run_times_ms(models: Sequence[Int8Model], rounds: int = _ROUNDS) -> list[float]:
    """Return each model's median processor time of one inference, in ms.

    The models alternate, so that a slow period of the machine affects all alike. Times are of this thread
    (time.thread_time), so models must run on one thread.
    """
    times_ms: list[list[float]] = [[] for _ in models]
    for model in models:
        model.invoke()
    for _ in range(rounds):
        for model, times in zip(models, times_ms, strict=True):
            started = time.thread_time()
            model.invoke()
            times.append(1e3 * (time.thread_time() - started))
    return [float(np.median(times)) for times in times_ms]


def measure_models(folder: Path) -> list[ModelSummary]:
    """Measure every model of a folder that has a manifest and its float model beside it; most expensive first.

    Raises ConvertError where there is none, ModelError where a model and its manifest do not belong together.
    """
    paths = [path for path in sorted(folder.glob(f"*{MODEL_SUFFIX}")) if path.with_suffix(".keras").is_file()]
    if not paths:
        msg = (
            f"{folder} contains no model with a manifest and a float model (NAME.tflite, NAME.json, NAME.keras): give "
            "--models DIR; the installed package has no float models, the folder models of the source checkout has them"
        )
        raise ConvertError(msg)
    manifests = [load_manifest(path) for path in paths]
    times = run_times_ms([Int8Model(path.read_bytes()) for path in paths])
    summaries = [_summary(*each) for each in zip(paths, manifests, times, strict=True)]
    return sorted(summaries, key=lambda summary: -summary.multiply_adds)


def _summary(path: Path, manifest: Manifest, run_ms: float) -> ModelSummary:
    model: Any = keras.models.load_model(path.with_suffix(".keras"), compile=False)
    return ModelSummary(
        name=manifest.name,
        side_px=manifest.input.width,
        parameters=int(model.count_params()),
        multiply_adds=multiply_adds(model),
        size_bytes=path.stat().st_size,
        run_ms=run_ms,
        accuracy=_stated_metric(manifest, "accuracy"),
        macro_recall=_stated_metric(manifest, "macro_recall"),
    )


def _stated_metric(manifest: Manifest, name: str) -> float | None:
    for metric in manifest.metrics:
        of_int8 = manifest.quantization.input.dtype in metric.runtime
        if metric.name == name and metric.dataset == FERPLUS and metric.split.startswith(_SPLIT) and of_int8:
            return metric.value
    return None


def to_text(models: Sequence[ModelSummary]) -> str:
    """Return the comparison as text; times relative to the model `normal`, else to the first."""
    baseline = next((model for model in models if model.name == "normal"), models[0])
    lines = [
        f"{'model':<12} {'input':>7} {'accuracy':>10} {'macro recall':>13} {'parameters':>11} "
        f"{'MACs':>8} {'bytes':>10} {'one run':>9} {'of ' + baseline.name:>10}"
    ]
    for model in models:
        accuracy, recall = (
            "not stated" if value is None else f"{100 * value:.2f} %" for value in (model.accuracy, model.macro_recall)
        )
        lines.append(
            f"{model.name:<12} {model.side_px:>4} px {accuracy:>10} {recall:>13} {model.parameters:>11,} "
            f"{model.multiply_adds / 1e6:>6.1f} M {model.size_bytes:>10,} {model.run_ms:>6.3f} ms "
            f"{model.run_ms / baseline.run_ms:>10.2f}"
        )
    lines.append(
        f"accuracy: int8, FER+ majority, clean {_SPLIT}, as the manifests state it; one run: median of {_ROUNDS}, "
        f"processor time of one thread, {runtime_name()}"
    )
    return "\n".join(lines) + "\n"
