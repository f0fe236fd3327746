"""Makes a float model of a network of another framework: checks what it takes, converts it, and keeps the original."""

from pathlib import Path
from typing import Final

from convert.errors import ConvertError
from convert.frameworks.original import NetworkFacts, Original
from convert.progress import Heartbeat
from convert.runtimes.float_tflite import model_of_tflite
from convert.runtimes.keras_model import FloatModel

_DIMENSIONS: Final = 4
_CHANNELS: Final = (1, 3)
_EXPORT: Final = {
    "float16": "export it in float32",
    "bfloat16": "export it in float32",
    "uint8": "export it without the part that turns bytes into float32, and give --range",
}


def load_network(path: Path, original: Original, heartbeat: Heartbeat) -> FloatModel:
    """Read and convert a network, and return it with its original, which gives the reference answers.

    Raises ConvertError where it does not classify pictures of a fixed size, one at a time, or cannot be converted.
    """
    facts = original.describe()
    last = channels_last(path, facts)
    heartbeat.step(f"converting it with {facts.converter}; answers will be compared with those of {facts.original}")
    content = original.convert(channels_last=last)
    model = model_of_tflite(path, content, lambda pictures: original.run(pictures, channels_last=last))
    sizes = facts.inputs[0].shape[1:]
    expected = sizes if last else (*sizes[1:], sizes[0])
    if (model.height, model.width, model.channels) != expected:
        msg = (
            f"model {path} was converted wrongly by {facts.converter}: the result takes "
            f"{(model.height, model.width, model.channels)}, not {expected}, as height, width and channels"
        )
        raise ConvertError(msg)
    return model


def channels_last(path: Path, facts: NetworkFacts) -> bool:
    """Return whether a network takes (pictures, height, width, channels), and not channels first.

    Raises ConvertError where it takes neither, or anything else that cannot be converted.
    """
    if facts.obstacle:
        msg = f"model {path} {facts.obstacle}"
        raise ConvertError(msg)
    counts = len(facts.inputs), len(facts.outputs)
    if counts != (1, 1):
        msg = f"model {path} has {counts[0]} inputs and {counts[1]} outputs; one of each is needed"
        raise ConvertError(msg)
    (source,), (result,) = facts.inputs, facts.outputs
    text = f"({', '.join('?' if size is None else str(size) for size in source.shape)})"
    for what, dtype in (("takes", source.dtype), ("gives", result.dtype)):
        if dtype != "float32":
            msg = f"model {path} {what} {dtype}, not float32: {_EXPORT.get(dtype, 'export it with float32')}"
            raise ConvertError(msg)
    if len(source.shape) != _DIMENSIONS:
        msg = f"model {path} takes {text}, not pictures (1, 1 or 3 channels, height, width)"
        raise ConvertError(msg)
    batch, *sizes = source.shape
    if not all(isinstance(size, int) for size in sizes):
        msg = f"model {path} takes pictures of changing size, {text}: export it with the size of its training"
        raise ConvertError(msg)
    if isinstance(batch, int) and batch != 1:
        one = ", ".join(map(str, (1, *sizes)))
        msg = f"model {path} takes {batch} pictures at once, {text}: export it for one, ({one})"
        raise ConvertError(msg)
    first, final = sizes[0] in _CHANNELS, sizes[-1] in _CHANNELS
    if first == final:
        msg = f"model {path} takes {text}, not pictures (1, channels, height, width) of 1 or 3 channels"
        raise ConvertError(msg)
    return final
