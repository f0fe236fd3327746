import pickle
import zipfile

import pytest

from convert.cli import main
from convert.errors import ConvertError
from convert.frameworks.files import framework_of


def varint(value):
    low, high = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(high) if high else bytes([low])


def onnx_bytes():
    """The outermost fields of an ONNX file: IR version, producer, and a graph of 300 bytes without meaning."""
    return b"\x08\x08" + b"\x12\x05torch" + b"\x3a" + varint(300) + bytes(300)


def archive(path, *names):
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, "{}")
    return path


@pytest.mark.parametrize("name", ["mine.onnx", "MINE.ONNX"])
def test_onnx_file_is_recognised(tmp_path, name):
    (tmp_path / name).write_bytes(onnx_bytes())
    assert framework_of(tmp_path / name) == "onnx"


@pytest.mark.parametrize("inside", ["mine/models/model.json", "serialized_exported_program.json"])
@pytest.mark.parametrize("name", ["mine.pt2", "mine.pt"])
def test_exported_program_is_recognised_whatever_its_name(tmp_path, name, inside):
    assert framework_of(archive(tmp_path / name, "mine/archive_format", inside)) == "torch"


@pytest.mark.parametrize("name", ["mine.keras", "mine.h5", "saved_model"])
def test_other_models_are_of_neither(tmp_path, name):
    assert framework_of(tmp_path / name) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello, world\n",
        b"\x89PNG\r\n\x1a\n" + bytes(64),
        b"\x08\x08",
        *(onnx_bytes()[:cut] for cut in (1, 3, 6, 10, 200)),
        onnx_bytes() + b"\x42",
    ],
)
def test_damaged_onnx_file_is_refused(tmp_path, content):
    path = tmp_path / "mine.onnx"
    path.write_bytes(content)
    with pytest.raises(ConvertError, match=r"mine\.onnx is no ONNX file: it is empty, cut off or of another format"):
        framework_of(path)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (
            ("mine/data.pkl", "mine/data/0"),
            "a pickle (a state_dict, a checkpoint or a whole module), which is not read",
        ),
        (("mine/constants.pkl", "mine/data.pkl", "mine/code/net.py"), "a TorchScript file"),
        (("mine/data/aotinductor/model/x.so",), "compiled for one kind of machine"),
        (("word/document.xml",), "an archive of another format"),
    ],
)
def test_archive_without_exported_program_is_refused_with_how_to_export(tmp_path, names, reason):
    with pytest.raises(ConvertError) as caught:
        framework_of(archive(tmp_path / "mine.pt", *names))
    assert reason in str(caught.value)
    assert "torch.export.save(torch.export.export(network.eval()" in str(caught.value)


class RunsWhenRead:
    """Leaves a file where it is unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return open, (self.trace, "w")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("mine.pth", None, "is a pickle, which is not read"),
        ("mine.safetensors", bytes(16), "holds weights without the network"),
        ("mine.pt2", b"", "no exported program of PyTorch: it is cut off, empty"),
        ("mine.pt2", b"PK\x03\x04" + bytes(90), "is cut off: it begins as a PyTorch archive"),
    ],
)
def test_file_that_is_no_archive_is_one_sentence_and_never_unpickled(tmp_path, capfd, name, content, reason):
    path, trace = tmp_path / name, tmp_path / "trace"
    path.write_bytes(pickle.dumps(RunsWhenRead(str(trace))) if content is None else content)
    arguments = ["quantize", str(path), "--calibration", str(tmp_path), "--output", str(tmp_path), "--name", "mine"]
    assert main(arguments) == 1
    error = capfd.readouterr().err
    assert error.startswith("emotion-convert: model ")
    assert reason in error
    assert error.count("\n") == 1
    assert not trace.exists()
