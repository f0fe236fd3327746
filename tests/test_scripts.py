"""What the shell scripts share (scripts/common.sh)."""

import shlex
import subprocess
from pathlib import Path

COMMON = Path(__file__).parents[1] / "scripts" / "common.sh"


def test_a_long_command_is_reported_and_its_exit_code_kept(tmp_path):
    log = tmp_path / "log"
    waiting = f"until grep -q 's so far' {shlex.quote(str(log))}; do sleep 0.05; done; echo its output; exit 3"
    script = (
        f". {shlex.quote(str(COMMON))}; REPORT_SECONDS=1; still_running 'pip installs' sh -c {shlex.quote(waiting)}"
    )
    with log.open("wb") as error:
        ran = subprocess.run(["sh", "-c", script], stdout=subprocess.PIPE, stderr=error, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (3, "its output\n")
    assert log.read_text(encoding="utf-8").splitlines()[0] == "  pip installs (1 s so far)"
