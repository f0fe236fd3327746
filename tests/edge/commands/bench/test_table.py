from msgspec import structs

from edge.commands.bench.table import format_report


def test_throttled_run_is_marked_invalid(report):
    throttled = structs.replace(report, invalid=["the firmware held the clock down during the run"])
    assert format_report(throttled).splitlines()[-1] == "INVALID: the firmware held the clock down during the run"
