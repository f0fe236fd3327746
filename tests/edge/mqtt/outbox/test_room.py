"""Covers the figures of the outbox's room on disk: they bound what the file really takes."""

import time
from pathlib import Path

import msgspec
import pytest

from edge.messages.payloads import encode
from edge.mqtt.outbox import room
from edge.mqtt.outbox.store import NewRow, NoRoomError, Store
from edge.system.clock import SystemClock
from support.mqtt import OUTBOX, event

LABELS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")


def rows(first: int, count: int) -> list[NewRow]:
    """Return events as a model with seven labels and three groups gives them."""
    shares = {
        "probabilities": dict.fromkeys(LABELS, 0.1429),
        "groups": dict.fromkeys(("positive", "negative", "neutral"), 0.3333),
        "group": "negative",
    }
    payloads = [
        encode(msgspec.structs.replace(event(seq, boot_id="0" * 16), **shares)) for seq in range(first, first + count)
    ]
    return [NewRow(time.monotonic(), json, 1.0) for json in payloads]


def test_log_stays_within_its_bound_and_an_event_within_its_size(tmp_path: Path) -> None:
    file = tmp_path / OUTBOX
    store = Store(file)
    store.open()
    log = file.with_name(f"{OUTBOX}-wal")
    clock = SystemClock()
    numbers: list[int] = []
    longest = 0
    for first in range(1, 1600, room.COMMIT_EVENTS):
        numbers += store.write(rows(first, room.COMMIT_EVENTS), (), clock.read())
        longest = max(longest, log.stat().st_size)
    for seq in range(2000, 2050):
        numbers += store.write(rows(seq, 1), (), clock.read())
        longest = max(longest, log.stat().st_size)
    assert longest <= room.LOG_BYTES
    assert file.stat().st_size / len(numbers) < room.EVENT_BYTES
    for first in range(0, len(numbers), room.COMMIT_DELETES):
        store.write((), numbers[first : first + room.COMMIT_DELETES], clock.read())
        longest = max(longest, log.stat().st_size)
    assert longest <= 2 * room.LOG_BYTES
    store.close()


@pytest.mark.parametrize(
    ("free", "refused"), [(None, False), (room.LEAST_FREE_BYTES * 2, False), (1000, True), (0, True)]
)
def test_event_is_refused_where_its_disk_has_no_room(tmp_path: Path, *, free: int | None, refused: bool) -> None:
    store = Store(tmp_path / OUTBOX, free_bytes=lambda _: free)
    store.open()
    store.write((), ())  # takes nothing further
    if refused:
        with pytest.raises(NoRoomError, match=r"no room on its disk, where 0\.23 MB must be free"):
            store.write(rows(1, 1), ())
        assert store.is_open
    else:
        assert store.write(rows(1, 1), ()) == [1]
    store.close()


def test_room_of_deleted_rows_is_used_on_a_full_disk(tmp_path: Path) -> None:
    free: int | None = None
    store = Store(tmp_path / OUTBOX, free_bytes=lambda _: free)
    store.open()
    numbers = [number for first in range(0, 200, 20) for number in store.write(rows(first + 1, 20), ())]
    store.write((), numbers)
    free = 0
    assert len(store.write(rows(201, 20), ())) == 20
    store.close()


def test_figures_for_people() -> None:
    assert [room.megabytes(count) for count in (0, 230_048, 9_990_000, 12_345_678)] == [
        "0.00 MB",
        "0.23 MB",
        "9.99 MB",
        "12 MB",
    ]
    assert room.outbox_bytes(10_000) > 10_000_000
    assert room.events_that_fit(room.outbox_bytes(500)) == 500
    assert room.events_that_fit(0) == 0


def test_room_of_this_disk_is_read(tmp_path: Path) -> None:
    assert (room.free_bytes(tmp_path) or 0) > 0
    assert room.free_bytes(tmp_path / "missing") is None
    assert not room.no_more_files(tmp_path / "missing")
    assert room.free_bytes(Path("/proc")) is None
