"""Tests of reading manifests and of finding models."""

import hashlib
import json
import re
from pathlib import Path

import msgspec
import pytest

from edge.errors import ModelError
from edge.vision.classification.manifest import (
    Manifest,
    ModelInput,
    encode_manifest,
    find_model,
    load_manifest,
    manifest_path,
)

CONTENT = b"\x1c\x00\x00\x00TFL3 and what follows"
GOOD = {
    "schema": 1,
    "name": "m",
    "sha256": hashlib.sha256(CONTENT).hexdigest(),
    "labels": ["angry", "happy", "sad"],
    "input": {"width": 96, "height": 96, "colour": "gray", "range": [-1.0, 1.0]},
    "quantization": {
        "input": {"dtype": "int8", "scale": 0.0078, "zero_point": -1},
        "output": {"dtype": "int8", "scale": 0.00390625, "zero_point": -128},
    },
    "crop_margin": 0.0,
    "temperature": 1.1,
    "thresholds": {"unknown_below": 0.4},
    "metrics": [
        {"name": "accuracy", "value": 0.8, "dataset": "FER+", "split": "PublicTest", "images": 9, "runtime": "x 1"}
    ],
    "licence": "Apache-2.0",
    "intended_use": "tests",
}


@pytest.fixture
def write(tmp_path):
    def pair(changes=None, content=CONTENT):
        model = tmp_path / "m.tflite"
        model.write_bytes(content)
        manifest = json.loads(json.dumps(GOOD))
        for key, value in (changes or {}).items():
            *folders, last = key.split(".")
            place = manifest
            for folder in folders:
                place = place.setdefault(folder, {})
            place[last] = value
        manifest_path(model).write_text(json.dumps(manifest), encoding="utf-8")
        return model

    return pair


def test_valid_manifest_loads(write):
    manifest = load_manifest(write())
    assert manifest.labels == ("angry", "happy", "sad")
    assert manifest.input.value_range == (-1.0, 1.0)
    assert manifest.input.channels == 1
    assert manifest.input.detail_size is None
    assert manifest.metrics[0].images == 9


def test_encoded_manifest_loads_unchanged(write):
    model = write()
    manifest = load_manifest(model)
    manifest_path(model).write_bytes(encode_manifest(manifest))
    assert load_manifest(model) == manifest
    assert json.loads(encode_manifest(manifest)) == GOOD


def test_value_range_is_written_as_range():
    assert msgspec.to_builtins(ModelInput(width=8, height=8, colour="rgb", value_range=(0.0, 255.0)))["range"]


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("schema", 2, "schema"),
        ("name", "", "name"),
        ("labels", ["one"], "labels"),
        ("labels", ["a", "b", "a"], "one label twice"),
        ("labels", "a,b", "labels"),
        ("input.width", "96", "input.width"),
        ("input.width", 0, "input.width"),
        ("input.colour", "cmyk", "input.colour"),
        ("input.range", [1, -1], "must rise"),
        ("input.range", [0], "range"),
        ("input.detail_px", 7, "input.detail_px"),
        ("input.detail_px", 96, "must be less than the longer side of the input, 96, but is 96: leave it out"),
        ("quantization.input.dtype", "float32", "dtype"),
        ("quantization.output.scale", 0, "scale"),
        ("crop_margin", 3, "crop_margin"),
        ("temperature", 0, "temperature"),
        ("temperature", None, "temperature"),
        ("thresholds.unknown_below", 1.5, "unknown_below"),
        ("surprise", 1, "surprise"),
        ("sha256", "short", "sha256"),
    ],
)
def test_wrong_value_is_named_with_both_files(write, key, value, reason):
    model = write({key: value})
    with pytest.raises(ModelError) as error:
        load_manifest(model)
    message = str(error.value)
    assert reason in message
    assert str(model) in message
    assert str(manifest_path(model)) in message
    assert "\n" not in message


def test_manifest_of_another_model_is_rejected(write):
    model = write(content=CONTENT + b"!")
    with pytest.raises(ModelError, match="does not belong to") as error:
        load_manifest(model)
    assert str(model) in str(error.value)
    assert str(manifest_path(model)) in str(error.value)


def test_missing_manifest_names_both_files(write):
    model = write()
    manifest_path(model).unlink()
    with pytest.raises(ModelError, match=r"m\.tflite has no manifest: .*m\.json does not exist"):
        load_manifest(model)


@pytest.mark.parametrize("content", [b"", b"not json", b"[]", b"\xff\xfe", b'{"schema": 1}'])
def test_unreadable_manifest_names_both_files(write, content):
    model = write()
    manifest_path(model).write_bytes(content)
    with pytest.raises(ModelError, match=r"m\.json cannot be used as the manifest of .*m\.tflite"):
        load_manifest(model)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"hi", "not a TensorFlow Lite model"),
        (b"just a line of text\n", "not a TensorFlow Lite model"),
    ],
)
def test_file_that_is_not_a_model_is_rejected(tmp_path, content, reason):
    path = tmp_path / "x.tflite"
    path.write_bytes(content)
    for load in (lambda: find_model(str(path)), lambda: load_manifest(path)):
        with pytest.raises(ModelError, match=reason):
            load()


def test_missing_path_is_rejected(tmp_path):
    with pytest.raises(ModelError, match="cannot be read: No such file"):
        find_model(str(tmp_path / "none.tflite"))


def test_folder_is_rejected(tmp_path):
    with pytest.raises(ModelError, match="cannot be read"):
        find_model(str(tmp_path) + "/")


def test_unknown_name_lists_the_shipped_models():
    with pytest.raises(ModelError, match=r"there is no model 'huge': shipped are .*normal"):
        find_model("huge")


def test_first_folder_that_has_the_model_is_used(tmp_path):
    folders = tmp_path / "package", tmp_path / "checkout"
    for folder in folders:
        folder.mkdir()
        (folder / "m.tflite").write_bytes(CONTENT)
    assert find_model("m", folders) == folders[0] / "m.tflite"
    (folders[0] / "m.tflite").unlink()
    assert find_model("m", folders) == folders[1] / "m.tflite"


def test_shipped_model_fits_its_manifest():
    path = find_model("normal")
    assert isinstance(path, Path)
    manifest = load_manifest(path)
    assert isinstance(manifest, Manifest)
    assert manifest.name == "normal"
    assert manifest.input.detail_size == (64, 64)
    assert manifest.labels == ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")


def test_model_below_the_home_of_an_unknown_user_is_named():
    with pytest.raises(ModelError, match="~nobody-of-this-name"):
        find_model("~nobody-of-this-name/model.tflite")


PAGE = (Path(__file__).parents[4] / "docs" / "manifest.md").read_text(encoding="utf-8")


def fields_of(kind, prefix=""):
    """Yield name, type, range and default of every field that a file may have, as the page states them."""
    for each in msgspec.inspect.type_info(kind).fields:
        name, of = prefix + each.encode_name, each.type
        unset = "none" if isinstance(of, msgspec.inspect.IntType) else "`probabilities`"
        default = {msgspec.NODEFAULT: unset, (): "none"}.get(each.default, f"`{each.default}`")
        default = "" if each.required else default
        if isinstance(of, msgspec.inspect.StructType):
            if not each.required:
                yield name, "object", "", "none"
            yield from fields_of(of.cls, f"{name}.")
            continue
        yield (name, *described(of), default)
        if isinstance(of, msgspec.inspect.VarTupleType) and isinstance(of.item_type, msgspec.inspect.StructType):
            yield from fields_of(of.item_type.cls, f"{name}[].")


def described(of):
    inspect = msgspec.inspect
    match of:
        case inspect.LiteralType(values=(1,)):
            return "number", "`1`"
        case inspect.LiteralType():
            return "text", ", ".join(f"`{value}`" for value in sorted(of.values))
        case inspect.StrType():
            return "text", "64 digits 0-9, a-f" if of.pattern == "^[0-9a-f]{64}$" else {1: "not empty"}[of.min_length]
        case inspect.TupleType():
            assert of.item_types == (inspect.FloatType(), inspect.FloatType())
            return "two numbers", ""
        case inspect.VarTupleType(item_type=inspect.StrType()):
            return "list of texts", f"at least {of.min_length}"
        case inspect.VarTupleType(item_type=inspect.FloatType() as number):
            return "list of numbers", f"{number.ge} to {number.le}, one for each label"
        case inspect.VarTupleType():
            return "list", ""
    kind = "whole number" if isinstance(of, inspect.IntType) else "number"
    if of.gt is not None:
        return kind, f"above {of.gt}"
    if of.ge is None:
        return kind, ""
    return kind, f"at least {of.ge}" if of.le is None else f"{of.ge} to {of.le}"


def test_page_describes_every_field_and_no_other():
    rows = re.findall(r"^\| `([\w.\[\]]+)` \| (.+) \|$", PAGE, re.MULTILINE)
    cells = [[name, *(cell.strip() for cell in rest.split("|"))] for name, rest in rows]
    assert [(name, kind, limits, default) for name, _, kind, limits, default, _ in cells] == list(fields_of(Manifest))
    assert all(meaning for _, meaning, *_ in cells)


def test_examples_on_the_page_are_accepted(write):
    rows = re.findall(r"^\| `([\w.\[\]]+)` \|.*\| `([^|]+)` \|$", PAGE, re.MULTILINE)
    examples = {name: json.loads(value) for name, value in rows if name != "sha256"}
    metric = {name.partition("[].")[2]: value for name, value in examples.items() if "[]" in name}
    manifest = load_manifest(write({name: value for name, value in examples.items() if "[]" not in name}))
    assert manifest.labels == ("calm", "tense", "tired")
    assert load_manifest(write({"metrics": [metric]})).metrics[0].images == 3234


def test_error_of_a_missing_manifest_says_what_to_do(write):
    model = write()
    manifest_path(model).unlink()
    with pytest.raises(ModelError, match=r"does not exist; emotion-convert quantize writes one, and docs/manifest\.md"):
        load_manifest(model)
