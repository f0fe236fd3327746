"""The latency budget in the real program: what it says in `health` and in its log."""

from edge.levels import LADDER
from support.program import comparable, events_of, run

SCRIPT = "scripted:neutral=3,happy=3?seed=5"
NAMES = [level.name for level in LADDER]


def test_a_budget_that_cannot_be_kept(broker, subscribe):
    """A millisecond: less than one search. The steps down are in `health`, the figure in the log, once."""
    subscriber = subscribe(broker)
    result = run(
        "run", "--source", SCRIPT, "--mqtt", broker.url, EMOTION_EDGE_BUDGET_LATENCY_MS="1",
        EMOTION_EDGE_HEALTH_INTERVAL_SECONDS="0.5",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    subscriber.wait(lambda: subscriber._seen[-1].payload == b"stopped")
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


def test_a_file_played_quickly_has_no_budget_to_keep(broker, subscribe):
    subscriber = subscribe(broker)
    hurried = run("run", "--fast", "--source", SCRIPT, "--mqtt", broker.url, EMOTION_EDGE_BUDGET_LATENCY_MS="1")
    assert hurried.returncode == 0, hurried.stderr
    subscriber.wait(lambda: subscriber._seen[-1].payload == b"stopped")
    last = subscriber.of("health")[-1].json
    assert (last["budget"]["state"], last["budget"]["level"], last["budget"]["steps"]) == ("fixed", NAMES[0], [])
    assert last["frames_late"] == 0
    assert last["within_budget"] is False
    told = [seen.json for seen in subscriber.of("event")]
    assert comparable(told) == comparable(events_of("--fast", "--source", SCRIPT))
