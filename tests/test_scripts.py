"""What the shell scripts share (scripts/common.sh)."""

import shlex
import subprocess
from pathlib import Path

COMMON = Path(__file__).parents[1] / "scripts" / "common.sh"


def test_a_long_command_is_reported_and_its_exit_code_kept(tmp_path):
    log = tmp_path / "log"
    waiting = f"until grep -q 's so far' {shlex.quote(str(log))}; do sleep 0.05; done; echo its output; exit 3"
    command = f"REPORT_SECONDS=1; still_running 'pip installs' sh -c {shlex.quote(waiting)}"
    script = f". {shlex.quote(str(COMMON))}; what=mine status=mine; {command}; code=$?; echo $what $status; exit $code"
    with log.open("wb") as error:
        ran = subprocess.run(["sh", "-c", script], stdout=subprocess.PIPE, stderr=error, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (3, "its output\nmine mine\n")
    assert log.read_text(encoding="utf-8").splitlines()[0] == "  pip installs (1 s so far)"


def test_commands_that_end_at_once_do_not_hang_a_script_that_traps_signals():
    """The reporter of such a command may still be in the middle of its start when it is stopped."""
    loop = (
        "trap 'exit 130' TERM; count=0; while [ $count -lt 100 ]; do count=$((count + 1)); still_running x true; done"
    )
    script = f". {shlex.quote(str(COMMON))}; {loop}; echo finished"
    ran = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert (ran.stdout, ran.stderr) == ("finished\n", "")
