"""Covers what `info` says of the boots before, and what `watch --verify` makes of it, with a real broker."""

import io
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge.commands.watch import Options, watch
from edge.config.mqtt_schema import MqttConfig
from edge.config.state_dir import run_record_file
from edge.messages.payloads import encode
from edge.mqtt.outbox.account import BootAccount
from edge.mqtt.outbox.store import NewRow, Store
from edge.mqtt.sink import MqttSink
from support.broker import PrivateBroker
from support.mqtt import OUTBOX, Subscriber, event, info, on_disk, send, suspended, wait_until

MakeBroker = Callable[..., PrivateBroker]
MakeSink = Callable[..., MqttSink]
Subscribe = Callable[..., Subscriber]


def started(make_sink: MakeSink, broker: PrivateBroker, boot_id: str, folder: Path | str) -> MqttSink:
    sink = make_sink(broker, outbox_directory=str(folder))
    sink.info(msgspec.structs.replace(info(), boot_id=boot_id))
    sink.start()
    return sink


def previous(subscriber: Subscriber, boot_id: str) -> list[dict[str, Any]]:
    """Return what the last `info` of a boot has of those before."""
    subscriber.wait(lambda: any(seen.json["boot_id"] == boot_id for seen in subscriber.of("info")))
    boots: list[dict[str, Any]] = [s.json for s in subscriber.of("info") if s.json["boot_id"] == boot_id][-1][
        "previous_boots"
    ]
    return boots


def counts(boot: dict[str, Any]) -> dict[str, Any]:
    """Return what is not zero."""
    return {key.removeprefix("events_"): value for key, value in boot.items() if value}


def left_by_a_kill(folder: Path, following: Path, *, record: bool = True) -> Path:
    """Return another folder with the files of an outbox that is in use, as a kill leaves them at this moment."""
    shutil.copytree(folder, following)
    if record:
        here, there = (run_record_file(MqttConfig(outbox_directory=str(one)), "cam") for one in (folder, following))
        assert here is not None
        assert there is not None
        shutil.copyfile(here, there)
    return following


@pytest.fixture
def waiting(make_broker: MakeBroker, make_sink: MakeSink, tmp_path: Path) -> Path:
    """The folder of a sink whose five events wait on disk for a broker that is away."""
    broker = make_broker()
    broker.reserve()
    sink = started(make_sink, broker, "one", tmp_path / "one")
    send(sink, 1, 2, 3, 4, 5, boot_id="one")
    wait_until(lambda: len(on_disk(tmp_path / "one", tmp_path / "copy")) == 5)
    return tmp_path / "one"


def test_boot_that_was_killed_is_accounted_for_exactly(
    waiting: Path, broker: PrivateBroker, make_sink: MakeSink, subscribe: Subscribe, tmp_path: Path
) -> None:
    subscriber = subscribe(broker)
    sink = started(make_sink, broker, "two", left_by_a_kill(waiting, tmp_path / "two"))
    (boot,) = previous(subscriber, "two")
    assert counts(boot) == {"boot_id": "one", "decided": 5, "decided_exact": True, "waiting": 5}
    wait_until(sink.drained)
    send(sink, 1, 2, boot_id="two")
    wait_until(sink.drained)
    assert sink.close(10.0)
    started(make_sink, broker, "three", tmp_path / "two")
    last, before = previous(subscriber, "three")
    assert counts(last) == {"boot_id": "two", "decided": 2, "decided_exact": True, "delivered": 2}
    assert counts(before) == {"boot_id": "one", "decided": 5, "decided_exact": True, "delivered": 5}


def test_after_a_power_cut_at_least_what_is_on_disk_is_known(
    waiting: Path, broker: PrivateBroker, make_sink: MakeSink, subscribe: Subscribe, tmp_path: Path
) -> None:
    subscriber = subscribe(broker)
    started(make_sink, broker, "two", left_by_a_kill(waiting, tmp_path / "two", record=False))
    (boot,) = previous(subscriber, "two")
    assert counts(boot) == {"boot_id": "one", "decided": 5, "waiting": 5}


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"x" * 9000)])
def test_events_in_a_destroyed_outbox_are_logged_and_counted(
    waiting: Path,
    broker: PrivateBroker,
    make_sink: MakeSink,
    subscribe: Subscribe,
    tmp_path: Path,
    damage: Callable[[Path], object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    subscriber = subscribe(broker)
    folder = left_by_a_kill(waiting, tmp_path / "two")
    for path in folder.glob(f"{OUTBOX}-*"):
        path.unlink()
    damage(folder / OUTBOX)
    sink = started(make_sink, broker, "two", folder)
    lines = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert (
        f"5 of 5 event(s) that waited in {folder / OUTBOX} are lost: the file was removed, replaced or damaged" in lines
    )
    assert sink.status().outbox_dropped == 5
    (boot,) = previous(subscriber, "two")
    assert counts(boot) == {"boot_id": "one", "decided": 5, "decided_exact": True, "unaccounted": 5}


KILLED = """
import sys, time
from msgspec import structs
from edge.config.mqtt_schema import MqttConfig
from edge.mqtt.sink import MqttSink
from support.mqtt import event, info
sink = MqttSink(MqttConfig(url=sys.argv[1], outbox_directory="none"), "cam")
sink.info(structs.replace(info(), boot_id="one"))
sink.start()
for line in sys.stdin:
    first, last = map(int, line.split())
    for seq in range(first, last + 1):
        sink.event(event(seq, boot_id="one"), time.monotonic())
    print(last, flush=True)
"""


def test_events_that_a_kill_took_are_found_by_watch(
    make_broker: MakeBroker, make_sink: MakeSink, tmp_path: Path
) -> None:
    """Some of sixty events are on their way to a broker that does not answer, the others in memory."""
    broker = make_broker(extra=[f"pid_file {tmp_path / 'pid'}"])
    broker.start()
    stream, stop = io.StringIO(), threading.Event()
    codes: list[int] = []
    mqtt = MqttConfig(url=broker.url)
    watcher = threading.Thread(target=lambda: codes.append(watch(mqtt, Options(verify=True), stream, stop.is_set)))
    watcher.start()
    wait_until(lambda: "Sending SUBACK to emotion-edge-watch-" in broker.log())
    environ = {
        "PYTHONPATH": ":".join(path for path in sys.path if path),
        "XDG_RUNTIME_DIR": os.environ["XDG_RUNTIME_DIR"],
    }
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, broker.url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environ,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        print("1 3", file=process.stdin, flush=True)
        assert process.stdout.readline() == "3\n"
        wait_until(lambda: stream.getvalue().count("face 1") == 3)
        with suspended(tmp_path / "pid"):
            print("4 60", file=process.stdin, flush=True)
            assert process.stdout.readline() == "60\n"
            process.kill()
            process.wait()
    sink = started(make_sink, broker, "two", "none")
    send(sink, 1, boot_id="two")
    wait_until(sink.drained)
    wait_until(lambda: "lost at the end" in stream.getvalue())
    stop.set()
    watcher.join()
    lines = [line for line in stream.getvalue().splitlines() if line.startswith("verify: ")]
    arrived = stream.getvalue().count("face 1") - 1
    assert 3 <= arrived < 60
    assert lines == [
        f"verify: cam boot one: lost at the end, {arrived + 1} to 60 of 60 missing",
        f"verify: cam boot one: 1 to 60, {arrived} events, {60 - arrived} missing",
        "verify: cam boot two: 1 to 1, 1 events, none missing",
    ]
    assert codes == [1]


def test_file_of_an_older_version_is_taken_over_and_stays_usable_for_it(tmp_path: Path) -> None:
    file = tmp_path / OUTBOX
    older = sqlite3.connect(file)
    older.executescript(
        "CREATE TABLE events (number INTEGER PRIMARY KEY, taken_seconds REAL NOT NULL, json BLOB NOT NULL);"
        "CREATE TABLE clock (run_seconds REAL NOT NULL); INSERT INTO clock VALUES (0.0);"
        "PRAGMA application_id = 0x656D4F62; PRAGMA user_version = 1;"
    )
    insert = "INSERT INTO events (taken_seconds, json) VALUES (0.0, ?)"
    older.execute(insert, (encode(event(1)),))
    older.commit()
    older.close()
    store = Store(file)
    assert [row.event.seq for row in store.open()] == [1]
    assert (store.accounts, store.set_aside) == ([], [])
    account = BootAccount("boot", decided=2, exact=True, settled=1)
    assert store.write([NewRow(time.monotonic(), encode(event(2)))], [1], accounts=[account]) == [2]
    store.close()
    older = sqlite3.connect(file)
    older.execute(insert, (encode(event(3)),))
    older.execute("UPDATE clock SET run_seconds = 1.0")
    assert older.execute("SELECT count(*), max(number) FROM events").fetchone() == (2, 3)
    older.commit()
    older.close()
    assert [row.event.seq for row in store.open()] == [2, 3]
    assert store.accounts == [account]
    store.close()
