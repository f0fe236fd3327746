import os
import signal

import pytest

from edge.commands.setup.changes import CONFIG_MODE, SECRET_MODE, Changes, undone_when_interrupted
from edge.errors import StateFileError


def mode(path):
    return path.stat().st_mode & 0o777


@pytest.fixture
def old(tmp_path):
    file = tmp_path / "etc/config.toml"
    file.parent.mkdir()
    file.write_text("old")
    file.chmod(0o640)
    return file


def test_files_have_their_modes_whatever_the_mask(tmp_path):
    before = os.umask(0o077)
    try:
        changes = Changes()
        changes.write(tmp_path / "etc/emotion-edge/config.toml", b"x", CONFIG_MODE)
        changes.write(tmp_path / "etc/credstore/password", b"secret", SECRET_MODE)
    finally:
        os.umask(before)
    assert mode(tmp_path / "etc/emotion-edge/config.toml") == 0o644
    assert mode(tmp_path / "etc/credstore/password") == 0o600
    assert mode(tmp_path / "etc/credstore") == 0o700
    assert mode(tmp_path / "etc/emotion-edge") == mode(tmp_path / "etc") == 0o755
    assert not list(tmp_path.rglob(".partial*"))


def test_copy_takes_a_name_that_is_free(old):
    changes = Changes()
    assert changes.keep_copy(old).name == "config.toml.before-setup"
    assert changes.keep_copy(old).name == "config.toml.before-setup-2"
    old.with_name("config.toml.before-setup-3").symlink_to(old.parents[1] / "elsewhere")
    assert changes.keep_copy(old).name == "config.toml.before-setup-4"
    assert not (old.parents[1] / "elsewhere").exists()
    assert mode(old.with_name("config.toml.before-setup")) == 0o640


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_puts_everything_back(old, tmp_path, number):
    secret, undone = tmp_path / "new/credstore/password", []
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]

    def undo_more():
        undone.append(old.read_text())
        os.kill(os.getpid(), number)  # a second Ctrl-C

    def interrupted():
        with undone_when_interrupted(changes := Changes(), undo_more):
            changes.keep_copy(old)
            changes.write(old, b"new", CONFIG_MODE)
            changes.write(secret, b"secret", SECRET_MODE)
            os.kill(os.getpid(), number)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert undone == ["old"]
    assert (old.read_text(), mode(old)) == ("old", 0o640)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["config.toml", "etc"]
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == handlers


def test_file_that_cannot_be_written_is_an_error_and_the_others_are_put_back(old):
    blocked = old / "below/a/file"

    def write():
        with undone_when_interrupted(changes := Changes(), lambda: None):
            changes.write(old, b"new", CONFIG_MODE)
            changes.write(blocked, b"x", CONFIG_MODE)

    with pytest.raises(StateFileError, match=rf"^{blocked} cannot be written \(Not a directory\)"):
        write()
    assert old.read_text() == "old"


def test_without_an_interruption_everything_stays(old):
    with undone_when_interrupted(changes := Changes(), lambda: pytest.fail("nothing is to be undone")):
        changes.write(old, b"new", CONFIG_MODE)
    assert old.read_text() == "new"


def test_existing_file_keeps_owner_and_mode_and_a_link_stays_a_link(old, tmp_path):
    if os.geteuid() == 0:
        os.chown(old, 1234, 1235)
    owner = old.stat().st_uid, old.stat().st_gid
    link = tmp_path / "link.toml"
    link.symlink_to(old)
    changes = Changes()
    changes.write(link, b"new", CONFIG_MODE)
    assert link.is_symlink()
    assert (old.read_text(), mode(old)) == ("new", 0o640)
    assert (old.stat().st_uid, old.stat().st_gid) == owner
    changes.undo()
    assert (old.read_text(), mode(old), link.is_symlink()) == ("old", 0o640, True)
    assert (old.stat().st_uid, old.stat().st_gid) == owner
    changes.write(old, b"secret", SECRET_MODE)
    assert mode(old) == 0o600
