"""What `emotion-edge service` hands over to the shell program of the installation; what that does needs systemd."""

import argparse
import subprocess
import sys

import pytest

from edge.commands import service
from edge.config.schema import Config
from edge.errors import ConfigError

HAND_OVER = """
import argparse, sys
from pathlib import Path
from edge.commands import service
from edge.logs.native import relay_native_stderr
with relay_native_stderr():  # as the command line does
    service.run(argparse.Namespace(action="check", name=sys.argv[2]), None, Path(sys.argv[1]))
"""


@pytest.mark.parametrize(("name", "words"), [("door", "check door"), ("", "check")])
def test_program_takes_over_with_its_output_its_errors_and_its_exit_code(name, words, tmp_path):
    program = tmp_path / "service"
    program.write_text('echo "$@"\necho the problem >&2\nexit 3\n', encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-c", HAND_OVER, program, name], capture_output=True, text=True, check=False, timeout=60
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (3, f"{words}\n", "the problem\n")


@pytest.mark.parametrize("name", ["config", "Door", "../x", "a" * 19, "-x"])
def test_name_that_no_instance_can_have_is_refused(name, tmp_path):
    program = tmp_path / "service"
    program.touch()
    with pytest.raises(ConfigError, match="cannot be the name of an instance: it must be a letter"):
        service.run(argparse.Namespace(action="check", name=name), Config(), program)


def test_without_an_installed_service_one_sentence_says_so(tmp_path):
    with pytest.raises(
        ConfigError, match=r"^/.*/no/service is missing: this program runs from /.*, where no service is"
    ):
        service.run(argparse.Namespace(action="check", name=None), Config(), tmp_path / "no" / "service")
