from msgspec import structs

from edge.commands.bench.table import format_report
from edge.commands.bench.verdict import judge
from edge.config.schema import Config


def test_throttled_run_is_marked_invalid(report):
    throttled = structs.replace(report, invalid=["the firmware held the clock down during the run"])
    assert format_report(throttled).splitlines()[-2] == "INVALID: the firmware held the clock down during the run"
    assert "p50, p95, p99: half, 95 % and 99 % of the frames took no longer" in format_report(report)


def test_verdict_is_the_last_line_and_a_throttled_run_has_none(report):
    judged = structs.replace(report.runs[0], verdict=judge(report.runs[0], Config()))
    single = structs.replace(report, runs=[judged])
    assert (
        format_report(single).splitlines()[-1].startswith("verdict: one face: 320 frames a second, 99 % within 7.5 ms")
    )
    busy = structs.replace(single, remarks=["other programs kept the processors busy (load 9 on 2): ..."])
    assert format_report(busy).splitlines()[-1].startswith("verdict on a busy machine: one face: ")
    throttled = structs.replace(single, invalid=["the firmware held the clock down during the run"])
    assert format_report(throttled).splitlines()[-1] == (
        "verdict: none, because the firmware held the clock down during the run"
    )
