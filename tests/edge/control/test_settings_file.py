"""The file of the settings: read, written, damaged, and a folder that cannot be written to."""

import os
from pathlib import Path

import pytest

from edge.control.settings_file import SettingsFile
from edge.errors import ConfigError


def test_settings_are_read_as_they_were_written_and_an_empty_file_is_removed(tmp_path: Path) -> None:
    file = SettingsFile(tmp_path / "new" / "settings-cam.json")
    assert file.read() == {}
    assert file.can_write()
    settings = {"events.margin": 0.25, "zones": {"door": [[0.0, 0.5], [1.0, 0.5], [1.0, 1.0]]}, "device.name": "Flur ü"}
    file.write(settings)
    assert file.read() == settings
    assert list(file.read()) == list(settings)
    file.write({})
    assert file.read() == {}
    assert list((tmp_path / "new").iterdir()) == []
    file.write({})
    memory = SettingsFile(None)
    memory.write(settings)
    assert (memory.read(), memory.can_write()) == ({}, False)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Input data was truncated"),
        (b'{"settings": {"events.margin": 0.3', "Input data was truncated"),
        (b"\0" * 512, "JSON is malformed"),
        (b'{"settings": 5}', "Expected `object`, got `int`"),
        (b'{"values": {}}', "unknown field `values`"),
        (b'{"settings": {"x": "\xff"}}', "utf-8"),
        (b'{"settings": {"x": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"settings": {}}' + b" " * 300_000, "more than 262144 bytes"),
    ],
)
def test_damaged_file_is_an_error_of_one_sentence(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "settings-cam.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        SettingsFile(path).read()
    assert str(caught.value).startswith(f"settings file {path} is damaged (")
    assert reason in str(caught.value)
    assert str(caught.value).endswith("): the next request/set replaces it")
    SettingsFile(path).write({"events.margin": 0.3})
    assert SettingsFile(path).read() == {"events.margin": 0.3}


def test_file_that_cannot_be_read_or_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    below = SettingsFile(tmp_path / "file" / "settings-cam.json")
    with pytest.raises(ConfigError, match=r"cannot be read: Not a directory"):
        below.read()
    with pytest.raises(ConfigError, match=r"cannot be written \(.*\): nothing was changed"):
        below.write({"events.margin": 0.3})
    path = tmp_path / "settings-cam.json"
    path.mkdir()
    with pytest.raises(ConfigError, match="Is a directory"):
        SettingsFile(path).read()
    if os.geteuid() != 0:
        tmp_path.chmod(0o500)
        assert not SettingsFile(tmp_path / "other.json").can_write()
        tmp_path.chmod(0o700)
