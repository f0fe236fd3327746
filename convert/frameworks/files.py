"""Recognises network files of ONNX and PyTorch, and refuses what is none, without the packages of either.

No pickle is read here or anywhere else: reading one can run any code that its maker put in. PyTorch's state_dicts,
checkpoints and pickled modules are told by the names inside the archive.
"""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, Literal

from convert.errors import ConvertError, os_error_text

Framework = Literal["onnx", "torch"]

_TORCH_SUFFIXES: Final = frozenset({".pt2", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".safetensors"})
_HOW_TO_EXPORT: Final = (
    'torch.export.save(torch.export.export(network.eval(), (torch.zeros(1, 3, 160, 160),)), "network.pt2"), with the '
    "channels and the size of its training"
)
_PROGRAM: Final = ("models/model.json", "serialized_exported_program.json")
"""Ends of the names of what an exported program contains: of PyTorch 2.8 and later, and of those before."""
_GRAPH: Final = 7
"""Number of the field `graph` in onnx.proto's ModelProto."""
_LAST_FIELD: Final = 64
"""Numbers of ModelProto's fields lie well below (26 is the highest of ONNX 1.20)."""
_VARINT, _FIXED_64, _LENGTH, _FIXED_32 = 0, 1, 2, 5
_MAX_VARINT_BYTES: Final = 10


def framework_of(path: Path) -> Framework | None:
    """Return the framework of a network file by its suffix, None for a file or folder that is of neither.

    Raises ConvertError where the file is cut off, or of a kind that holds no network: PyTorch's weights without the
    network, pickled modules, TorchScript. How to export one is in the message.
    """
    if path.is_dir() or path.suffix.lower() not in {".onnx", *_TORCH_SUFFIXES}:
        return None
    try:
        if path.suffix.lower() == ".onnx":
            _check_onnx(path)
            return "onnx"
        _check_exported_program(path)
    except OSError as error:
        raise ConvertError(os_error_text(error, "read", path)) from error
    return "torch"


def _check_exported_program(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        raise ConvertError(_no_archive(path)) from error
    if any(name.endswith(_PROGRAM) for name in names):
        return
    if any(name.endswith("constants.pkl") for name in names):
        what = "a TorchScript file, which the converter does not read"
    elif any("/aotinductor/" in name for name in names):
        what = "compiled for one kind of machine (AOTInductor), and cannot be converted"
    elif any(name.endswith("data.pkl") for name in names):
        what = (
            "a pickle (a state_dict, a checkpoint or a whole module), which is not read, because a pickle can run code"
        )
    else:
        what = "an archive of another format"
    msg = f"model {path} is {what}: build the network in Python, load its weights, and export it with {_HOW_TO_EXPORT}"
    raise ConvertError(msg)


def _no_archive(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(2)
    if path.suffix.lower() == ".safetensors":
        return (
            f"model {path} holds weights without the network: build the network in Python, load them, and export it "
            f"with {_HOW_TO_EXPORT}"
        )
    if head[:1] == b"\x80":  # the first byte of a pickle of protocol 2 and later
        return (
            f"model {path} is a pickle, which is not read, because a pickle can run code: load it in a program that "
            f"you trust, and export the network with {_HOW_TO_EXPORT}"
        )
    if head == b"PK":
        return (
            f"model {path} is cut off: it begins as a PyTorch archive, but its end is missing; copy or export it again"
        )
    return (
        f"model {path} is no exported program of PyTorch: it is cut off, empty or of another format; export the "
        f"network with {_HOW_TO_EXPORT}"
    )


def _check_onnx(path: Path) -> None:
    """Walk the outermost fields of a protobuf file: each must end within the file, and one must be the graph."""
    size = path.stat().st_size
    with path.open("rb") as file:
        fields = list(_fields(file, size))
    if not fields or None in fields or _GRAPH not in fields:
        msg = f"model {path} is no ONNX file: it is empty, cut off or of another format; export or copy it again"
        raise ConvertError(msg)


def _fields(file: BinaryIO, size: int) -> Iterator[int | None]:
    """Yield the number of each outermost field, and None where the file breaks off or is no such protobuf."""
    while file.tell() < size:
        tag = _varint(file)
        number, kind = divmod(tag or 0, 8)
        if not 0 < number <= _LAST_FIELD:
            yield None
            return
        if kind == _VARINT:
            skipped = 0 if _varint(file) is not None else None
        elif kind == _LENGTH:
            skipped = _varint(file)
        else:
            skipped = {_FIXED_64: 8, _FIXED_32: 4}.get(kind)
        if skipped is None or file.tell() + skipped > size:
            yield number
            yield None
            return
        file.seek(skipped, 1)
        yield number


def _varint(file: BinaryIO) -> int | None:
    """Read a protobuf integer of seven bits a byte, the lowest first; None where it breaks off."""
    value = 0
    for at in range(_MAX_VARINT_BYTES):
        byte = file.read(1)
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << (7 * at)
        if byte[0] < 0x80:  # noqa: PLR2004 - the highest bit says that another byte follows
            return value
    return None
