import pytest
from msgspec import structs

from edge.commands.bench.compare import format_comparison


def test_comparison_names_what_differs(report):
    run = report.runs[0]
    cost = structs.replace(run.cpu_ms, plain=2 * run.cpu_ms.plain)
    other = structs.replace(
        report,
        source="scripted:",
        facts=structs.replace(report.facts, opencv="4.99.0"),
        runs=[structs.replace(run, cpu_ms=cost)],
        program=None,
        invalid=["the firmware held the clock down during the run"],
    )
    lines = format_comparison(report, other).splitlines()
    assert f"source: the built-in actor ({report.source}) (A), the built-in actor (B)" in lines
    assert f"opencv: {report.facts.opencv} (A), 4.99.0 (B)" in lines
    assert "B is INVALID: the firmware held the clock down during the run" in lines
    (plain,) = [line for line in lines if line.startswith("threads 1, plain loop CPU")]
    assert plain.endswith(" 2.000")
    (ratio,) = [line for line in lines if line.startswith("threads 1, line / plain  ")]
    assert float(ratio.split()[-1]) == pytest.approx(0.5, abs=0.01)
    assert lines[-1].startswith("only in one: ")
    assert "program CPU, ms" in lines[-1]
    assert "threads 2, frames a second" in lines[-1]
