"""The log as the journal gets it, from the real program over a real pipe, and as a person does."""

import io
import logging
import os
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from edge.logs.setup import JournalFormatter, marked, reads
from support.program import COMMAND, environment


def ran(*command, journal=True):
    """Run a command whose standard error is a pipe that $JOURNAL_STREAM names, or another; its lines and exit code."""
    reader, writer = os.pipe()
    status = os.fstat(writer)
    changes = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino + (not journal)}"}
    process = subprocess.Popen(
        command, stderr=writer, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=environment(**changes)
    )
    os.close(writer)
    with open(reader, encoding="utf-8") as stream:  # noqa: PTH123 - a descriptor
        lines = stream.read().splitlines()
    return lines, process.wait(60)


def test_the_program_says_how_much_each_line_matters():
    lines, code = ran(*COMMAND, "run", "--fast", "--max-frames", "2", "--source", "scripted:happy=1")
    assert code == 0
    assert [line for line in lines if line.startswith("<6>edge.daemon.daemon: watching scripted:happy=1")]
    assert all(line[:3] in {"<3>", "<4>", "<6>"} for line in lines), lines
    lines, code = ran(*COMMAND, "run", "--source", "/no/such/file.mp4")
    assert code == 1
    assert lines[-1].startswith('<3>emotion-edge: The source "/no/such/file.mp4" does not exist')


def test_who_reads_it_elsewhere_sees_no_numbers():
    lines, code = ran(*COMMAND, "run", "--fast", "--max-frames", "2", "--source", "scripted:happy=1", journal=False)
    assert code == 0
    assert [line for line in lines if line.startswith("I edge.daemon.daemon: watching scripted:happy=1")]
    assert not [line for line in lines if line.startswith("<")]


def test_who_has_closed_it_gets_events_all_the_same():
    command = [*COMMAND, "run", "--fast", "--max-frames", "20", "--source", "scripted:happy=1"]
    closed = ["sh", "-c", 'exec "$@" 2>&-', "sh", *command]
    process = subprocess.run(closed, stdout=subprocess.PIPE, env=environment(), check=False)
    assert process.returncode == 0
    assert b"face_appeared" in process.stdout


BUG = """
import threading
from edge.logs import setup as journal
journal.set_up("INFO")
def fail():
    raise ValueError("several\\nlines")
thread = threading.Thread(target=fail)
thread.start()
thread.join()
fail()
"""


def test_each_line_of_a_traceback_matters():
    lines, code = ran(sys.executable, "-c", BUG)
    assert code == 1
    assert {line[:3] for line in lines} == {"<2>"}
    assert lines.count("<2>edge: this should not happen") == 2
    assert lines.count("<2>ValueError: several") == 2
    assert lines.count("<2>lines") == 2


LEVELS = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


@given(st.sampled_from(sorted(LEVELS)), st.text())
def test_no_line_goes_without_a_priority_and_none_gets_lost(level, text):
    """Whatever is in it: a message may quote what came from outside, with line ends and priorities of its own."""
    record = logging.LogRecord("edge.x", level, "x.py", 1, "%s", (text,), None)
    lines = JournalFormatter("%(message)s").format(record).split("\n")
    assert all(line.startswith(f"<{LEVELS[level]}>") for line in lines)
    assert [line[3:] for line in lines] == (text.splitlines() or [""])
    assert marked(level, text).split("\n") == lines


def test_a_stream_that_is_no_file_is_not_the_journal():
    assert not reads(io.StringIO(), {"JOURNAL_STREAM": "1:2"})
    with open(os.devnull, encoding="utf-8") as stream:  # noqa: PTH123 - as the shell names it
        assert not reads(stream, {})
        assert not reads(stream, {"JOURNAL_STREAM": "nonsense"})
