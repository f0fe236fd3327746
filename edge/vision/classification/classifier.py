"""Runs the int8 network: finds an interpreter, checks the model against its manifest, classifies faces."""

import importlib
import logging
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.config.schema import ModelConfig
from edge.errors import ModelError
from edge.logs.native import log_native_stderr
from edge.system.installation import how_to_install
from edge.types import Box, Frame
from edge.vision.classification.manifest import (
    Colour,
    Manifest,
    ModelInput,
    Quantization,
    configured_model,
    load_manifest,
)
from edge.vision.classification.outputs import OutputKind, UnusableOutputsError, recognise_outputs, to_probabilities
from edge.vision.classification.preprocess import dequantize, face_for_network, input_table

log = logging.getLogger(__name__)

RUNTIMES: Final = {
    "ai-edge-litert": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
}
"""Interpreter module by distribution, in order of preference: for int8 ai-edge-litert is many times faster."""
_OLDER_RUNTIME: Final = "tflite-runtime"
_FIRST_WITHOUT_OLDER_RUNTIME: Final = (3, 12)
"""Version 2.14 is the last, and has no wheel from this Python on."""

_INTERPRETER_DTYPES: Final = (np.dtype(np.int8), np.dtype(np.uint8))
_POSSIBLE: Final[dict[OutputKind, tuple[OutputKind, ...]]] = {
    "probabilities": ("probabilities", "sigmoids"),
    "sigmoids": ("sigmoids", "logits"),
    "logits": ("logits",),
}
"""What a manifest may state, by what the outputs on the test pictures look like."""
_TEST_LEVELS: Final = (0, 128, 255)
_TEST_SEED: Final = 1
_SCALE_TOLERANCE: Final = 1e-6
"""Relative difference of a float32 that was written as decimal JSON and read back."""


@dataclass(frozen=True)
class Runtime:
    """An importable interpreter package: distribution name, version and `Interpreter` class."""

    name: str
    version: str
    interpreter: Any

    def __str__(self) -> str:
        """Return the name and version, as in `ai-edge-litert 2.3.0`."""
        return f"{self.name} {self.version}"


def find_runtime(wanted: str = "auto") -> Runtime:
    """Import an interpreter.

    `wanted`: a key of RUNTIMES, or "auto" for the first of them that is installed. Raises ModelError where it
    cannot be imported; the message names what to install.
    """
    names = list(RUNTIMES) if wanted == "auto" else [wanted]
    reasons = []
    for name in names:
        try:
            module = importlib.import_module(RUNTIMES[name])
            return Runtime(name, version(name), module.Interpreter)
        except (ImportError, PackageNotFoundError, AttributeError) as error:
            reasons.append(f"{name}: {error}")
    raise ModelError(
        f"model.runtime is {wanted!r}, but no such interpreter can be imported ({'; '.join(reasons)}): "
        + _how_to_install_runtime(wanted)
    )


def _how_to_install_runtime(wanted: str) -> str:
    if wanted == _OLDER_RUNTIME and sys.version_info >= _FIRST_WITHOUT_OLDER_RUNTIME:
        return 'it exists up to Python 3.11 only; set model.runtime = "auto"'
    if wanted == _OLDER_RUNTIME:
        return f"install it with {how_to_install('tflite')}"
    return f"install ai-edge-litert with {shlex.quote(sys.executable)} -m pip install ai-edge-litert"


class Classifier:
    """Classifies faces with an int8 model. Not thread-safe."""

    def __init__(self, model: Path, *, threads: int = 1, runtime: str = "auto") -> None:
        """Load a model, check it against its manifest, and run it on test pictures.

        `model`: a .tflite file with its manifest beside it. `runtime`: as for `find_runtime`. Raises ModelError,
        naming model and manifest, where they do not fit each other or the model cannot run.
        """
        self.path = model
        self.manifest: Manifest = load_manifest(model)
        self.runtime = find_runtime(runtime)
        self._interpreter = self._create_interpreter(model, threads)
        self._input = self._checked_input()
        self._output = self._checked_output()
        spec = self.manifest.input
        self._table = self._table_of(spec)
        self._channels = int(self._input["shape"][3])
        self._shape = (1, spec.height, spec.width, self._channels)
        self._warned = False
        self._check_outputs()

    @classmethod
    def from_config(cls, config: ModelConfig) -> "Classifier":
        """Load the configured model. Raises ModelError as the constructor does, and for an unknown name."""
        return cls(configured_model(config), threads=config.threads, runtime=config.runtime)

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels in output order."""
        return self.manifest.labels

    @property
    def wants_colour(self) -> bool:
        """Whether the model needs frames with `bgr`."""
        return self.manifest.input.colour != "gray"

    @property
    def takes_colour(self) -> bool:
        """Whether the model's input has three channels, whatever colour the manifest states."""
        return self._channels > 1

    @property
    def input_limits(self) -> tuple[float, float]:
        """Real values of the lowest and the highest integer of the input tensor."""
        scale, zero_point = self._input["quantization"]
        limits = np.iinfo(self._input["dtype"])
        return float(scale * (int(limits.min) - zero_point)), float(scale * (int(limits.max) - zero_point))

    def _table_of(self, spec: ModelInput) -> NDArray[np.integer[Any]]:
        scale, zero_point = self._input["quantization"]
        return input_table(spec, scale, zero_point, self._input["dtype"])

    def _create_interpreter(self, model: Path, threads: int) -> Any:  # noqa: ANN401 - the interpreters have no types
        try:
            with log_native_stderr(log):
                interpreter = self.runtime.interpreter(model_path=str(model), num_threads=threads)
                interpreter.allocate_tensors()
        except (ValueError, RuntimeError, OSError, ImportError, AttributeError) as error:
            # AttributeError: tflite-runtime 2.14 under numpy 2 fails here, not at import.
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            msg = f"model {model} cannot be run by {self.runtime} with numpy {np.__version__}: {reason}"
            raise ModelError(msg) from error
        return interpreter

    def _mismatch(self, reason: str) -> ModelError:
        return ModelError(f"model {self.path} and manifest {self.path.with_suffix('.json')} do not fit: {reason}")

    def _checked_input(self) -> dict[str, Any]:
        details = self._interpreter.get_input_details()
        if len(details) != 1:
            raise self._mismatch(f"the model has {len(details)} inputs, but must have one")
        spec, detail = self.manifest.input, details[0]
        shape = tuple(int(size) for size in detail["shape"])
        channels = (1, 3) if spec.colour == "gray" else (3,)
        if shape not in [(1, spec.height, spec.width, count) for count in channels]:
            raise self._mismatch(
                f"the model's input is {'x'.join(map(str, shape))}, the manifest states "
                f"1x{spec.height}x{spec.width}x{channels[0]} ({spec.colour})"
            )
        self._check_quantization("input", detail, self.manifest.quantization.input)
        return dict(detail)

    def _checked_output(self) -> dict[str, Any]:
        details = self._interpreter.get_output_details()
        if len(details) != 1:
            raise self._mismatch(f"the model has {len(details)} outputs, but must have one")
        shape = tuple(int(size) for size in details[0]["shape"])
        if shape != (1, len(self.labels)):
            raise self._mismatch(
                f"the model's output is {'x'.join(map(str, shape))}, the manifest names {len(self.labels)} labels"
            )
        self._check_quantization("output", details[0], self.manifest.quantization.output)
        return dict(details[0])

    def _check_quantization(self, which: str, detail: dict[str, Any], stated: Quantization) -> None:
        dtype = np.dtype(detail["dtype"])
        if dtype not in _INTERPRETER_DTYPES:
            raise self._mismatch(f"the model's {which} is {dtype.name}, but must be int8 or uint8 (full integer)")
        scale, zero_point = detail["quantization"]
        same_scale = abs(scale - stated.scale) <= _SCALE_TOLERANCE * stated.scale
        if dtype.name != stated.dtype or not same_scale or zero_point != stated.zero_point:
            raise self._mismatch(
                f"the model's {which} is {dtype.name} with scale {scale:g} and zero point {zero_point}, the manifest "
                f"states {stated.dtype}, {stated.scale:g} and {stated.zero_point}"
            )

    def _check_outputs(self) -> None:
        """Run the model on the test pictures. Raise ModelError where its outputs are not what the manifest states."""
        scale = self._output["quantization"][0]
        stated = self.manifest.output_kind
        values = np.stack([self._outputs_of(picture) for picture in self._test_pictures()])
        try:
            found = recognise_outputs(values, scale)
        except UnusableOutputsError as error:
            raise self._mismatch(f"the outputs on {len(values)} test pictures are {error}") from error
        # Sigmoids may sum to 1 on all of them, and logits may lie between 0 and 1.
        if stated not in _POSSIBLE[found]:
            raise self._mismatch(
                f"the outputs on {len(values)} test pictures are {values.min():.2f} to {values.max():.2f} and sum to "
                f"{values.sum(axis=1).min():.2f} to {values.sum(axis=1).max():.2f}, so they are {found}, not {stated}: "
                f'"outputs": "{found}" in the manifest has them converted'
            )

    def _test_pictures(self) -> Iterator[NDArray[np.uint8]]:
        """Yield pictures of the input's size that differ as much as possible: black, grey, white, ramps, noise."""
        spec = self.manifest.input
        shape = (spec.height, spec.width, 3)[: 3 if self.wants_colour else 2]
        for level in _TEST_LEVELS:
            yield np.full(shape, level, dtype=np.uint8)
        across = np.linspace(0, 255, spec.width, dtype=np.uint8)[None, :]
        down = np.linspace(0, 255, spec.height, dtype=np.uint8)[:, None]
        for ramp in (across, down):
            whole = np.broadcast_to(ramp, (spec.height, spec.width))
            yield np.ascontiguousarray(np.dstack([whole] * 3) if self.wants_colour else whole)
        yield np.random.default_rng(_TEST_SEED).integers(0, 256, shape, dtype=np.uint8)

    def face_crop(self, frame: Frame, box: Box, roll_degrees: float = 0.0) -> NDArray[np.uint8]:
        """Return the face at the size of the network's input, uint8: grey (height, width), or BGR (height, width, 3).

        A face with a roll is turned upright.

        Raises ModelError where the model needs colour and the frame has none.
        """
        spec = self.manifest.input
        picture = frame.bgr if self.wants_colour else frame.luma
        if picture is None:
            raise self._mismatch(f"the manifest requires {spec.colour}, but the frame carries no colour")
        return face_for_network(picture, box, self.manifest.crop_margin, spec, roll_degrees)

    def classify_crop(self, face: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Classify a crop, as `face_crop` returns it; returns calibrated probabilities, float32 (labels,)."""
        scale = self._output["quantization"][0]
        values, kind = self._outputs_of(face), self.manifest.output_kind
        total = float(values.sum())
        if kind == "probabilities" and not self._warned and abs(total - 1) > scale * len(values):
            self._warned = True
            log.warning(
                "the outputs of model %s sum to %.2f on a face, so they are no probabilities and are divided by their "
                'sum: if the model ends in sigmoids, "outputs": "sigmoids" in its manifest says so',
                self.path,
                total,
            )
        return to_probabilities(values, kind, self.manifest.temperature, scale)

    def classify_as(self, face: NDArray[np.uint8], spec: ModelInput) -> NDArray[np.float32]:
        """Classify a crop as if the manifest stated `spec`, of the same size; returns as `classify_crop` does.

        `face`: BGR (height, width, 3) for a model with three channels, else grey (height, width).
        """
        if spec.colour == "gray" and self.takes_colour:
            face = np.asarray(cv2.cvtColor(face, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
        values = self._run(face, spec.colour, self._table_of(spec))
        manifest = self.manifest
        return to_probabilities(values, manifest.output_kind, manifest.temperature, self._output["quantization"][0])

    def _outputs_of(self, face: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the model on a crop; returns its outputs as they are, float32 (labels,)."""
        return self._run(face, self.manifest.input.colour, self._table)

    def _run(self, face: NDArray[np.uint8], colour: Colour, table: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        if colour == "rgb":
            face = np.asarray(cv2.cvtColor(face, cv2.COLOR_BGR2RGB), dtype=np.uint8)
        # Ten times as fast as NumPy's indexing, on a picture of a hundred pixels a side.
        tensor = cv2.LUT(face, table)
        if colour == "gray" and self._channels > 1:
            tensor = cv2.merge([tensor] * self._channels)
        self._interpreter.set_tensor(self._input["index"], tensor.reshape(self._shape))
        self._interpreter.invoke()
        output = self._interpreter.get_tensor(self._output["index"])[0]
        return dequantize(output, *self._output["quantization"])

    def classify(
        self, frame: Frame, boxes: Sequence[Box], rolls_degrees: Sequence[float] | None = None
    ) -> list[NDArray[np.float32]]:
        """Classify the faces of a frame; returns calibrated probabilities, float32 (labels,), for each box.

        `rolls_degrees`: roll of each face; None where all are upright.
        """
        rolls = [0.0] * len(boxes) if rolls_degrees is None else rolls_degrees
        return [self.classify_crop(self.face_crop(frame, box, roll)) for box, roll in zip(boxes, rolls, strict=True)]

    def clarity(self, frame: Frame, box: Box, roll_degrees: float = 0.0) -> float:
        """Return how clearly the network reads a face, as `Tracker.add_reading` defines it."""
        face = self.face_crop(frame, box, roll_degrees)
        reading, mirrored = (self.classify_crop(np.ascontiguousarray(each)) for each in (face, face[:, ::-1]))
        return float((reading + mirrored).max() - np.abs(reading - mirrored).sum()) / 2
