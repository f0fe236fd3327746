"""Covers the description of the outbox for `doctor`, which must change nothing."""

import contextlib
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge.config.mqtt_schema import MqttConfig
from edge.errors import ConfigError
from edge.messages.payloads import encode
from edge.mqtt.outbox.inspect import describe_outbox, warn_of_little_room
from edge.mqtt.outbox.store import NewRow, Store
from support.mqtt import OUTBOX, event, fill_disk

HOLD = """
import sys, time
from pathlib import Path
from edge.mqtt.outbox.store import Store
store = Store(Path(sys.argv[1]))
store.open()
print("open", flush=True)
sys.stdin.read()
"""


def described(folder: Path | str) -> str:
    return describe_outbox(MqttConfig(url="mqtt://127.0.0.1", outbox_directory=str(folder)), "cam")


def content(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_nothing_is_stored_without_a_broker_or_a_folder() -> None:
    assert describe_outbox(MqttConfig(), "cam") == "none: without a broker (mqtt.url) no event waits"
    assert described("none").startswith("in memory only (mqtt.outbox_directory")


def test_folder_is_not_created_before_the_first_start(tmp_path: Path) -> None:
    assert described(tmp_path / "new" / "folder").startswith(
        f"events that wait are stored in {tmp_path}/new/folder/{OUTBOX}, which is created at the first start ("
    )
    assert list(tmp_path.iterdir()) == []


def test_events_in_the_write_ahead_log_of_a_killed_process_are_counted(tmp_path: Path) -> None:
    store = Store(tmp_path / "work" / OUTBOX)
    store.open()
    store.write([NewRow(time.monotonic(), encode(event(seq))) for seq in (1, 2, 3)], ())
    left = tmp_path / "left"
    left.mkdir()
    for path in (tmp_path / "work").iterdir():  # as a power cut leaves it
        (left / path.name).write_bytes(path.read_bytes())
    store.close()
    assert {path.name for path in left.iterdir()} >= {OUTBOX, f"{OUTBOX}-wal"}
    before = content(left)
    assert described(left).startswith(f"3 event(s) wait in {left / OUTBOX} for the next start (")
    assert content(left) == before


def test_outbox_of_a_running_sensor_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / OUTBOX
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": ":".join(path for path in sys.path if path)},
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        assert "is in use by a running sensor" in described(tmp_path)
    finally:
        holder.kill()
        holder.communicate()
    assert described(tmp_path).startswith("0 event(s) wait in ")


def test_file_that_is_no_outbox_is_described_and_left_there(tmp_path: Path) -> None:
    (tmp_path / OUTBOX).write_text("a shopping list")
    assert "is no outbox: the next start renames it and creates a new one" in described(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [OUTBOX]


def test_folder_or_file_that_cannot_be_used_is_an_error_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"/proc/self/x/.* cannot be written to .*set mqtt\.outbox_directory"):
        described("/proc/self/x")
    (tmp_path / OUTBOX).mkdir()
    with pytest.raises(ConfigError, match=r"cannot be read \(Is a directory\)"):
        described(tmp_path)


def test_full_disk_is_an_error_with_the_figures(small_disk: Path) -> None:
    fill_disk(small_disk)
    with pytest.raises(
        ConfigError, match=r"0\.00 MB are free in .*, and it needs 0\.23 MB before the first event.*make room"
    ):
        described(small_disk)


def test_disk_without_inodes_is_an_error(small_disk: Path) -> None:
    with contextlib.suppress(OSError):
        for number in range(64):
            (small_disk / f"file-{number}").touch()
    with pytest.raises(ConfigError, match="has no room for another file"):
        described(small_disk)


def test_disk_that_a_full_outbox_does_not_fit_on_is_a_warning_with_the_figures(small_disk: Path) -> None:
    warning = warned(small_disk, max_events=10_000)
    assert warning is not None
    assert warning.startswith(
        f"1.05 MB are free for {small_disk / OUTBOX}, but 10,000 events (mqtt.outbox_max_events) "
    )
    assert "need 10 MB: about 818 fit, " in warning
    assert warned(small_disk, max_events=700) is None
    # What the outbox takes already counts as its own.
    (small_disk / OUTBOX).write_bytes(b"x" * 600_000)
    assert warned(small_disk, max_events=700) is None


def warned(folder: Path, max_events: int) -> str | None:
    mqtt = MqttConfig(url="mqtt://127.0.0.1", outbox_directory=str(folder), outbox_max_events=max_events)
    return warn_of_little_room(mqtt, "cam")


def test_nothing_is_warned_of_where_there_is_room_or_no_file(tmp_path: Path) -> None:
    assert warned(tmp_path, max_events=100) is None
    assert warn_of_little_room(MqttConfig(url="mqtt://127.0.0.1", outbox_directory="none"), "cam") is None
    assert warn_of_little_room(MqttConfig(), "cam") is None
