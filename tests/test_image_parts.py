"""The programs in the OCI image that are not in the package: the health check and the entry point."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from support.preview import TOKEN, Site, result

OCI = Path(__file__).parents[1] / "distribution" / "oci"


def check(**variables):
    """Run the health check as in the image, without site-packages."""
    return subprocess.run(
        [sys.executable, "-ISs", str(OCI / "healthcheck")], env=variables, capture_output=True, text=True, check=False
    )


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setenv("EMOTION_EDGE_PREVIEW_TOKEN", TOKEN)
    one = Site(enabled=False, probes=True)
    one.show(result())
    yield one
    one.close()


def test_health_check_asks_with_port_and_token_of_the_configuration(site, tmp_path):
    asked = check(EMOTION_EDGE_PREVIEW_PORT=str(site.port), EMOTION_EDGE_PREVIEW_TOKEN=TOKEN)
    assert (asked.returncode, asked.stderr) == (0, "")
    assert '"status":"ok"' in asked.stdout
    assert check(EMOTION_EDGE_PREVIEW_PORT=str(site.port)).returncode == 1  # without the token
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    file = tmp_path / "config.toml"
    file.write_text(f'[preview]\nport = {site.port}\ntoken_file = "{tmp_path}/token"\n')
    assert check(EMOTION_EDGE_CONFIG=str(file)).returncode == 0


def test_health_check_fails_where_nothing_answers(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        asked = check(EMOTION_EDGE_PREVIEW_PORT=str(free.getsockname()[1]))
    assert (asked.returncode, asked.stderr) == (1, "")
    assert asked.stdout.startswith("/healthz does not answer: ")
    assert check(EMOTION_EDGE_CONFIG=str(tmp_path / "absent.toml")).returncode == 1


def test_entry_point_keeps_one_machine_id_in_the_state_folder(tmp_path):
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "emotion-edge"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    environ = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "STATE_DIRECTORY": str(tmp_path)}
    ids = []
    for _ in range(2):
        ran = subprocess.run(
            ["sh", OCI / "start", "run", "a b"], env=environ, capture_output=True, text=True, check=True
        )
        assert (ran.stdout, ran.stderr) == ("run\na b\n", "")
        ids.append((tmp_path / "machine-id").read_text().strip())
    assert ids[0] == ids[1]
    assert len(bytes.fromhex(ids[0])) == 16
