"""The command line itself: what it loads, its exit codes, and what it does where its reader has gone."""

import subprocess
import sys

import pytest

from edge.cli import main
from support.program import COMMAND, environment, run

HEAVY = {"cv2", "ai_edge_litert", "tflite_runtime", "paho", "uvicorn"}


LIST_MODULES = """
import atexit, sys
atexit.register(lambda: sys.__stdout__.write("\\nloaded " + " ".join(sys.modules)))
from edge.cli import main
sys.exit(main(sys.argv[1:]))
"""


def loaded_by(*arguments):
    """Return the heavy packages that the command line loads for these arguments."""
    output = subprocess.run(
        [sys.executable, "-c", LIST_MODULES, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
        check=False,
    ).stdout
    loaded = set(output.rpartition("\nloaded ")[2].split())
    assert "edge.cli" in loaded, output
    return loaded & HEAVY


COMMANDS = ("run", "watch", "classify", "config", "homeassistant", "bench", "doctor", "cameras", "setup")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        *((command, "--help") for command in COMMANDS),
        ("run", "--sauce"),
        ("config", "show"),
    ],
)
def test_help_wrong_arguments_and_config_show_load_no_heavy_package(arguments):
    assert loaded_by(*arguments) == set()


def test_watch_loads_mqtt_alone():
    assert loaded_by("watch", "--mqtt", "mqtt://127.0.0.1:1") == {"paho"}


@pytest.mark.parametrize(
    "arguments", [(), ("dance",), ("run", "--sauce", "0"), ("run", "--max-frames", "0"), ("config",)]
)
def test_invalid_command_line_ends_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    if arguments in {(), ("config",)}:
        assert ("run the sensor" if not arguments else "print every key") in error, "all that can be chosen"
        assert error.endswith("is missing: the list above has all\n")


@pytest.mark.parametrize("command", ["run", "watch", "classify", "config", "homeassistant", "bench", "doctor"])
def test_each_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"usage: emotion-edge {command}" in capsys.readouterr().out


def test_option_before_the_command_is_told_its_place(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--config", "c.toml", "run"])
    assert ended.value.code == 2
    assert "--config belongs behind the command, as in `emotion-edge run --config ...`" in capsys.readouterr().err


def test_configuration_error_is_one_sentence_and_2():
    result = run("config", "check", EMOTION_EDGE_BUDGET_LATENCY_MS="0")
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("emotion-edge: EMOTION_EDGE_BUDGET_LATENCY_MS")


def test_flags_override_the_environment():
    result = run("config", "show", "--source", "scripted:happy=1", EMOTION_EDGE_SOURCE_URI="0")
    assert 'uri = "scripted:happy=1"' in result.stdout


def test_reader_that_has_gone_is_no_error():
    with subprocess.Popen(
        [*COMMAND, "config", "show"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        process.stdout.close()
        assert process.wait(60) == 0
        assert process.stderr.read() == ""
