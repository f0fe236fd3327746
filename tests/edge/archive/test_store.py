"""Both stores: what is written once, what a repeat changes, gaps, retention, migrations, and rows that do not fit."""

import datetime
import threading
from pathlib import Path

import msgspec
import pytest

from edge.archive.gaps import find_gaps
from edge.archive.migrations import VERSION_TABLE, newest
from edge.archive.open import open_store
from edge.archive.store import EVENT_COLUMNS, Store
from edge.config.archive_schema import parse_store
from edge.errors import ArchiveError
from edge.messages.payloads import PreviousBoot, encode
from support.archive import Database, batch_of, events_batch, summary
from support.mqtt import event, health, info, state

AN_HOUR = datetime.timedelta(hours=1)


def lines(store: Store) -> list[str]:
    return [str(gap) for gap in find_gaps(store.holes(), store.ends())]


def previous(boot_id: str, decided: int, waiting: int = 0) -> PreviousBoot:
    return PreviousBoot(
        boot_id=boot_id,
        events_decided=decided,
        events_decided_exact=True,
        events_delivered=0,
        events_waiting=waiting,
        events_dropped=0,
        events_unaccounted=0,
    )


def test_event_is_stored_once_however_often_it_comes(store: Store, database: Database) -> None:
    assert (store.write(events_batch("cam", 1, 2, 3, 2)).events, database.seqs()) == (3, [1, 2, 3])
    again = store.write(events_batch("cam", 3, 4, 1, replayed=True))
    assert (again.events, again.repeated, again.rejected) == (1, 2, [])
    assert database.seqs() == [1, 2, 3, 4]
    assert database.rows("SELECT count(*) FROM event WHERE seq < 4 AND replayed") == [(0,)], "the first one stays"


def test_events_of_boots_and_devices_are_apart(store: Store, database: Database) -> None:
    store.write(events_batch("cam", 1, boot_id="a"))
    assert store.write(events_batch("cam", 1, boot_id="b")).events == 1
    assert store.write(events_batch("hall", 1, boot_id="a")).events == 1
    assert len(database.rows("SELECT * FROM boot")) == 3


def test_columns_hold_what_the_event_says(store: Store) -> None:
    payload = event(5, previous="sad", latency_ms=12.5, valence=-0.25, clock_synchronised=True)
    face = msgspec.structs.replace(payload.face, zones=["door", "left; right"])
    payload = msgspec.structs.replace(payload, face=face)
    before = datetime.datetime.now(datetime.UTC)
    store.write(batch_of(("cam", "event", encode(payload))))
    ((row,),) = store.events(None, None)
    found = dict(zip(EVENT_COLUMNS, row, strict=True))
    assert abs(found.pop("received") - before) < AN_HOUR
    assert msgspec.json.decode(found.pop("payload")) == msgspec.json.decode(encode(payload))
    assert found == {
        "device": "cam",
        "boot_id": "boot",
        "seq": 5,
        "time": datetime.datetime.fromisoformat(payload.time),
        "type": "emotion_changed",
        "track": 1,
        "zones": ["door", "left; right"],
        "emotion": "happy",
        "previous": "sad",
        "confidence": 0.9,
        "valence": -0.25,
        "latency_ms": 12.5,
        "replayed": False,
        "clock_synchronised": True,
    }


def test_field_of_a_later_version_is_kept_with_the_payload(store: Store) -> None:
    later = msgspec.json.decode(encode(event(1))) | {"schema": 2, "gaze": {"yaw": [1, None, "\u00e4\U0001f600"]}}
    store.write(batch_of(("cam", "event", msgspec.json.encode(later))))
    ((row,),) = store.events(None, None)
    assert msgspec.json.decode(row[-1]) == later


def test_record_that_the_database_does_not_take_is_left_out_alone(store: Store, database: Database) -> None:
    huge = msgspec.json.decode(encode(event(2))) | {"count": 10**200}
    far = encode(event(3)).replace(b'"valence":0.7807', b'"valence":1e300')
    surrogate = "x" * 120
    batch = batch_of(
        ("cam", "event", encode(event(1))),
        ("cam", "event", msgspec.json.encode(huge)),
        ("cam", "event", far),
        (surrogate, "event", encode(event(4))),
        ("cam", "event", encode(event(5))),
    )
    batch.states += batch_of(("cam", "state", encode(state()))).states
    batch.states[0] = msgspec.structs.replace(batch.states[0], faces=2**80)
    written = store.write(batch)
    assert {1, 5} <= set(database.seqs())
    assert len(written.rejected) >= 1
    assert database.rows("SELECT count(*) FROM state") == [(0,)]


def test_gap_is_found_within_a_boot(store: Store) -> None:
    store.write(events_batch("cam", 1, 2, 5, 9))
    store.write(events_batch("hall", 1, 2, 3))
    assert lines(store) == ["cam boot boot: 3 to 4 missing", "cam boot boot: 6 to 8 missing"]
    store.write(events_batch("cam", 4, 3, 7, 8, replayed=True))
    assert lines(store) == ["cam boot boot: 6 missing"]


def test_what_was_before_the_archive_is_no_gap(store: Store) -> None:
    store.write(batch_of(("cam", "info", encode(info())), retained=True))
    store.write(events_batch("cam", 500, 501))
    store.write(events_batch("hall", 7, 8))
    assert lines(store) == []


def test_first_event_of_a_boot_that_began_before_the_eyes_of_the_archive_may_not_be_missing(store: Store) -> None:
    store.write(batch_of(("cam", "info", encode(info()))))
    store.write(events_batch("cam", 3))
    assert lines(store) == ["cam boot boot: 1 to 2 missing"]


def test_what_a_boot_has_lost_at_its_end_is_a_gap_unless_it_still_waits(store: Store) -> None:
    store.write(events_batch("cam", 1, 2, 3))
    later = msgspec.structs.replace(info(), boot_id="later", previous_boots=[previous("boot", 6, waiting=3)])
    store.write(batch_of(("cam", "info", encode(later))))
    assert lines(store) == []
    later = msgspec.structs.replace(info(), boot_id="later", previous_boots=[previous("boot", 6, waiting=1)])
    store.write(batch_of(("cam", "info", encode(later))))
    assert lines(store) == ["cam boot boot: 4 to 6 missing at the end"]
    store.write(events_batch("cam", 4, 5, 6, replayed=True))
    assert lines(store) == []


def test_gaps_of_late_are_found_from_the_last_event_before_them_on(store: Store, database: Database) -> None:
    store.write(events_batch("cam", 1, 2, 9, 10))
    if database.store.startswith("postgresql"):
        store.write(events_batch("cam", 1))  # a transaction later
    database.rows("UPDATE event SET received = '2020-01-01T00:00:00.000Z'")
    assert list(find_gaps(store.holes(3600))) == []
    store.write(events_batch("cam", 13))
    assert [str(gap) for gap in find_gaps(store.holes(3600))] == ["cam boot boot: 11 to 12 missing"]


def test_device_has_the_latest_of_everything(store: Store, database: Database) -> None:
    store.write(
        batch_of(
            ("cam", "status", b"online"),
            ("cam", "info", encode(info())),
            ("cam", "health", encode(health(time="2026-01-31T08:15:02.000Z", fps=3.0))),
            ("cam", "health", encode(health(time="2026-01-31T08:15:01.000Z", fps=9.0))),
            ("cam", "state", encode(state())),
        )
    )
    store.write(batch_of(("cam", "health", encode(health(time="2026-01-31T08:15:00.000Z", fps=5.0)))))
    rows = database.rows("SELECT name, version, model, source, boot_id, status FROM device")
    assert rows == [("Camera", "0", "normal", "scripted:", "boot", "online")]
    ((latest,),) = database.rows("SELECT health FROM device")
    latest = msgspec.json.decode(latest) if isinstance(latest, str) else latest
    assert latest["fps"] == 3.0
    assert len(database.rows("SELECT * FROM health")) == 3


def test_status_is_kept_where_it_changes(store: Store, database: Database) -> None:
    words = [b"online", b"online", b"offline", b"online"]
    store.write(batch_of(*(("cam", "status", word) for word in words)))
    store.write(batch_of(("cam", "status", b"online"), ("hall", "status", b"stopped"), retained=True))
    rows = database.rows("SELECT device, status FROM status ORDER BY received, device")
    assert sorted(rows) == [("cam", "offline"), ("cam", "online"), ("cam", "online"), ("hall", "stopped")]


def test_summary_of_a_period_is_replaced_by_a_later_one_only(store: Store, database: Database) -> None:
    early, late = summary("2026-01-31T08:15:00.000Z", 3), summary("2026-01-31T08:16:00.000Z", 4)
    store.write(batch_of(("cam", "summary", encode(late))))
    store.write(batch_of(("cam", "summary", encode(early))))
    assert sorted(database.rows("SELECT period, visits FROM summary")) == [("day", 4), ("hour", 4)]


def test_retention_deletes_old_rows_in_small_parts_and_no_younger_ones(store: Store, database: Database) -> None:
    for kind, payload in (("state", encode(state())), ("health", encode(health())), ("status", b"online")):
        store.write(batch_of(("cam", kind, payload)))  # type: ignore[arg-type]
    store.write(events_batch("cam", *range(1, 31)))
    for table in ("event", "state", "health", "status"):
        database.rows(f"UPDATE {table} SET received = '2020-01-01T00:00:00.000Z'")
    store.write(events_batch("cam", *range(31, 41)))
    deleted = [store.delete_older(30, 20) for _ in range(4)]
    assert deleted == [23, 10, 0, 0]
    assert database.seqs() == list(range(31, 41)), "younger ones stay, although their own time is as old"
    assert database.rows("SELECT count(*) FROM state") == [(0,)]


def test_what_retention_has_deleted_is_no_gap_and_what_is_missing_later_still_is(
    store: Store, database: Database
) -> None:
    store.write(events_batch("cam", 1, 2, 4, 5))
    database.rows("UPDATE event SET received = '2020-01-01T00:00:00.000Z' WHERE seq < 5")
    assert store.delete_older(1, 100) == 3
    assert lines(store) == []
    store.write(events_batch("cam", 8))
    assert lines(store) == ["cam boot boot: 6 to 7 missing"]


def test_events_of_a_time_come_in_its_order(store: Store) -> None:
    for seq, minute in ((1, 5), (2, 3), (3, 4), (4, 9)):
        store.write(events_batch("cam", seq, time=f"2026-01-31T08:0{minute}:00.000Z"))
    day = datetime.datetime(2026, 1, 31, 8, tzinfo=datetime.UTC)
    blocks = store.events(day.replace(minute=4), day.replace(minute=9))
    assert [row[2] for block in blocks for row in block] == [3, 1]


def test_several_archivers_may_make_the_schema_at_once(database: Database) -> None:
    stores = [open_store(parse_store(database.store)) for _ in range(4)]
    failures: list[BaseException] = []

    def use(store: Store, number: int) -> None:
        try:
            store.open()
            store.write(events_batch("cam", number))
            store.close()
        except BaseException as error:  # noqa: BLE001 - reported by the test
            failures.append(error)

    threads = [threading.Thread(target=use, args=(store, number)) for number, store in enumerate(stores, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert database.seqs() == [1, 2, 3, 4]
    assert len(database.rows(f"SELECT * FROM {VERSION_TABLE}")) == newest("sqlite")


def test_schema_of_a_newer_version_is_refused_in_one_sentence(store: Store, database: Database) -> None:
    store.close()
    database.rows(f"INSERT INTO {VERSION_TABLE} VALUES (99, 'later', '2030-01-01')")
    with pytest.raises(ArchiveError, match="has version 99 of the archive's schema, and this program knows version"):
        open_store(parse_store(database.store)).open()


def test_writers_that_write_the_same_at_once_end(database: Database) -> None:
    """Two archivers without a group: each gets everything, in an order of its own."""
    failures: list[BaseException] = []

    def use(turn: int) -> None:
        store = open_store(parse_store(database.store))
        try:
            store.open()
            for round_number in range(10):
                seqs = range(1, 40)[::turn]
                batch = events_batch("cam", *(round_number * 40 + seq for seq in seqs))
                for device in ["a", "b", "c"][::turn]:
                    batch.infos += batch_of((device, "info", encode(info()))).infos
                    batch.events += events_batch(device, round_number + 1).events
                    batch.statuses += batch_of((device, "status", b"online")).statuses
                store.write(batch)
            store.close()
        except BaseException as error:  # noqa: BLE001 - reported by the test
            failures.append(error)

    threads = [threading.Thread(target=use, args=(turn,)) for turn in (1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(database.seqs()) == 390


def test_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.sqlite3"
    open_store(parse_store(str(file))).open()
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"no database at all, " * 99, None])
def test_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "a.sqlite3"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    with pytest.raises(
        ArchiveError, match=r"archive\.store \(--store\) .*a\.sqlite3 (is no SQLite file|cannot be opened)"
    ):
        open_store(parse_store(str(file))).open()


def test_database_of_something_else_is_left_as_it_is(tmp_path: Path) -> None:
    other = Database(str(tmp_path / "outbox.sqlite3"))
    other.rows("CREATE TABLE boots (id)")
    with pytest.raises(ArchiveError, match=r"outbox\.sqlite3 is an SQLite file of something else"):
        open_store(parse_store(other.store)).open()
    assert other.rows("SELECT name FROM sqlite_master") == [("boots",)]


@pytest.mark.long
def test_table_of_something_else_is_no_outage(database: Database) -> None:
    database.rows("CREATE TABLE event (id integer)")
    with pytest.raises(ArchiveError, match=r"something else"):
        open_store(parse_store(database.store)).open()


def test_whoever_only_reads_makes_no_archive(database: Database) -> None:
    if "://" not in database.store:
        Path(database.store).touch()
    with pytest.raises(ArchiveError, match="there is no archive in"):
        open_store(parse_store(database.store), make=False).open()
    open_store(parse_store(database.store)).open()
    open_store(parse_store(database.store), make=False).open()
