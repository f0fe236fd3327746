import contextlib
import hashlib
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.commands.fleet.document_file import DocumentFile, DocumentFileError
from edge.errors import ConfigError
from edge.vision.classification.manifest import find_model

SUM = "a" * 64
MODEL = {
    "url": "https://models.example/mine.tflite",
    "size": 10,
    "sha256": SUM,
    "manifest": {"url": "https://models.example/mine.json", "size": 5, "sha256": SUM},
}


def written(folder: Path, content: object) -> Path:
    file = folder / "document.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def mistakes(folder: Path, content: object) -> list[str]:
    with pytest.raises(DocumentFileError) as caught:
        DocumentFile(written(folder, content))
    start = f"{folder / 'document.json'}: "
    assert all(one.startswith(start) for one in caught.value.mistakes)
    return [one.removeprefix(start) for one in caught.value.mistakes]


def test_toml_and_json_say_the_same(tmp_path: Path) -> None:
    toml = tmp_path / "document.toml"
    toml.write_text(
        """
name = "november"
[[assignments]]
devices = ["shop-*", "hall"]
percent = 25
[assignments.settings]
"events.margin" = 0.2
budget.latency_ms = 80
zones = {door = [[0, 0.2], [0.3, 0.2], [0.3, 1]]}
[[assignments]]
""",
        encoding="utf-8",
    )
    zones = {"door": [[0, 0.2], [0.3, 0.2], [0.3, 1]]}
    settings = {"events.margin": 0.2, "budget.latency_ms": 80, "zones": zones}
    first = {"devices": ["shop-*", "hall"], "percent": 25, "settings": settings}
    other = DocumentFile(written(tmp_path, {"name": "november", "assignments": [first, {}]}))
    one = DocumentFile(toml)
    assert one.name == other.name == "november"
    assert one.assignments == other.assignments
    assert [(each.devices, each.percent) for each in one.assignments] == [(["shop-*", "hall"], 25.0), (["*"], 100.0)]
    assert one.assignments[0].settings == settings


def test_model_is_measured_from_its_files_or_taken_as_stated(tmp_path: Path) -> None:
    file = Path(shutil.copy(find_model("small"), tmp_path))
    shutil.copy(find_model("small").with_suffix(".json"), tmp_path)
    content = {"name": "n", "assignments": [{"model": {"url": "https://h/x/small.tflite", "file": "small.tflite"}}]}
    model = DocumentFile(written(tmp_path, content)).assignments[0].model
    assert model is not None
    assert (model.size, model.sha256) == (file.stat().st_size, hashlib.sha256(file.read_bytes()).hexdigest())
    manifest = file.with_suffix(".json").read_bytes()
    assert model.manifest.url == "https://h/x/small.json"
    assert (model.manifest.size, model.manifest.sha256) == (len(manifest), hashlib.sha256(manifest).hexdigest())
    stated = DocumentFile(written(tmp_path, {"name": "n", "assignments": [{"model": MODEL}]})).assignments[0].model
    assert stated is not None
    assert (stated.size, stated.manifest.size) == (10, 5)


def test_each_mistake_is_a_sentence_of_its_own(tmp_path: Path) -> None:
    content = {
        "name": "a b",
        "surplus": 1,
        "assignments": [
            {"devices": ["shop 1"], "percent": 101, "setings": {}},
            {"devices": "all", "settings": {"source.uri": "0", "events.margin": 7, "events.margn": 1}},
            {"model": {"url": "http://h/m.tflite"}},
            {"model": {"url": "https://h/m.tflite"}},
            {"model": {"url": "https://h/m.tflite", "file": "missing.tflite"}},
            7,
        ],
    }
    assert mistakes(tmp_path, content) == [
        "unknown key surplus; known are name, assignments",
        "name is 'a b', but must be text of 1 to 64 letters (a to z), digits, and . _ - between them",
        "assignment 1: unknown key setings; known are devices, percent, settings, model",
        "assignment 1: devices holds 'shop 1', but must hold device ids, of letters (a to z), digits, - and _, or "
        "patterns of them with * ? [ ]",
        "assignment 1: percent is 101, but must be a number from 0 to 100",
        "assignment 2: devices is 'all', but must be a list of device ids, as in [\"shop-*\"]",
        "assignment 2: source.uri cannot be set by a document: a change of it needs a restart",
        "assignment 2: events.margin is 7, but must be a number from 0 to 1",
        "assignment 2: unknown key events.margn; did you mean margin?",
        "assignment 3: model.url is 'http://h/m.tflite', but must be an address https://HOST/PATH, without a user "
        "name, of at most 1000 letters, digits and signs of an address; others are percent-encoded",
        "assignment 4: model lacks or misstates what the files are (Object missing required field `size`): name the "
        ".tflite file on this machine as file, or state size, sha256, and manifest with url, size and sha256",
        f"assignment 5: model.file: model {tmp_path / 'missing.tflite'} cannot be read: No such file or directory",
        "assignment 6 is 7, but must be a table",
    ]


@pytest.mark.parametrize(
    "url",
    [
        "https://[::1/m.tflite",
        "https://h/my model.tflite",
        "https://my_host/m.tflite",
        "https://h:0x1/m.tflite",
        "https://h:99999/m.tflite",
        "https://user@h/m.tflite",
        f"https://h/{'a' * 1000}.tflite",
        7,
    ],
)
def test_address_that_no_device_would_take_is_one_sentence(tmp_path: Path, url: object) -> None:
    model = {"url": url, "file": str(find_model("small"))}
    (only,) = mistakes(tmp_path, {"name": "n", "assignments": [{"model": model}]})
    assert only.startswith("assignment 1: model.url is ")
    addressed = MODEL | {"manifest": MODEL["manifest"] | {"url": url}}
    (only,) = mistakes(tmp_path, {"name": "n", "assignments": [{"model": addressed}]})
    assert only.startswith("assignment 1: model.manifest.url is ")


@pytest.mark.parametrize("file", ["", "a\0b", 7])
def test_file_that_is_no_path_is_one_sentence(tmp_path: Path, file: object) -> None:
    model = {"url": "https://h/m.tflite", "file": file}
    (only,) = mistakes(tmp_path, {"name": "n", "assignments": [{"model": model}]})
    assert only.startswith("assignment 1: model.file is ")


def test_file_that_no_device_would_fetch_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "m.tflite").open("wb") as file:
        file.truncate(10**12)
    model = {"url": "https://h/m.tflite", "file": "m.tflite"}
    (only,) = mistakes(tmp_path, {"name": "n", "assignments": [{"model": model}]})
    assert only.endswith("m.tflite has 1000000000000 bytes, but at most 100000000 are fetched")


def test_key_that_is_set_twice_is_a_mistake(tmp_path: Path) -> None:
    settings = {"events.margin": 0.1, "events": {"margin": 0.2}}
    assert mistakes(tmp_path, {"name": "n", "assignments": [{"settings": settings}]}) == [
        "assignment 1: settings has 'events.margin' twice: leave one out"
    ]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"detector.min_face": 0.9, "detector.max_face": 0.2}, "detector.min_face is 0.9, but must be at most"),
        ({"requests.settable": []}, "requests.settable cannot be set by a document: it decides on requests"),
        (
            {"detector.cascade": "a.xml"},
            "detector.cascade cannot be set by a document: it names a file",
        ),
        ({"mqtt.username": "me"}, "mqtt.username cannot be set by a document: it may name a secret"),
        ({"desired.enabled": False}, "desired.enabled cannot be set by a document: a change of it needs a restart"),
        ({"zones": {"door": [[0, 0]]}}, "zones.door"),
        ({"zones": []}, "zones is [], but must be a JSON object"),
    ],
)
def test_settings_are_checked_as_on_the_device(tmp_path: Path, settings: dict, sentence: str) -> None:
    (only,) = mistakes(tmp_path, {"name": "n", "assignments": [{"settings": settings}]})
    assert only.startswith(f"assignment 1: {sentence}")


def test_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing\.toml cannot be read \(No such file or directory\)"):
        DocumentFile(tmp_path / "missing.toml")
    (tmp_path / "a.toml").write_bytes(b"name = \xff")
    (tmp_path / "a.json").write_text("[1]")
    (tmp_path / "b.json").write_text("{")
    with pytest.raises(ConfigError, match=r"a\.toml is not TOML"):
        DocumentFile(tmp_path / "a.toml")
    with pytest.raises(ConfigError, match=r"a\.json is \[1\], but must be an object with name and assignments"):
        DocumentFile(tmp_path / "a.json")
    with pytest.raises(ConfigError, match=r"b\.json is not JSON"):
        DocumentFile(tmp_path / "b.json")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["name", "assignments", "devices", "percent", "settings", "model", "url", "file", "zones"]),
        inner,
        max_size=4,
    ),
)


@given(st.fixed_dictionaries({"name": st.just("n"), "assignments": st.lists(JSON, max_size=2)}) | JSON)
def test_any_content_is_read_or_refused_in_sentences(tmp_path_factory: pytest.TempPathFactory, content: object) -> None:
    file = written(tmp_path_factory.getbasetemp(), content)
    with contextlib.suppress(ConfigError):
        assert DocumentFile(file).name
