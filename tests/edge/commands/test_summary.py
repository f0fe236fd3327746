import csv
import io

import msgspec
import pytest

from edge.cli import main
from edge.commands.summary import as_csv, as_table, duration, read
from edge.config.schema import Config
from edge.config.state_dir import summary_file
from edge.errors import ConfigError, StateFileError
from edge.summary.history import PlacedCell
from edge.summary.local_time import LocalTime
from edge.summary.store import SummaryStore
from edge.summary.tally import LabelTally, Tally
from edge.system import board

NOON = 1_795_780_800.0
CONFIG = msgspec.convert({"device": {"id": "cam"}}, Config)


def utc(_):
    return 0


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Minutes of two days: a busy hour with six visits of each label but one, and an hour with a single visit."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    cells = []
    for start, visits in ((NOON - 86_400, {"happy": 6, "sad": 2}), (NOON - 3600, {"sad": 1})):
        for number in range(6):
            tally = Tally(60.0, 0.0, 45.0, sum(visits.values()) if not number else 0, [1, 0, 0, 0, 0, 0])
            tally.labels = {name: LabelTally(20.0, 0 if number else count) for name, count in visits.items()}
            tally.valence_seconds, tally.valence_sum = 40.0, 20.0
            cells.append(PlacedCell("boot", 0.0, 60.0, start + 60 * number, tally))
    file = summary_file(CONFIG.mqtt, "cam", {"STATE_DIRECTORY": str(tmp_path)})
    SummaryStore(file, 100).write(cells, "other", 0.0, LocalTime(utc))
    return file


@pytest.mark.usefixtures("kept")
def test_table_has_a_line_for_each_day_and_says_what_is_withheld():
    summaries, _ = read(CONFIG, "day", 7, NOON, utc)
    lines = as_table(summaries, "day", 5).splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["2026-11-26", "2026-11-27"]
    assert lines[1].endswith("+0.50    happy 2 min")
    assert lines[2].split()[1:3] == ["so", "far"]
    assert lines[2].endswith("-        -")
    assert lines[3] == "Figures by emotion of fewer than 5 visits are withheld (summary.min_visits)."


@pytest.mark.usefixtures("kept")
def test_days_and_periods_are_chosen():
    assert len(read(CONFIG, "day", 1, NOON, utc)[0]) == 1
    assert [one.local_start[11:16] for one in read(CONFIG, "hour", 2, NOON, utc)[0]] == ["12:00", "11:00"]
    assert len(read(CONFIG, "minute", 2, NOON, utc)[0]) == 12
    assert read(CONFIG, "day", 1, NOON + 9 * 86_400, utc)[0] == []
    assert as_table([], "day", 5) == "the sensor did not run in these days\n"


@pytest.mark.usefixtures("kept")
def test_csv_has_all_figures_and_an_empty_field_for_what_is_withheld():
    summaries, labels = read(CONFIG, "hour", 2, NOON, utc)
    rows = list(csv.DictReader(io.StringIO(as_csv(summaries, labels, by_emotion=True))))
    assert [row["visits"] for row in rows] == ["8", "1"]
    assert [row["seconds_happy"] for row in rows] == ["120.0", ""]
    assert [row["seconds_sad"] for row in rows] == ["", ""]
    assert [row["valence"] for row in rows] == ["0.5", ""]
    assert rows[0]["local_start"] == "2026-11-26T12:00:00+00:00"
    minutes, labels = read(CONFIG, "minute", 2, NOON, utc)
    header = as_csv(minutes, labels, by_emotion=False).splitlines()[0]
    assert "happy" not in header
    assert "valence" not in header


@pytest.mark.parametrize(
    ("tables", "error", "words"),
    [
        (
            {},
            StateFileError,
            "there is no summary in .*summary-cam.sqlite3: the sensor cam writes it at each",
        ),
        ({"mqtt": {"outbox_directory": "none"}}, ConfigError, 'mqtt.outbox_directory is "none", so that no summary'),
        ({"summary": {"enabled": False}}, ConfigError, "summary.enabled is false, so that no summary is kept"),
    ],
)
def test_where_nothing_is_kept_the_reason_is_named(tables, error, words):
    with pytest.raises(error, match=words):
        read(msgspec.convert({"device": {"id": "cam"}} | tables, Config), "day", 7, NOON, utc)


def test_summary_of_an_instance_is_that_of_its_state_folder_whoever_asks(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    (tmp_path / "door.toml").touch()
    command = ["summary", "--config", str(tmp_path / "door.toml")]
    assert main(command, tmp_path) == 1
    device = f"{board.device_id()}-door"
    file = f"/var/lib/emotion-edge-door/summary-{device}.sqlite3"
    assert capsys.readouterr().err == (
        f"emotion-edge: there is no summary in {file}: the sensor {device} writes it at each full hour and at its end\n"
    )
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    file = summary_file(CONFIG.mqtt, device, {"STATE_DIRECTORY": str(tmp_path)})
    SummaryStore(file, 100).write([], "boot", 0.0, LocalTime(utc))
    assert main(command, tmp_path) == 0
    assert capsys.readouterr().out == "the sensor did not run in these days\n"


def test_bad_file_and_bad_place_for_the_csv_get_one_sentence(kept, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("EMOTION_EDGE_DEVICE_ID", "cam")
    assert main(["summary", "--csv", str(tmp_path / "no" / "file.csv")]) == 1
    assert capsys.readouterr().err.startswith(f"emotion-edge: --csv {tmp_path}/no/file.csv cannot be written (No such")
    assert main(["summary", "--csv", str(tmp_path / "file.csv"), "--days", "9999"]) == 0
    assert (tmp_path / "file.csv").read_text(encoding="utf-8").startswith("start,local_start,complete,")
    kept.write_bytes(b"x" * 5000)
    assert main(["summary"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert str(kept) in error
    with pytest.raises(SystemExit):
        main(["summary", "--days", "0"])
    assert "--days" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (99, "99 s"), (100, "2 min"), (5_900, "98 min"), (25_500, "7 h 5 min")]
)
def test_duration_has_the_unit_that_suits_it(seconds, text):
    assert duration(seconds) == text
