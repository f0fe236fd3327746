"""Tests the log of the real program, over a real pipe, in the formats of the journal and of a terminal."""

import io
import logging
import os
import re
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from edge.logs.setup import JournalFormatter, LineFormatter, is_journal, with_priority
from support.program import COMMAND, environment


def ran(*command, journal=True):
    """Run a command; return the lines of its standard error and its exit code.

    Standard error is a pipe, which $JOURNAL_STREAM names where `journal` is set.
    """
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


def test_each_line_for_the_journal_has_a_priority():
    lines, code = ran(*COMMAND, "run", "--fast", "--max-frames", "2", "--source", "scripted:happy=1")
    assert code == 0
    assert [line for line in lines if line.startswith("<6>sensor started: source the built-in actor (scripted:happy=1")]
    assert lines[-1] == "<6>stopped by --max-frames: 2 frames, 0 events"
    assert all(line[:3] in {"<3>", "<4>", "<6>"} for line in lines), lines
    lines, code = ran(*COMMAND, "run", "--source", "/no/such/file.mp4")
    assert code == 1
    assert lines[-1].startswith('<3>emotion-edge: The source "/no/such/file.mp4" does not exist')


def test_log_outside_the_journal_has_no_priorities():
    lines, code = ran(*COMMAND, "run", "--fast", "--max-frames", "2", "--source", "scripted:happy=1", journal=False)
    assert code == 0
    actor = r"the built-in actor \(scripted:happy=1\)"
    started = rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d sensor started: source {actor}, model normal on "
    assert [line for line in lines if re.match(started, line)]
    assert not [line for line in lines if line.startswith("<")]


def test_level_is_a_word_and_loggers_are_named_to_developers_alone():
    record = logging.LogRecord("edge.x", logging.WARNING, "x.py", 1, "it is late", (), None)
    assert re.fullmatch(r"\d\d:\d\d:\d\d warning: it is late", LineFormatter(terminal=True).format(record))
    line = LineFormatter(terminal=False, names=True).format(record)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d warning: edge\.x: it is late", line)
    assert JournalFormatter(names=True).format(record) == "<4>edge.x: it is late"


def test_closed_standard_error_does_not_stop_events():
    command = [*COMMAND, "run", "--fast", "--max-frames", "20", "--source", "scripted:happy=1"]
    closed = ["sh", "-c", 'exec "$@" 2>&-', "sh", *command]
    process = subprocess.run(closed, stdout=subprocess.PIPE, env=environment(), check=False)
    assert process.returncode == 0
    assert b"face_appeared" in process.stdout


BUG = """
import threading
from edge.logs import setup as log_setup
log_setup.set_up("INFO")
def fail():
    raise ValueError("several\\nlines")
thread = threading.Thread(target=fail)
thread.start()
thread.join()
fail()
"""


def test_each_line_of_an_uncaught_traceback_is_critical():
    lines, code = ran(sys.executable, "-c", BUG)
    assert code == 1
    assert {line[:3] for line in lines} == {"<2>"}
    assert lines.count("<2>unexpected error, please report it") == 2
    assert lines.count("<2>ValueError: several") == 2
    assert lines.count("<2>lines") == 2


LEVELS = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


@given(st.sampled_from(sorted(LEVELS)), st.text())
def test_each_line_of_any_text_has_its_priority_and_none_is_lost(level, text):
    """A message may quote foreign text, with line ends and priorities of its own."""
    record = logging.LogRecord("edge.x", level, "x.py", 1, "%s", (text,), None)
    lines = JournalFormatter().format(record).split("\n")
    assert all(line.startswith(f"<{LEVELS[level]}>") for line in lines)
    assert [line[3:] for line in lines] == (text.splitlines() or [""])
    assert with_priority(level, text).split("\n") == lines


def test_other_streams_are_not_the_journal():
    assert not is_journal(io.StringIO(), {"JOURNAL_STREAM": "1:2"})
    with open(os.devnull, encoding="utf-8") as stream:  # noqa: PTH123 - as the shell names it
        assert not is_journal(stream, {})
        assert not is_journal(stream, {"JOURNAL_STREAM": "nonsense"})


def test_log_shows_no_credentials_of_an_address_that_a_library_logs():
    record = logging.LogRecord("lib", logging.WARNING, "", 0, "cannot open %s", ("rtsp://cam/password=S3cret",), None)
    error = OSError("http://me:S3cret@cam/x")
    record.exc_info = type(error), error, None
    for formatter in (LineFormatter(terminal=True), JournalFormatter()):
        text = formatter.format(record)
        assert "S3cret" not in text
        assert "rtsp://cam/password=***" in text
