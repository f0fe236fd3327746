"""Covers the JSON Lines sink: what it writes, and how it ends when its stream fails."""

import io
import subprocess
import sys
import time

import jsonschema
import msgspec

from edge.messages.schemas import load
from edge.sinks.jsonlines import JsonLinesSink
from support.mqtt import event, health, info, state


def test_writes_one_line_per_event_and_nothing_else() -> None:
    stream = io.StringIO()
    sink = JsonLinesSink(stream)
    sink.start()
    sink.info(info())
    sink.state(state())
    sink.health(health())
    captured = time.monotonic() - 60
    sink.event(event(1), captured)
    passed_ms = (time.monotonic() - captured) * 1e3
    sink.event(event(2, replayed=True), time.monotonic())
    lines = [msgspec.json.decode(line) for line in stream.getvalue().splitlines()]
    for line in lines:
        jsonschema.validate(line, load("event"))
    assert [line["seq"] for line in lines] == [1, 2]
    # A second of slack: the sink converts between two clocks, which it reads one after the other.
    assert 59_000 <= lines[0]["latency_ms"] <= passed_ms + 1000
    assert not any(line["replayed"] for line in lines)
    assert sink.drained()
    assert sink.close(0.0)


WRITER = """
import sys, time
from support.mqtt import event
from edge.sinks.jsonlines import JsonLinesSink
sink = JsonLinesSink(sys.stdout)
seq = 0
while not sink.status().ended:
    seq += 1
    sink.event(event(seq), time.monotonic())
assert sink.status().failure is None
assert not sink.close(0.0)
"""


def test_closed_pipe_ends_the_sink_without_a_failure() -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )
    assert writer.stdout is not None
    assert b'"seq":1,' in writer.stdout.readline()
    writer.stdout.close()
    _, errors = writer.communicate(timeout=30)
    assert (writer.returncode, errors) == (0, b"")


def test_full_disk_becomes_the_failure() -> None:
    with open("/dev/full", "w") as stream:  # noqa: PTH123
        sink = JsonLinesSink(stream)
        sink.event(event(1), time.monotonic())
        assert isinstance(sink.status().failure, OSError)
        assert not sink.status().ended
        assert not sink.close(0.0)


def environment() -> dict[str, str]:
    return {"PYTHONPATH": ":".join(path for path in sys.path if path)}
