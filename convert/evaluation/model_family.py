"""What each model of a folder costs and is worth, side by side: which one for which board."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np

from convert.errors import ConvertError
from convert.evaluation.evaluate import FERPLUS
from convert.runtimes.tflite import Int8Model, runtime_name
from edge.manifest import MODEL_SUFFIX, Manifest, load_manifest

_ROUNDS: Final = 300
_SPLIT: Final = "PrivateTest"


@dataclass(frozen=True)
class Member:
    """One model: size, cost and worth.

    `multiply_adds`: of one run, convolutions and dense layers; `run_ms`: median processor time of one
    run on one thread of this machine; `accuracy`, `macro_recall`: of its int8 form as the manifest
    states them for clean PrivateTest and FER+ majorities, None where it states none.
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
    """Count the multiply-accumulate operations of one run of a Keras model on one picture.

    Convolutions: height x width of the output x size of the kernel array; depthwise ones hold one
    kernel per channel, so the same product holds. Dense: size of the kernel array.
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
    """Return each model's median processor time of one run, in ms.

    The models take turns, so that what slows the machine slows them alike. Times are of this thread
    (time.thread_time), so models must run on one thread.
    """
    taken: list[list[float]] = [[] for _ in models]
    for model in models:
        model.invoke()
    for _ in range(rounds):
        for model, times in zip(models, taken, strict=True):
            started = time.thread_time()
            model.invoke()
            times.append(1e3 * (time.thread_time() - started))
    return [float(np.median(times)) for times in taken]


def study_family(folder: Path) -> list[Member]:
    """Measure every model of a folder that has a manifest and its float model beside it; largest first.

    Raises ConvertError where there is none, ModelError where a pair does not belong together.
    """
    paths = [path for path in sorted(folder.glob(f"*{MODEL_SUFFIX}")) if path.with_suffix(".keras").is_file()]
    if not paths:
        msg = f"{folder} holds no model with a manifest and a float model (NAME.tflite, NAME.json, NAME.keras)"
        raise ConvertError(msg)
    manifests = [load_manifest(path) for path in paths]
    times = run_times_ms([Int8Model(path.read_bytes()) for path in paths])
    members = [_member(*each) for each in zip(paths, manifests, times, strict=True)]
    return sorted(members, key=lambda member: -member.multiply_adds)


def _member(path: Path, manifest: Manifest, run_ms: float) -> Member:
    model: Any = keras.models.load_model(path.with_suffix(".keras"), compile=False)
    return Member(
        name=manifest.name,
        side_px=manifest.input.width,
        parameters=int(model.count_params()),
        multiply_adds=multiply_adds(model),
        size_bytes=path.stat().st_size,
        run_ms=run_ms,
        accuracy=_stated(manifest, "accuracy"),
        macro_recall=_stated(manifest, "macro_recall"),
    )


def _stated(manifest: Manifest, name: str) -> float | None:
    for metric in manifest.metrics:
        of_int8 = manifest.quantization.input.dtype in metric.runtime
        if metric.name == name and metric.dataset == FERPLUS and metric.split.startswith(_SPLIT) and of_int8:
            return metric.value
    return None


def to_table(members: Sequence[Member]) -> str:
    """Return the family for people; times relative to `normal`, or to the first where there is none."""
    norm = next((member for member in members if member.name == "normal"), members[0])
    lines = [
        f"{'model':<12} {'input':>7} {'accuracy':>10} {'macro recall':>13} {'parameters':>11} "
        f"{'MACs':>8} {'bytes':>10} {'one run':>9} {'of ' + norm.name:>10}"
    ]
    for member in members:
        accuracy, recall = (
            "not stated" if value is None else f"{100 * value:.2f} %"
            for value in (member.accuracy, member.macro_recall)
        )
        lines.append(
            f"{member.name:<12} {member.side_px:>4} px {accuracy:>10} {recall:>13} {member.parameters:>11,} "
            f"{member.multiply_adds / 1e6:>6.1f} M {member.size_bytes:>10,} {member.run_ms:>6.3f} ms "
            f"{member.run_ms / norm.run_ms:>10.2f}"
        )
    lines.append(
        f"accuracy: int8, FER+ majority, clean {_SPLIT}, as the manifests state it; one run: median of {_ROUNDS}, "
        f"processor time of one thread, {runtime_name()}"
    )
    return "\n".join(lines) + "\n"
