import os
import subprocess
import sys

from edge.system.open_files import programs_with


def test_other_processes_that_have_a_file_open_are_named(tmp_path):
    file = tmp_path / "camera"
    file.touch()
    with file.open("rb"):
        assert programs_with(file) == []
    script = tmp_path / "viewer.py"
    script.write_text("import sys\nwith open(sys.argv[1]):\n    print('open', flush=True)\n    sys.stdin.read()\n")
    with subprocess.Popen(
        [sys.executable, script, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as viewer:
        assert viewer.stdout.readline() == "open\n"
        found = programs_with(file)
        viewer.communicate("")
    assert found == [f"viewer.py (process {viewer.pid})"]


def test_processes_that_cannot_be_looked_into_are_passed_over(tmp_path):
    (tmp_path / "12").mkdir()
    (tmp_path / "13").touch()
    fd = tmp_path / "14/fd"
    fd.mkdir(parents=True)
    (fd / "3").symlink_to("/dev/video0")
    (fd / "4").touch()
    os.mkfifo(tmp_path / "15")
    assert programs_with(tmp_path / "x", tmp_path) == []
    assert programs_with(tmp_path / "x", tmp_path / "nowhere") == []
