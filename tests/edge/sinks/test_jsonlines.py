import io
import subprocess
import sys
import time

import jsonschema
import msgspec

from edge.messages.schemas import load
from edge.sinks.jsonlines import JsonLinesSink
from support.mqtt import event, health, info, state


def test_one_line_per_event_and_nothing_else() -> None:
    stream = io.StringIO()
    sink = JsonLinesSink(stream)
    sink.start()
    sink.info(info())
    sink.state(state())
    sink.health(health())
    sink.event(event(1), time.monotonic() - 0.25)
    sink.event(event(2, replayed=True), time.monotonic())
    lines = [msgspec.json.decode(line) for line in stream.getvalue().splitlines()]
    for line in lines:
        jsonschema.validate(line, load("event"))
    assert [line["seq"] for line in lines] == [1, 2]
    assert 250 <= lines[0]["latency_ms"] < 1000
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


def test_reader_that_goes_away_is_a_clean_end() -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_env()
    )
    assert writer.stdout is not None
    assert b'"seq":1,' in writer.stdout.readline()
    writer.stdout.close()
    _, complaints = writer.communicate(timeout=30)
    assert (writer.returncode, complaints) == (0, b"")


def test_full_disk_is_a_failure() -> None:
    with open("/dev/full", "w") as stream:  # noqa: PTH123
        sink = JsonLinesSink(stream)
        sink.event(event(1), time.monotonic())
        assert isinstance(sink.status().failure, OSError)
        assert not sink.status().ended
        assert not sink.close(0.0)


def _env() -> dict[str, str]:
    return {"PYTHONPATH": ":".join(path for path in sys.path if path)}
