"""The latency budget in the real program: the levels in `health`, and the warning in the log."""

from edge.levels import LADDER
from support.program import comparable, events_of, run

LONG_SCRIPT = "scripted:neutral=3,happy=3?seed=5"
"""In real time: the measurement at the start, three steps down and the warning take some five seconds."""

SCRIPT = "scripted:neutral=1,happy=1?seed=5"
NAMES = [level.name for level in LADDER]


def test_budget_that_cannot_be_kept_lowers_the_level_and_is_logged_once(broker, subscribe):
    """The budget of 1 ms is less than one search takes."""
    subscriber = subscribe(broker)
    result = run(
        "run", "--source", LONG_SCRIPT, "--mqtt", broker.url, EMOTION_EDGE_BUDGET_LATENCY_MS="1",
        EMOTION_EDGE_HEALTH_INTERVAL_SECONDS="0.5",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    subscriber.wait(lambda: subscriber.statuses[-1:] == ["stopped"])
    reports = [seen.json["budget"] for seen in subscriber.of("health")]
    first = reports[0]
    assert first.pop("priority") in ("realtime", "normal")
    assert first == {
        "state": "measuring", "level": NAMES[0], "level_index": 0, "levels": NAMES, "reachable_ms": None, "steps": []
    }  # fmt: skip
    last = reports[-1]
    assert last["level"] == NAMES[-1]
    assert last["reachable_ms"] > 1
    assert [step["from_level"] for step in last["steps"][:3]] == NAMES[:3]
    assert last["steps"][0]["reason"] == "start"
    assert "of the budget of 1" in last["steps"][0]["detail"]
    warnings = [line for line in result.stderr.splitlines() if "budget.latency_ms is 1, but" in line]
    assert len(warnings) == 1


def test_file_processed_fast_keeps_the_best_level(broker, subscribe):
    subscriber = subscribe(broker)
    fast = run("run", "--fast", "--source", SCRIPT, "--mqtt", broker.url, EMOTION_EDGE_BUDGET_LATENCY_MS="1")
    assert fast.returncode == 0, fast.stderr
    subscriber.wait(lambda: subscriber.statuses[-1:] == ["stopped"])
    last = subscriber.of("health")[-1].json
    assert (last["budget"]["state"], last["budget"]["level"], last["budget"]["steps"]) == ("fixed", NAMES[0], [])
    assert last["frames_late"] == 0
    assert last["within_budget"] is False
    events = [seen.json for seen in subscriber.of("event")]
    assert comparable(events) == comparable(events_of("--fast", "--source", SCRIPT))
