"""The demo with a stand-in for the daemon. That the real daemon follows the script is tested in `tests/e2e`."""

import io
import sys
from pathlib import Path

import pytest

import edge.commands.demo
from edge.commands.demo import EventSummary, demo
from support.broker import PrivateBroker
from support.mqtt import event

DAEMON = """
import sys, time
sys.path[:0] = {path!r}
from edge.config.mqtt_schema import MqttConfig
from edge.mqtt.sink import MqttSink
from edge.sinks.jsonlines import JsonLinesSink
from support.mqtt import event
sink = MqttSink(MqttConfig(url={url!r}), "cam") if {url!r} else JsonLinesSink(sys.stdout)
sink.start()
for seq in range(1, {events} + 1):
    sink.event(event(seq), time.monotonic())
sink.close(5.0)
sys.exit({code})
"""


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Replaces the daemon by a small program, which publishes and ends as the returned dict specifies."""
    wanted = {"events": 3, "code": 0}
    run = edge.commands.demo.subprocess.Popen  # type: ignore[attr-defined]

    def popen(command: list[str], **options: object) -> object:
        if "edge.cli" in command:
            assert command[3:8] == ["run", "--log-level", "warning", "--source", "scripted:"]
            url = command[command.index("--mqtt") + 1] if "--mqtt" in command else ""
            path = [*sys.path, str(Path(__file__).parents[2])]
            command = [sys.executable, "-c", DAEMON.format(path=path, url=url, **wanted)]
        return run(command, **options)

    monkeypatch.setattr(edge.commands.demo.subprocess, "Popen", popen)  # type: ignore[attr-defined]
    return wanted


def test_events_travel_through_a_private_broker(broker: PrivateBroker, stand_in: dict[str, int]) -> None:
    assert stand_in["events"] == 3
    stream = io.StringIO()
    assert demo(stream) == 0
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith(
        "the sensor watches the built-in actor for some twenty seconds; its events come through "
    )
    assert "mqtt://127.0.0.1:" in lines[0]
    assert str(broker.port) not in lines[0]
    assert lines[1].endswith(" cam  online")
    assert [line.partition("  ")[2].startswith("face 1: neutral → happy") for line in lines[2:5]] == [True] * 3
    assert lines[5].endswith(" cam  stopped")
    assert lines[6].startswith("3 events, emotions: happy; 99 % of them within ")


def test_without_mosquitto_events_are_read_as_json_lines(
    stand_in: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stand_in["code"] == 0
    monkeypatch.setattr(edge.commands.demo, "find_mosquitto", lambda: None)
    stream = io.StringIO()
    assert demo(stream) == 0
    lines = stream.getvalue().splitlines()
    assert lines[0].endswith("; without a broker, because mosquitto is not installed here")
    assert len(lines) == 5
    assert lines[-1].startswith("3 events")


@pytest.mark.parametrize(("wanted", "code"), [({"events": 0}, 1), ({"code": 3}, 3)])
@pytest.mark.parametrize("installed", [True, False])
def test_no_events_or_a_failed_daemon_is_an_exit_code(
    *,
    broker: PrivateBroker,
    stand_in: dict[str, int],
    monkeypatch: pytest.MonkeyPatch,
    wanted: dict[str, int],
    code: int,
    installed: bool,
) -> None:
    assert broker.port
    stand_in.update(wanted)
    if not installed:
        monkeypatch.setattr(edge.commands.demo, "find_mosquitto", lambda: None)
    assert demo(io.StringIO()) == code


def test_summary_lists_emotions_and_the_99th_percentile() -> None:
    summary = EventSummary()
    assert str(summary) == "no events received"
    for seq in range(1, 201):
        summary.add(event(seq, latency_ms=float(seq), emotion="sad" if seq % 2 else "happy"))
    assert str(summary) == "200 events, emotions: sad, happy; 99 % of them within 198 ms of their frame"
