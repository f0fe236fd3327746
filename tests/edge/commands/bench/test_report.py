import json

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.commands.bench.report import Cost, Report, read_report
from edge.errors import ConfigError


def test_written_report_fits_its_schema(report_file):
    schema = msgspec.json.schema(Report)
    jsonschema.Draft202012Validator(schema).validate(json.loads(report_file.read_text(encoding="utf-8")))


def test_written_report_is_read_back(report, report_file):
    assert read_report(report_file) == report


@pytest.mark.parametrize("content", [b"", b"text", b"{}", b'{"schema":2,"kind":"emotion-edge bench"}', b"\xff\xfe"])
def test_file_that_is_no_report_is_named(tmp_path, report_file, content):
    path = tmp_path / "wrong.json"
    path.write_bytes(content)
    for pair in ((path, report_file), (report_file, path)):
        with pytest.raises(ConfigError, match=str(path)):
            [read_report(one) for one in pair]
    with pytest.raises(ConfigError, match="absent"):
        read_report(tmp_path / "absent.json")


@given(st.floats(0, 1e3), st.floats(0, 1e3))
def test_ratios_of_any_cost_are_finite(line, plain):
    cost = Cost(capture=0.0, line=line, plain=plain, floor=0.0)
    assert cost.work_ratio >= 0
    assert cost.whole_ratio >= 0
    assert cost.floor_ratio >= 0
