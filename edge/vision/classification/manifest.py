"""Reads the manifest of a model, `NAME.json` beside `NAME.tflite`, and finds shipped models.

The manifest holds what `edge` must know and the tensors do not contain. `emotion-convert export` writes both files.
"""

import codecs
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from edge.config.schema import ModelConfig
from edge.errors import ModelError
from edge.system.files import expanded
from edge.vision.classification.outputs import OutputKind

SCHEMA: Final = 1
MODEL_SUFFIX: Final = ".tflite"
_IDENTIFIER: Final = b"TFL3"
"""File identifier of TensorFlow Lite's flatbuffer schema, at byte 4 of every model."""
_IDENTIFIER_AT: Final = 4
_PACKAGE: Final = Path(__file__).parents[2]
_FOLDERS: Final = (_PACKAGE / "models", _PACKAGE.parent / "models")
"""Folders of the shipped models: in an installed package, else in the checkout."""

Text = Annotated[str, Meta(min_length=1)]
Colour = Literal["gray", "rgb", "bgr"]


class Quantization(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Quantization of one tensor: real value = scale * (integer - zero_point)."""

    dtype: Literal["int8", "uint8"]
    scale: Annotated[float, Meta(gt=0)]
    zero_point: Annotated[int, Meta(ge=-128, le=255)]


class TensorQuantization(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Quantization of input and output, as the exporter read it from the model. `edge` compares both."""

    input: Quantization
    output: Quantization


class ModelInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Size, colour, value range and detail of the network's input.

    `value_range`, "range" in the file: real values of the pixel values 0 and 255, before quantization. `detail_px`:
    longer side, pixels, to which a larger face is reduced before it is enlarged to the input, because the network was
    trained on pictures of that many pixels; where it is not stated, a face is resized to the input directly.
    """

    width: Annotated[int, Meta(ge=8, le=1024)]
    height: Annotated[int, Meta(ge=8, le=1024)]
    colour: Colour
    value_range: tuple[float, float] = field(name="range")
    detail_px: Annotated[int, Meta(ge=8, le=1024)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Check what the types cannot express."""
        low, high = self.value_range
        if not low < high:
            msg = f"`range` must rise, but goes from {low:g} to {high:g}"
            raise ValueError(msg)
        if self.detail_px and self.detail_px >= max(self.width, self.height):
            msg = (
                f"`detail_px` must be less than the longer side of the input, {max(self.width, self.height)}, "
                f"but is {self.detail_px}: leave it out"
            )
            raise ValueError(msg)

    @property
    def channels(self) -> int:
        """Channels of the input tensor: 1 or 3."""
        return 1 if self.colour == "gray" else 3

    @property
    def detail_size(self) -> tuple[int, int] | None:
        """(width, height) to which a larger face is reduced first, in the input's proportions; None: to none."""
        if not self.detail_px:
            return None
        share = self.detail_px / max(self.width, self.height)
        return max(1, round(share * self.width)), max(1, round(share * self.height))


class Thresholds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds that the evaluation chose. `unknown_below`: a face with less confidence is `unknown`."""

    unknown_below: Annotated[float, Meta(ge=0, le=1)]


class Metric(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One measured figure, and the data and runtime that it was measured with. `images`: their number."""

    name: Text
    value: float
    dataset: Text
    split: Text
    images: Annotated[int, Meta(ge=1)]
    runtime: Text


class NeutralReading(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Mean reading of neutral faces, to which the calm face of a place is compared (`edge.vision.calm_face`).

    `log_odds`: mean of log(p / p of neutral) for each label, in output order, of the calibrated probabilities. The
    others say what it was measured on, as in `Metric`.
    """

    log_odds: tuple[Annotated[float, Meta(ge=-100, le=100)], ...]
    dataset: Text
    split: Text
    images: Annotated[int, Meta(ge=1)]
    runtime: Text


class Manifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The contract between `convert` and `edge`.

    `labels`: in output order. `crop_margin`: added to the face box on every side before the crop, in sides
    of the box (negative cuts away). `temperature`: probabilities p become p^(1/T), renormalised, before
    anything else uses them. `outputs`: what the network gives, as in `edge.vision.classification.outputs`; where it is
    not stated, probabilities. `neutral_reading`: where it is not stated, no calm face can be shown to the model.
    """

    schema: Literal[1] = SCHEMA
    name: Text
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    labels: Annotated[tuple[Text, ...], Meta(min_length=2)]
    input: ModelInput
    quantization: TensorQuantization
    crop_margin: Annotated[float, Meta(ge=-0.4, le=2)]
    temperature: Annotated[float, Meta(ge=0.05, le=20)]
    thresholds: Thresholds
    outputs: OutputKind | UnsetType = UNSET
    neutral_reading: NeutralReading | UnsetType = UNSET
    metrics: tuple[Metric, ...] = ()
    licence: Text
    intended_use: Text

    def __post_init__(self) -> None:
        """Check what the types cannot express."""
        if len(set(self.labels)) != len(self.labels):
            msg = "`labels` contains one label twice"
            raise ValueError(msg)
        if self.neutral_reading and len(self.neutral_reading.log_odds) != len(self.labels):
            msg = (
                f"`neutral_reading.log_odds` has {len(self.neutral_reading.log_odds)} numbers, "
                f"but must have one for each of the {len(self.labels)} labels"
            )
            raise ValueError(msg)

    @property
    def output_kind(self) -> OutputKind:
        """What the network gives."""
        return self.outputs or "probabilities"


def manifest_path(model: Path) -> Path:
    """Return the path of the manifest of a model."""
    return model.with_suffix(".json")


def encode_manifest(manifest: Manifest) -> bytes:
    """Return the content of the file: indented JSON, UTF-8, keys in the order of the class."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def load_manifest(tflite_path: Path) -> Manifest:
    """Read the manifest beside a model, and check that it belongs to this model.

    Raises ModelError where either file is missing, unreadable or of another format, where a value has the
    wrong type or range, and where the sha256 in the manifest is that of another model.
    """
    path = manifest_path(tflite_path)
    check_model_file(tflite_path)
    try:
        manifest = msgspec.json.decode(path.read_bytes().removeprefix(codecs.BOM_UTF8), type=Manifest)
    except FileNotFoundError as error:
        msg = (
            f"model {tflite_path} has no manifest: {path} does not exist; emotion-convert quantize writes one, and "
            "docs/manifest.md shows how to write one by hand"
        )
        raise ModelError(msg) from error
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        msg = f"{path} cannot be used as the manifest of {tflite_path}: {error}; docs/manifest.md describes each field"
        raise ModelError(msg) from error
    found = hashlib.sha256(tflite_path.read_bytes()).hexdigest()
    if found != manifest.sha256:
        msg = (
            f"manifest {path} does not belong to {tflite_path}: it was written for a file with sha256 "
            f"{manifest.sha256[:12]}..., this one has {found[:12]}...; one of the two was replaced or is damaged"
        )
        raise ModelError(msg)
    return manifest


def check_model_file(path: Path) -> None:
    """Raise ModelError unless the file exists and begins as a TensorFlow Lite model does."""
    try:
        with path.open("rb") as file:
            head = file.read(_IDENTIFIER_AT + len(_IDENTIFIER))
    except OSError as error:
        msg = f"model {path} cannot be read: {error.strerror}"
        raise ModelError(msg) from error
    if not head:
        msg = f"model {path} is empty"
        raise ModelError(msg)
    if head[_IDENTIFIER_AT:] != _IDENTIFIER:
        msg = f"model {path} is not a TensorFlow Lite model (no TFL3 at byte 4)"
        raise ModelError(msg)


def shipped_models(folders: Sequence[Path] = _FOLDERS) -> list[str]:
    """Return the names of the models that are shipped with the package."""
    return sorted({path.stem for folder in folders for path in folder.glob(f"*{MODEL_SUFFIX}")})


def is_shipped(model: Path, folders: Sequence[Path] = _FOLDERS) -> bool:
    """Return whether a model lies in one of the folders of the shipped models."""
    return model.resolve().parent in [folder.resolve() for folder in folders]


def configured_model(config: ModelConfig) -> Path:
    """Return the .tflite file that the configuration names. Raises ModelError, which names the key."""
    try:
        return find_model(config.name)
    except ModelError as error:
        raise ModelError(f"model.name: {error}") from error


def find_model(name_or_path: str, folders: Sequence[Path] = _FOLDERS) -> Path:
    """Return the .tflite file of a shipped model, or of a path.

    Anything with a separator or the suffix .tflite is a path. `folders`: of the shipped models, in the order of
    the search. Raises ModelError for an unknown name, with the names of the shipped models, and for a file that
    is not a model.
    """
    if name_or_path.endswith(MODEL_SUFFIX) or "/" in name_or_path or "\\" in name_or_path:
        path = expanded(name_or_path)
        check_model_file(path)
        return path
    for folder in folders:
        path = folder / f"{name_or_path}{MODEL_SUFFIX}"
        if path.is_file():
            check_model_file(path)
            return path
    if Path(name_or_path).is_file():
        check_model_file(Path(name_or_path))
        return Path(name_or_path)
    known = ", ".join(shipped_models(folders)) or "none"
    msg = f"there is no model {name_or_path!r}: shipped are {known}; or give the path of a {MODEL_SUFFIX} file"
    raise ModelError(msg)
