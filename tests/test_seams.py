"""Holds the seams between the parts, by reading the sources and by importing for real."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.device

ROOT = Path(__file__).parents[1]
TRAINING = {"convert", "tensorflow", "keras", "matplotlib"}
INTERPRETERS = {"ai_edge_litert", "tflite_runtime"}
CLOCKS = {"time", "datetime"}
IMPORTERS = {"import_module", "__import__", "find_spec"}


def imported(source):
    """Return the top-level names of the modules that a source can import.

    Names given as text count where they are handed to an importing function, and wherever they are
    dotted and begin with an interpreter's package, because a table of such names is looked up later.
    """
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module if node.level == 0 else "edge")
        elif isinstance(node, ast.Call):
            function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if function in IMPORTERS:
                names |= {text.value for text in node.args if isinstance(text, ast.Constant)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names |= {node.value for package in INTERPRETERS if node.value.startswith(package + ".")}
    return {str(name).split(".")[0] for name in names}


def importers(folder, modules):
    """Return the files below a folder that import any of the modules, as paths relative to it."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.py")
        if imported(path.read_text(encoding="utf-8")) & modules
    }


def test_edge_imports_nothing_of_the_training_half():
    assert importers(ROOT / "edge", TRAINING) == set()


def test_one_file_talks_to_the_mqtt_library():
    (only,) = importers(ROOT / "edge", {"paho"})
    assert only.startswith("mqtt/")


def test_one_file_runs_the_interpreter():
    assert importers(ROOT / "edge", INTERPRETERS) == {"classifier.py"}


def test_one_file_drives_the_camera_library():
    assert importers(ROOT / "edge", {"picamera2", "libcamera"}) == {"sources/picamera.py"}


def test_the_pages_packages_are_its_own():
    pages = importers(ROOT / "edge", {"uvicorn", "starlette", "prometheus_client", "h11"})
    assert pages
    assert all(name.startswith("preview/") for name in pages)


def test_decisions_read_no_clock():
    search = {"change.py", "detector.py", "follow.py", "layout.py", "questions.py", "schedule.py", "track.py"}
    deciding = {"tracker.py", "events.py", "budget.py", "absence.py", "generation.py"} | search
    assert {"tracker.py", "events.py"} | search <= {path.name for path in (ROOT / "edge").glob("*.py")}
    assert importers(ROOT / "edge", CLOCKS) & deciding == set()


@pytest.mark.parametrize(
    ("line", "module"),
    [
        ("import tensorflow as tf", "tensorflow"),
        ("from keras.layers import Dense", "keras"),
        ("from convert import errors", "convert"),
        ("def later():\n    import convert.errors", "convert"),
        ("import paho.mqtt.client", "paho"),
        ("from importlib import import_module\nimport_module('picamera2')", "picamera2"),
        ("import importlib\nimportlib.import_module('tflite_runtime.interpreter')", "tflite_runtime"),
        ("TABLE = {'x': 'ai_edge_litert.interpreter'}", "ai_edge_litert"),
        ("from time import monotonic", "time"),
        ("from datetime import UTC", "datetime"),
    ],
)
def test_a_forbidden_import_is_found(tmp_path, line, module):
    folder = tmp_path / "edge"
    folder.mkdir()
    (folder / "innocent.py").write_text('"""Says time, keras and convert."""\nimport edge.events\n', encoding="utf-8")
    assert importers(folder, {module}) == set()
    (folder / "guilty.py").write_text(line + "\n", encoding="utf-8")
    assert importers(folder, {module}) == {"guilty.py"}


def loaded_by(statement):
    """Return the top-level modules that a fresh interpreter has loaded after a statement."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
    return {name.split(".")[0] for name in json.loads(ran.stdout.splitlines()[-1])}


def test_starting_the_command_loads_nothing_of_the_training_half():
    loaded = loaded_by("import edge.cli, edge.daemon")
    assert "edge" in loaded
    assert loaded & TRAINING == set()


def test_what_a_process_loads_is_seen():
    assert "convert" in loaded_by("import convert.errors")
