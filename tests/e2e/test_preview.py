"""The page of the real program: configurations that it refuses, its end, and a thousand hostile requests."""

import http.client
import itertools
import json
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from edge.system.installation import how_to_install
from support.hostile_images import EXPECTED_STATUSES, HostileRequests, send
from support.mqtt import wait_until
from support.preview import TOKEN, Watcher
from support.program import COMMAND, comparable, environment, events_of, kill, run

ENDLESS = "scripted:happy=1,surprise=1,sad=1,none=2?seed=5&loop=1"
FREE_PORT = {"EMOTION_EDGE_PREVIEW_PORT": "0", "EMOTION_EDGE_BUDGET_LATENCY_MS": "10000"}
REQUESTS = 1000


class Program:
    """A running program with its page. Its output goes to files, so that no pipe fills up."""

    def __init__(self, folder: Path, *arguments: object, **changes: str) -> None:
        self._out, self._err = folder / "out", folder / "err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [*COMMAND, "run", "--preview", *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=environment(**{**FREE_PORT, **changes}),
            )
        wait_until(lambda: self.process.poll() is not None or "sensor started" in self.err)
        assert self.process.poll() is None, self.err
        self.port = int(re.search(r"http://[^/]*:(\d+)/", self.err)[1])

    @property
    def err(self):
        return self._err.read_text(encoding="utf-8")

    @property
    def events(self):
        return [json.loads(line) for line in self._out.read_text(encoding="utf-8").splitlines()]

    def get(self, path, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    def peak_mb(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@pytest.fixture
def started(tmp_path):
    """Start programs; kill them after the test."""
    programs = []

    def _start(*arguments, **changes):
        programs.append(Program(tmp_path, *arguments, **changes))
        return programs[-1]

    yield _start
    for program in programs:
        kill(program.process)


def refused(**changes):
    result = run("run", "--source", ENDLESS, "--preview", **changes)
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.returncode, result.stderr.splitlines()[-1]


def test_missing_package_is_named(tmp_path):
    (tmp_path / "uvicorn.py").write_text("raise ModuleNotFoundError(name='uvicorn')\n", encoding="utf-8")
    code, message = refused(PYTHONPATH=str(tmp_path))
    assert code == 2
    assert message.endswith(
        f"the package uvicorn is not installed: install what the page needs with {how_to_install('preview')}"
    )


def test_packages_of_the_page_are_not_imported_while_it_is_off():
    script = "import sys, edge.cli, edge.daemon.daemon; print(sorted({name.split('.')[0] for name in sys.modules}))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "'edge'" in ran.stdout
    assert not re.findall("uvicorn|starlette|prometheus_client", ran.stdout)


def test_open_address_without_a_token_is_refused():
    code, message = refused(EMOTION_EDGE_PREVIEW_HOST="0.0.0.0", **FREE_PORT)  # noqa: S104 - is refused
    assert code == 2
    assert "preview.host is '0.0.0.0', which other machines can reach, and there is no token" in message


def test_port_in_use_is_refused_in_one_sentence():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, message = refused(EMOTION_EDGE_PREVIEW_PORT=str(port))
    assert code == 2
    assert f"preview.port {port} at preview.host '127.0.0.1' cannot be used (Address already in use)" in message


def test_doctor_checks_the_page():
    good = run("doctor", "--source", ENDLESS, EMOTION_EDGE_PREVIEW_ENABLED="true", EMOTION_EDGE_PREVIEW_PORT="0")
    assert re.search(
        r"ok    page         can be served at http://127\.0\.0\.1:\d+/, for this machine alone", good.stdout
    )
    bad = run("doctor", "--source", ENDLESS, EMOTION_EDGE_PREVIEW_ENABLED="true", EMOTION_EDGE_PREVIEW_HOST="::")
    assert bad.returncode == 1
    assert (
        "FAIL  page         EMOTION_EDGE_PREVIEW_HOST: preview.host is '::', which other machines can reach"
        in bad.stdout
    )


def test_program_ends_cleanly_while_pages_are_open(started):
    program = started("--source", ENDLESS)
    watcher = Watcher(program.port).wait(lambda one: len(one.frames) > 2 and one.events)
    stuck = Watcher(program.port, reading=False)
    assert program.end() == 0
    assert watcher.ended.wait(30)
    stuck.close()
    assert "Traceback" not in program.err
    shown = {one["payload"]["id"]: one["payload"] for one in watcher.events if one["published"]}
    assert shown
    assert [event for event in program.events if event["id"] in shown] == list(shown.values())


def test_program_withstands_a_thousand_hostile_requests(started):
    program = started(
        "--source",
        ENDLESS,
        EMOTION_EDGE_PREVIEW_HOST="0.0.0.0",  # noqa: S104 - what the token is for
        EMOTION_EDGE_PREVIEW_TOKEN=TOKEN,
    )
    wait_until(lambda: len(program.events) > 1)
    statuses = Counter()
    for request in itertools.islice(HostileRequests(7, program.port, TOKEN).requests(), REQUESTS):
        status = send(program.port, request)
        # A sender that left before all was sent gets no answer.
        assert status in EXPECTED_STATUSES or (status is None and request.cut), request.kind
        statuses[status] += 1
    assert {400, 401, 403, 404, 405, 413, 421} <= set(statuses)
    # It still sees faces (on a quick machine the requests end before there are many events), and has dropped no frame.
    wait_until(lambda: len(program.events) > 3)
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    status, body = program.get("/healthz", **bearer)
    assert (status, json.loads(body)["status"]) == (200, "ok")
    _, metrics = program.get("/metrics", **bearer)
    assert "emotion_edge_frames_dropped_total 0.0" in metrics
    frames = int(float(re.search(r"emotion_edge_frames_total ([\d.]+)", metrics)[1]))
    # The sensor alone takes about 150 MB, a picture of 25 million pixels several times 25 MB.
    assert program.peak_mb() < 450
    assert program.end() == 0
    assert "Traceback" not in program.err
    assert "ERROR" not in program.err
    # The events are the same as those of a run without requests.
    later = frames + 15  # at the end of a run every face leaves
    undisturbed = comparable(events_of("--source", ENDLESS, "--fast", "--max-frames", later))
    expected = [event for event in undisturbed if event["source_seconds"] < frames / 15]
    assert len(expected) > 2
    assert comparable(program.events)[: len(expected)] == expected
