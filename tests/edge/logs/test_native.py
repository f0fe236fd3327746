import logging
import os

import pytest

from edge.logs.native import log_native_stderr

log = logging.getLogger("test_nativelog")


def test_native_chatter_goes_to_the_log_and_errors_are_seen(caplog, capfd):
    with caplog.at_level(logging.DEBUG), log_native_stderr(log):
        os.write(2, b"INFO: delegate created\nError in cpuinfo: no list of processors\n")
    os.write(2, b"after\n")
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("DEBUG", "INFO: delegate created"),
        ("WARNING", "Error in cpuinfo: no list of processors"),
    ]
    assert capfd.readouterr().err == "after\n"


def test_an_exception_passes_and_standard_error_comes_back(capfd):
    with pytest.raises(ValueError, match="inside"), log_native_stderr(log):
        raise ValueError("inside")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"
