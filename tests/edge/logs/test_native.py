import io
import logging
import os
import subprocess
import sys
import threading

import pytest

from edge.logs.native import captured_native_lines, log_native_stderr, relay_native_stderr

log = logging.getLogger("test_native")


def test_native_output_goes_to_the_log_with_errors_as_warnings(caplog, capfd):
    with caplog.at_level(logging.DEBUG), log_native_stderr(log):
        os.write(2, b"INFO: delegate created\nError in cpuinfo: no list of processors\n")
    os.write(2, b"after\n")
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("DEBUG", "INFO: delegate created"),
        ("WARNING", "Error in cpuinfo: no list of processors"),
    ]
    assert capfd.readouterr().err == "after\n"


def test_exception_passes_and_standard_error_is_restored(capfd):
    with pytest.raises(ValueError, match="inside"), log_native_stderr(log):
        raise ValueError("inside")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_lines_of_one_context_are_captured(capfd):
    with captured_native_lines() as lines:
        os.write(2, b"libpng warning: iCCP: known incorrect sRGB profile\nno end")
    assert lines == ["libpng warning: iCCP: known incorrect sRGB profile", "no end"]
    assert capfd.readouterr().err == ""


def test_relay_logs_each_line_and_an_error_once(caplog, capfd):
    with caplog.at_level(logging.DEBUG), relay_native_stderr():
        os.write(2, b"Corrupt JPEG data: 4 extraneous bytes before marker 0xd9\n" * 2)
        os.write(2, b"[0:00:12.345] [7] ERROR Camera camera.cpp:1 no sensor\n" * 3)
        os.write(2, b"  \nlast, without an end")
    os.write(2, b"after\n")
    lines = [(record.levelname, record.message) for record in caplog.records]
    corrupt = ("DEBUG", "Corrupt JPEG data: 4 extraneous bytes before marker 0xd9")
    camera = ("WARNING", "[0:00:12.345] [7] ERROR Camera camera.cpp:1 no sensor")
    assert lines == [corrupt, corrupt, camera, ("DEBUG", "last, without an end")]
    assert capfd.readouterr().err == "after\n"


def test_capture_within_the_relay_keeps_its_lines_from_many_threads():
    taken, captured = [], []

    def work(name):
        for number in range(20):
            with captured_native_lines() as lines:
                os.write(2, f"{name} {number}\n".encode())
            captured.extend(lines)

    with relay_native_stderr(taken.append):
        threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        os.write(2, b"outside\n")
    assert taken == ["outside"]
    assert sorted(captured) == sorted(f"{name} {number}" for name in "abc" for number in range(20))


PROGRAM = """
import faulthandler, logging, os, sys
from edge.logs.native import relay_native_stderr
with relay_native_stderr(lambda line: print("took", line, flush=True)):
    logging.basicConfig(level="INFO")
    os.write(2, b"from a library\\n")
    logging.info("from Python")
    print("printed", file=sys.stderr)
    if sys.argv[1:] == ["abort"]:
        faulthandler.enable()
        os.abort()
logging.info("after it")
"""


def program(*arguments):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("\\\\n", "\\n"), *arguments], capture_output=True, text=True, check=False
    )


def test_python_still_writes_to_standard_error_during_the_relay_and_after_it():
    ended = program()
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "took from a library\n"
    assert ended.stderr == "INFO:root:from Python\nprinted\nINFO:root:after it\n"


def test_stacks_of_a_process_that_aborts_are_on_standard_error():
    ended = program("abort")
    assert ended.returncode < 0
    assert "Fatal Python error: Aborted" in ended.stderr


def test_stream_without_a_descriptor_is_left_alone(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with relay_native_stderr(lambda _: None):
        assert sys.stderr is stream
