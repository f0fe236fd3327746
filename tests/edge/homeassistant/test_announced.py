"""The file of announced topics."""

from pathlib import Path

import pytest

from edge.homeassistant.announced import Announced

TOPIC = "homeassistant/device/emotion-edge-cam/config"


def any_topic(_: str) -> bool:
    return True


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "announced-cam.txt"


def test_added_topic_is_stored_once_and_not_written_again(file) -> None:
    Announced(file, any_topic).add(TOPIC)
    assert file.read_text() == f"{TOPIC}\n"
    before = file.stat()
    again = Announced(file, any_topic)
    again.add(TOPIC)
    assert again.names == {TOPIC}
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_file_is_removed_with_its_last_topic(file) -> None:
    topics = Announced(file, any_topic)
    topics.add(TOPIC)
    topics.add("ha/device/emotion-edge-cam/config")
    topics.remove(TOPIC)
    assert file.read_text() == "ha/device/emotion-edge-cam/config\n"
    topics.remove("ha/device/emotion-edge-cam/config")
    assert not file.exists()


def test_invalid_lines_are_ignored(file) -> None:
    file.parent.mkdir()
    file.write_bytes(f"other\n{TOPIC}\n".encode() + b"\xff\0")
    assert Announced(file, lambda topic: topic == TOPIC).names == {TOPIC}


def test_without_a_file_topics_are_kept_in_memory() -> None:
    topics = Announced(None, any_topic)
    topics.add(TOPIC)
    assert topics.names == {TOPIC}
    topics.remove(TOPIC)
    assert topics.names == frozenset()


def test_unusable_file_is_logged(file, caplog) -> None:
    file.mkdir(parents=True)
    topics = Announced(file, any_topic)
    topics.add(TOPIC)
    assert topics.names == {TOPIC}
    assert [record.levelname for record in caplog.records] == 2 * ["WARNING"]
    assert "cannot be read" in caplog.messages[0]
    assert "emotion-edge homeassistant remove" in caplog.messages[1]
