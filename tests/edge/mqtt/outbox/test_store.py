"""Covers the outbox file: what it survives, and the errors where it cannot."""

import os
import re
import resource
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.messages.payloads import encode
from edge.mqtt.outbox.store import NewRow, Store, StoreBusyError, StoreError
from support.mqtt import event

MakeStore = Callable[..., Store]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "outbox-cam.sqlite3"


@pytest.fixture
def make_store(file: Path) -> Iterator[MakeStore]:
    stores = []

    def make(where: Path = file, **options: object) -> Store:
        stores.append(Store(where, **options))  # type: ignore[arg-type]
        return stores[-1]

    yield make
    for store in stores:
        store.close()


def json(*seqs: int) -> list[NewRow]:
    return [NewRow(float(seq), encode(event(seq))) for seq in seqs]


def seqs(store: Store) -> list[int]:
    return [row.event.seq for row in store.open()]


def test_rows_outlive_a_killed_process(file: Path, tmp_path: Path, make_store: MakeStore) -> None:
    store = make_store()
    assert store.open() == []
    assert store.write(json(1, 2, 3), ()) == [1, 2, 3]
    assert store.write(json(4), [2]) == [4]
    # The files as after a kill: nothing was closed.
    shutil.copytree(file.parent, tmp_path / "later")
    assert seqs(make_store(tmp_path / "later" / file.name)) == [1, 3, 4]


def test_order_is_that_of_writing_whatever_the_clocks_show(make_store: MakeStore) -> None:
    store = make_store()
    store.open()
    store.write([NewRow(9.0, encode(event(1, time="2026-01-31T08:15:00.250Z")))], ())
    store.write([NewRow(7.0, encode(event(2, time="1970-01-01T00:00:01.000Z")))], [1])
    store.write([NewRow(8.0, encode(event(3, time="2038-01-31T08:15:00.250Z")))], ())
    assert seqs(store) == [2, 3]


def test_only_the_owner_may_read_the_file(file: Path, make_store: MakeStore) -> None:
    store = make_store()
    store.open()
    store.write(json(1), ())
    assert {stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()} == {0o600}
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_age_clock_runs_only_while_the_sensor_does(make_store: MakeStore) -> None:
    now = 500.0
    store = make_store(monotonic=lambda: now)
    store.open()
    store.write([NewRow(now, encode(event(1)))], ())
    now = 560.0
    store.write([NewRow(now, encode(event(2)))], ())
    store.close()
    now = 17.0  # another start of the machine, some weeks later
    rows = make_store(monotonic=lambda: now).open()
    assert [now - row.added_monotonic for row in rows] == pytest.approx([60.0, 0.0])


HOLD = """
import sys
from pathlib import Path
from edge.mqtt.outbox.store import Store
Store(Path(sys.argv[1])).open()
print("open", flush=True)
sys.stdin.read()
"""


def test_second_process_cannot_open_the_file(file: Path, make_store: MakeStore) -> None:
    environ = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(StoreBusyError, match="another process has opened it"):
            make_store().open()
        other.kill()
    assert make_store().open() == []


def garbage(file: Path) -> None:
    file.write_bytes(os.urandom(50_000))


def text(file: Path) -> None:
    file.write_text("shopping: milk, bread\n" * 100)


def torn(file: Path) -> None:
    """Damage a page in the middle, as a failing SD card does."""
    store = Store(file)
    store.open()
    store.write(json(*range(1, 200)), ())
    store.close()
    content = bytearray(file.read_bytes())
    content[8 * 4096 : 9 * 4096] = os.urandom(4096)
    file.write_bytes(content)


def cut_off(file: Path) -> None:
    store = Store(file)
    store.open()
    store.write(json(*range(1, 200)), ())
    store.close()
    file.write_bytes(file.read_bytes()[:20_000])


def foreign(file: Path) -> None:
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.commit()
    connection.close()


def newer(file: Path) -> None:
    store = Store(file)
    store.open()
    store.close()
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA user_version = 7")
    connection.close()


def no_events(file: Path) -> None:
    store = Store(file)
    store.open()
    store.write([NewRow(0.0, b'{"boot_id": "x", "seq": 0}')], ())
    store.close()


def folder(file: Path) -> None:
    file.mkdir()
    (file / "something").write_text("")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (garbage, "file is not a database"),
        (text, "file is not a database"),
        (torn, "."),
        (cut_off, "database disk image is malformed"),
        (foreign, "a database of another program"),
        (newer, "the file has version 7, this program supports version 1"),
        (no_events, "a row that is no event: .*seq"),
        (folder, "the path is a folder"),
    ],
)
def test_file_that_is_no_outbox_is_renamed(
    file: Path, make_store: MakeStore, damage: Callable[[Path], None], reason: str
) -> None:
    file.parent.mkdir()
    for count in (1, 2):
        damage(file)
        content = file.read_bytes() if file.is_file() else b""
        store = make_store()
        assert store.open() == []
        (sentence,) = store.set_aside
        assert sentence.startswith(f"{file} is no outbox (")
        assert sentence.endswith(f": renamed to {file.name}.bad-{count}, a new one is created")
        aside = file.with_name(f"{file.name}.bad-{count}")
        assert (aside.read_bytes() if aside.is_file() else b"") == content
        assert re.search(reason, sentence)
        store.write(json(1), ())
        store.close()
        file.unlink()


def test_damaged_files_do_not_fill_the_disk(file: Path, make_store: MakeStore) -> None:
    file.parent.mkdir()
    for _ in range(12):
        text(file)
        store = make_store()
        store.open()
        store.close()
        file.unlink()
    assert len(list(file.parent.glob("*.bad-*"))) == 9


def test_empty_file_becomes_an_outbox(file: Path, make_store: MakeStore) -> None:
    file.parent.mkdir()
    file.touch()
    store = make_store()
    assert store.open() == []
    assert store.set_aside == []
    store.write(json(1), ())


def test_full_disk_is_an_error_and_loses_nothing_written_before(make_store: MakeStore) -> None:
    store = make_store()
    store.open()
    store.write(json(1), ())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Writes of this process beyond this size fail, as on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (64_000, hard))
    try:
        fitted = write_until_full(store)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert fitted > 5
    assert seqs(store) == list(range(1, fitted + 1))
    store.write(json(fitted + 1), ())


def write_until_full(store: Store) -> int:
    """Write events from the second on, one by one; return the last that was written."""
    for seq in range(2, 1000):
        try:
            store.write(json(seq), ())
        except StoreError:
            return seq - 1
    pytest.fail("the disk was never full")


@pytest.mark.parametrize("name", ["/proc/self/state/outbox", "/proc/version", f"/{'a' * 300}"])
def test_folder_that_cannot_be_written_to_is_an_error(make_store: MakeStore, name: str) -> None:
    with pytest.raises(StoreError, match=r"cannot be (created|written to|opened)"):
        make_store(Path(name)).open()


def test_removed_file_is_an_error_and_can_be_created_again(file: Path, make_store: MakeStore) -> None:
    store = make_store()
    store.open()
    file.unlink()
    with pytest.raises(StoreError, match="removed or replaced"):
        store.write(json(1), ())
    assert store.open() == []
    store.write(json(1), ())
    assert seqs(store) == [1]
