"""No picture leaves the sensor: every payload, file and log line of a real run is searched for one."""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import cv2
import pytest

from edge.capture.open import create_source
from edge.capture.source import SourceOptions
from support.footage import ROOT, footage
from support.image_search import hunt, needles
from support.leaky_sensor import LEAKED
from support.mqtt import Subscriber, wait_until
from support.program import environment

SCRIPT = "scripted:happy=1.5,sad=1.5,none=1?seed=5&loop=1"
MAX_PAYLOAD_BYTES = 32_768
"""Twice the longest message, which is the announcement to Home Assistant."""
_PERIOD_SECONDS = 2.0
NATIVE_LINES = "/memfd:stderr"
"""Memory in which `edge.logs.native` takes what a library writes while a model is loaded; searched like a file."""


class Evidence:
    """What a run has written: contents by place, and other outlets (files and sockets) that it had open."""

    def __init__(self) -> None:
        self.found: defaultdict[str, set[bytes]] = defaultdict(set)
        self.other_outlets: set[str] = set()

    def files(self, folder: Path) -> None:
        """Collect all files below `folder` while the run goes on."""
        for path in folder.rglob("*"):
            try:
                if path.is_file():
                    self.found[f"{path.relative_to(folder).parts[0]}/"].add(path.read_bytes())
            except FileNotFoundError:
                continue

    def outlets(self, pid: int, folder: Path, port: int) -> None:
        """Collect each file open for writing outside of `folder`, and each socket but the one to the broker."""
        inodes = set()
        for number in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target, flags = str(number.readlink()), Path(f"/proc/{pid}/fdinfo/{number.name}").read_text("ascii")
            except OSError:
                continue
            writes = int(flags.split("flags:")[1].split()[0], 8) & (os.O_WRONLY | os.O_RDWR)
            if target.startswith(NATIVE_LINES):
                with contextlib.suppress(OSError):  # it is open for a moment only
                    self.found["native lines"].add(number.read_bytes())
                continue
            if writes and target.startswith("/") and not target.startswith(("/dev/null", str(folder))):
                self.other_outlets.add(target)
            if target.startswith("socket:"):
                inodes.add(target[len("socket:[") : -1])
        for protocol in ("tcp", "tcp6", "udp", "udp6"):
            for row in Path(f"/proc/{pid}/net/{protocol}").read_text("ascii").splitlines()[1:]:
                fields = row.split()
                if fields[9] in inodes and int(fields[2].rpartition(":")[2], 16) != port:
                    self.other_outlets.add(f"{protocol} {fields[1]} to {fields[2]}")

    def findings(self, known: frozenset[bytes]) -> dict[str, set[str]]:
        found = {
            place: {name for one in contents for name in hunt(one, known)} for place, contents in self.found.items()
        }
        return {place: names for place, names in found.items() if names}


def run(tmp_path, broker, program, source, *, frames_of=None):
    """Run a program on a source, with requests, and without the broker for a while.

    Returns the evidence, the subscriber, the exit code, and pieces to recognise the frames by.
    """
    folder = tmp_path / "run"
    places = {name: folder / name for name in ("cwd", "state", "runtime", "home", "tmp")}
    for place in places.values():
        place.mkdir(parents=True)
    evidence = Evidence()
    subscriber = Subscriber(broker.port)
    log = (tmp_path / "log").open("w+b")
    process = subprocess.Popen(
        [*program, "run", "--source", str(source), "--mqtt", broker.url, "--log-level", "debug"],
        cwd=places["cwd"],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env=environment(
            PYTHONPATH=f"{ROOT}{os.pathsep}{ROOT / 'tests'}",
            PYTHONDONTWRITEBYTECODE="1",
            HOME=str(places["home"]),
            TMPDIR=str(places["tmp"]),
            XDG_STATE_HOME=str(places["state"]),
            XDG_RUNTIME_DIR=str(places["runtime"]),
            EMOTION_EDGE_DEVICE_ID="cam",
            EMOTION_EDGE_HEALTH_INTERVAL_SECONDS="0.5",
            EMOTION_EDGE_MQTT_RECONNECT_MAX_SECONDS="1",
            EMOTION_EDGE_HOMEASSISTANT_ENABLED="true",
        ),
    )

    def collect_until(condition):
        def collected():
            evidence.files(folder)
            if process.poll() is not None:
                return True
            with contextlib.suppress(FileNotFoundError):  # the process has just ended
                evidence.outlets(process.pid, tmp_path, broker.port)
            return condition()

        wait_until(collected)

    def later(seconds):
        until = time.monotonic() + seconds
        return lambda: time.monotonic() >= until

    try:
        collect_until(lambda: subscriber.of("event"))
        for name in ("health", "config", "reboot", "pause", "resume"):
            subscriber.publish(f"emotion-edge/cam/request/{name}", b"")
        collect_until(later(_PERIOD_SECONDS))
        broker.stop()
        collect_until(lambda: any(b'"seq":' in one for one in evidence.found["state/"]))
        broker.start()
        collect_until(later(_PERIOD_SECONDS))
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    finally:
        process.kill()
        process.wait()
    wait_until(lambda: "stopped" in subscriber.statuses or process.returncode)
    subscriber.close()
    evidence.files(folder)
    log.seek(0)
    evidence.found["log"].add(log.read())
    log.close()
    for seen in subscriber.seen:
        evidence.found["payloads"].add(seen.payload)
        evidence.found["topics"].add(seen.topic.encode())
    return evidence, subscriber, process.returncode, pieces_of(frames_of or source)


def pieces_of(uri):
    source = create_source(str(uri), SourceOptions())
    source.open()
    frames = [source.read().luma for _ in range(2 * LEAKED)]
    source.close()
    return needles(frames[::5])


REPEATS = 10
"""A clip of three seconds would be at its end before a busy machine has stopped the broker."""


def repeated(clip, path):
    """Write a clip several times in a row; returns the file."""
    capture = cv2.VideoCapture(str(clip))
    frames = list(itertools.takewhile(lambda frame: frame is not None, (capture.read()[1] for _ in itertools.count())))
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), capture.get(cv2.CAP_PROP_FPS), (width, height))
    for frame in frames * REPEATS:
        writer.write(frame)
    writer.release()
    return path


REAL = (sys.executable, "-m", "edge.cli")


@pytest.mark.parametrize("source", ["script", "footage"])
def test_no_picture_leaves_the_sensor(tmp_path, broker, source):
    clip = "face-demographics-walking-and-pause.mp4"
    uri = SCRIPT if source == "script" else repeated(footage(clip), tmp_path / clip)
    evidence, subscriber, code, known = run(tmp_path, broker, REAL, uri)
    # There was something to search: the run saw faces, answered requests, and stored waiting events on disk.
    assert code == 0
    assert {"face_appeared"} <= {seen.json["type"] for seen in subscriber.of("event")}
    assert len({seen.topic for seen in subscriber.of("response")}) == 5
    assert any(b'"seq":' in one for one in evidence.found["state/"])
    assert len(b"".join(evidence.found["log"])) > 5000
    assert evidence.findings(known) == {}
    assert max(len(seen.payload) for seen in subscriber.seen) < MAX_PAYLOAD_BYTES
    assert evidence.other_outlets == set()
    assert not evidence.found["cwd/"] | evidence.found["tmp/"] | evidence.found["home/"]


def test_leaking_sensor_is_caught_at_every_place(tmp_path, broker):
    program = (sys.executable, str(ROOT / "tests" / "support" / "leaky_sensor.py"))
    evidence, _, _, known = run(tmp_path, broker, program, SCRIPT)
    findings = evidence.findings(known)
    assert {"rows of a frame", "PNG"} <= findings["payloads"]
    assert "JPEG" in findings["log"]
    assert {"JPEG", "PNG"} <= findings["state/"], "a file beside the outbox, and the events in it"
    assert "rows of a frame" in findings["cwd/"]
    assert "WebP" in findings["tmp/"]
    assert any(one.startswith("/dev/shm/") for one in evidence.other_outlets)  # noqa: S108 - found, not used
    assert any(one.startswith("udp ") for one in evidence.other_outlets)
