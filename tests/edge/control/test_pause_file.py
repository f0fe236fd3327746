"""The file that stores a pause."""

from pathlib import Path

import pytest

from edge.control.pause_file import PauseFile


def test_file_exists_while_paused_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "state" / "paused-cam"
    pause_file = PauseFile(path)
    assert not pause_file.is_set
    pause_file.set(paused=True)
    assert pause_file.is_set
    assert PauseFile(path).is_set
    assert path.stat().st_mode & 0o077 == 0
    pause_file.set(paused=True)
    pause_file.set(paused=False)
    pause_file.set(paused=False)
    assert not pause_file.is_set
    assert list(path.parent.iterdir()) == []


def test_without_a_path_nothing_is_stored() -> None:
    pause_file = PauseFile(None)
    pause_file.set(paused=True)
    assert (pause_file.file, pause_file.is_set) == (None, False)


def test_failing_disk_is_logged_on_a_pause(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_bytes(b"")
    path = tmp_path / "file" / "paused-cam"
    PauseFile(path).set(paused=True)
    (record,) = caplog.records
    assert record.message == f"{path} cannot be changed (File exists): after a restart the sensor is not paused"


def test_failing_disk_is_logged_on_a_resume(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "paused-cam"
    path.mkdir()  # a folder cannot be unlinked
    PauseFile(path).set(paused=False)
    (record,) = caplog.records
    assert record.message.startswith(f"{path} cannot be changed (")
    assert record.message.endswith("): after a restart the sensor is paused")


def test_file_that_cannot_be_looked_for_is_logged_and_no_pause(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / ("a" * 300)  # raises as a folder without permission does, for root too
    assert not PauseFile(path).is_set
    (record,) = caplog.records
    assert record.message == f"{path} cannot be read (File name too long): the sensor is not paused"
