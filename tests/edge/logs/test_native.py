import logging
import os

import pytest

from edge.logs.native import log_native_stderr

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
