import shutil
import sqlite3
import stat

import pytest

from edge.summary.history import PlacedCell
from edge.summary.local_time import LocalTime
from edge.summary.store import MINUTES_KEPT, DamagedFileError, SummaryFileError, SummaryStore, fold
from edge.summary.tally import LabelTally, Tally

LOCAL = LocalTime(lambda _: 0)
START = 1_795_780_800.0
OFFSET = START - 500.0


def minute(number, visits=1, boot="boot"):
    tally = Tally(60.0, 0.0, 30.0, visits, [visits, 0, 0, 0, 0, 0], {"happy": LabelTally(30.0, visits)})
    return PlacedCell(boot, 500.0 + 60 * number, 60.0, START + 60 * number, tally)


@pytest.fixture
def store(tmp_path):
    return SummaryStore(tmp_path / "state" / "summary-cam.sqlite3", 100)


def test_what_was_written_is_loaded_oldest_first(store):
    assert store.load() == []
    cells = [minute(number, number) for number in range(5)]
    store.write(cells[:3], "boot", OFFSET, LOCAL)
    store.write(cells[3:], "boot", OFFSET, LOCAL)
    assert store.load() == cells
    assert store.load_all() == (cells, [])
    assert stat.S_IMODE(store.file.stat().st_mode) == 0o600


def test_old_minutes_become_hours_and_old_hours_are_deleted(store):
    written = [minute(number) for number in range(MINUTES_KEPT + 150)]
    for begin in range(0, len(written), 1000):
        store.write(written[begin : begin + 1000], "boot", OFFSET, LOCAL)
    minutes, hours = store.load_all()
    assert len(minutes) == MINUTES_KEPT
    total = Tally()
    for cell in (*hours, *minutes):
        total.add(cell.tally)
    assert (total.visits, total.looked_seconds) == (len(written), 60.0 * len(written))
    assert [cell.unix // 3600 for cell in hours] == sorted(cell.unix // 3600 for cell in hours)
    few = SummaryStore(store.file, 2)
    few.write([minute(99_999)], "boot", OFFSET, LOCAL)
    assert len(few.load_all()[1]) == 2
    assert store.file.stat().st_size < 1_000_000


def test_hours_are_folded_by_local_time_and_by_start_of_the_machine():
    cells = [minute(number) for number in range(50, 130)] + [minute(130, boot="other")]
    half_past = LocalTime(lambda _: 1800)
    assert [(one.unix - START, one.length, one.tally.visits) for one in fold(cells, half_past)] == [
        (50 * 60, 40 * 60, 40),
        (90 * 60, 40 * 60, 40),
        (130 * 60, 60, 1),
    ]


def test_cells_of_this_start_of_the_machine_move_once_the_clock_was_set(store):
    store.write([minute(0), minute(1, boot="earlier")], "boot", OFFSET, LOCAL)
    store.write([], "boot", OFFSET + 86_400.0, LOCAL)
    assert [cell.unix for cell in store.load()] == [START + 86_400.0, START + 60.0]


def test_file_of_something_else_is_refused_and_can_be_set_aside(store):
    store.file.parent.mkdir()
    store.file.write_bytes(b"no database, but some text that is long enough for a header of one" * 20)
    for use in (store.load, lambda: store.write([minute(0)], "boot", OFFSET, LOCAL)):
        with pytest.raises(DamagedFileError, match=str(store.file)):
            use()
    with sqlite3.connect(store.file.with_name("other")) as other:
        other.execute("CREATE TABLE t (x)")
    with pytest.raises(DamagedFileError, match="something else"):
        SummaryStore(store.file.with_name("other"), 9).load()
    assert store.set_aside().name == "summary-cam.sqlite3.bad"
    store.write([minute(0)], "boot", OFFSET, LOCAL)
    assert len(store.load()) == 1


def test_row_that_is_no_summary_is_reported(store):
    store.write([minute(0)], "boot", OFFSET, LOCAL)
    with sqlite3.connect(store.file) as connection:
        connection.execute("UPDATE minutes SET tally = '[1,2]'")
    with pytest.raises(DamagedFileError, match="no summary"):
        store.load()


def test_disk_without_room_costs_nothing_that_was_there(store):
    store.write([minute(0)], "boot", OFFSET, LOCAL)

    class FullDisk(sqlite3.Connection):
        def executemany(self, *_):
            raise sqlite3.OperationalError("database or disk is full")

    full = SummaryStore(
        store.file, 100, lambda *arguments, **options: sqlite3.connect(*arguments, **options, factory=FullDisk)
    )
    with pytest.raises(SummaryFileError, match="disk is full"):
        full.write([minute(1)], "boot", OFFSET, LOCAL)
    assert store.load() == [minute(0)]


def test_kill_in_the_middle_of_a_write_leaves_what_was_there(store, tmp_path):
    """SQLite undoes the rest of it when the file is opened again, also by the command that only reads."""
    store.write([minute(0)], "boot", OFFSET, LOCAL)
    connection = sqlite3.connect(store.file, isolation_level=None)
    connection.execute("PRAGMA cache_size = 1")  # so that pages are written before the commit
    connection.execute("BEGIN IMMEDIATE")
    for number in range(500):
        connection.execute(
            "INSERT INTO minutes (boot, start, length, unix, tally) VALUES ('boot', 0, 0, 0, ?)", (f"{number:0999}",)
        )
    shutil.copytree(store.file.parent, tmp_path / "killed")
    connection.execute("ROLLBACK")
    connection.close()
    killed = SummaryStore(tmp_path / "killed" / store.file.name, 100)
    assert (tmp_path / "killed" / f"{store.file.name}-journal").stat().st_size > 0
    assert killed.load() == [minute(0)]
    assert SummaryStore(killed.file, 0).load_all() == ([minute(0)], [])


def test_reader_does_not_stop_the_sensor_from_writing(store):
    """As `emotion-edge summary` reads while the sensor runs."""
    store.write([minute(0)], "boot", OFFSET, LOCAL)
    with sqlite3.connect(f"file:{store.file}?mode=ro", uri=True) as reader:
        assert reader.execute("SELECT count(*) FROM minutes").fetchone() == (1,)
        store.write([minute(1)], "boot", OFFSET, LOCAL)
    assert len(store.load()) == 2
