"""What `doctor` says about the outbox; it must change nothing."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge.config.schema import MqttConfig
from edge.errors import ConfigError
from edge.messages.payloads import encode
from edge.mqtt.outbox.inspect import describe_outbox
from edge.mqtt.outbox.store import Store
from support.mqtt import OUTBOX, event

HOLDS = """
import sys, time
from pathlib import Path
from edge.mqtt.outbox.store import Store
store = Store(Path(sys.argv[1]))
store.open()
print("open", flush=True)
sys.stdin.read()
"""


def said(folder: Path | str) -> str:
    return describe_outbox(MqttConfig(url="mqtt://127.0.0.1", outbox_directory=str(folder)), "cam")


def content(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_where_there_is_nothing_to_keep() -> None:
    assert describe_outbox(MqttConfig(), "cam") == "none: without a broker no event waits"
    assert said("none").startswith("in memory only, as mqtt.outbox_directory")


def test_before_the_first_start(tmp_path: Path) -> None:
    assert said(tmp_path / "new" / "folder").startswith(
        f"events that wait are kept in {tmp_path}/new/folder/{OUTBOX}, which is made at the first start ("
    )
    assert list(tmp_path.iterdir()) == []


def test_events_are_counted_also_those_that_a_kill_left_in_the_log(tmp_path: Path) -> None:
    store = Store(tmp_path / "work" / OUTBOX)
    store.open()
    store.write([(time.monotonic(), encode(event(seq))) for seq in (1, 2, 3)], ())
    left = tmp_path / "left"
    left.mkdir()
    for path in (tmp_path / "work").iterdir():  # as a power cut leaves it
        (left / path.name).write_bytes(path.read_bytes())
    store.close()
    assert {path.name for path in left.iterdir()} >= {OUTBOX, f"{OUTBOX}-wal"}
    before = content(left)
    assert said(left).startswith(f"3 event(s) wait in {left / OUTBOX}, for the next start (")
    assert content(left) == before


def test_a_sensor_that_runs_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / OUTBOX
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": ":".join(path for path in sys.path if path)},
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        assert "is in use by the sensor that runs" in said(tmp_path)
    finally:
        holder.kill()
        holder.communicate()
    assert said(tmp_path).startswith("0 event(s) wait in ")


def test_something_else_in_its_place_is_said_and_left_there(tmp_path: Path) -> None:
    (tmp_path / OUTBOX).write_text("a shopping list")
    assert "holds something else than events: it is set aside at the next start" in said(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [OUTBOX]


def test_what_cannot_be_kept_is_a_failure_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"/proc/self/x/.* cannot be written to .*set mqtt\.outbox_directory"):
        said("/proc/self/x")
    (tmp_path / OUTBOX).mkdir()
    with pytest.raises(ConfigError, match=r"cannot be read \(Is a directory\)"):
        said(tmp_path)
