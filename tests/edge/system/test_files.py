import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from edge.system.files import expanded, sync_folder, write_atomically

BROKEN_PIPE = """
import sys
from edge.system.files import discard_stream
try:
    print("x" * 100_000, flush=True)
except BrokenPipeError:
    discard_stream(sys.stdout)
"""


@pytest.mark.parametrize("durable", [True, False])
def test_file_is_replaced_and_nothing_else_is_left(tmp_path, durable):
    path = tmp_path / "state"
    write_atomically(path, b"old", durable=durable)
    write_atomically(path, b"new", durable=durable)
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "state"
    write_atomically(path, b"old")
    (tmp_path / ".partial-state").mkdir()  # the partial file cannot be opened
    with pytest.raises(OSError, match="Is a directory"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"


def test_what_is_no_file_is_written_to_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_atomically(pipe, b"lines")
    assert os.read(reader, 100) == b"lines"
    os.close(reader)
    assert list(tmp_path.iterdir()) == [pipe]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_missing_folder_is_created_for_this_user_only(tmp_path):
    write_atomically(tmp_path / "new" / "state", b"")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_folder_is_synced_and_a_missing_one_is_an_error(tmp_path):
    sync_folder(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync_folder(tmp_path / "missing")


def test_discarded_stream_does_not_fail_at_exit():
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = subprocess.run([sys.executable, "-c", BROKEN_PIPE], stdout=writer, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_home_folder_is_expanded_and_an_unknown_user_left_as_it_stands(monkeypatch):
    monkeypatch.setenv("HOME", "/home/of/mine")
    assert expanded("~/clip.mp4") == Path("/home/of/mine/clip.mp4")
    assert expanded("~nobody-of-this-name/clip.mp4") == Path("~nobody-of-this-name/clip.mp4")
    assert expanded("clip~.mp4") == Path("clip~.mp4")
