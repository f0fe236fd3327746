"""Settings over MQTT with the real program and a real broker: set, undone, and what survives."""

import json
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from support import homeassistant_rules as rules
from support import homeassistant_view as view
from support.mqtt import wait_until
from support.program import kill, run, start

SCRIPT = "scripted:happy=2,surprise=2?seed=5&loop=1"
TOPIC = "homeassistant/device/emotion-edge-cam/config"
FILE = """
[device]
id = "cam"
[events]
margin = 0.35
[budget]
latency_ms = 10000
[homeassistant]
enabled = true
[requests]
settable = ["events", "detector.kind", "masks", "zones"]
"""


class Sensor:
    """The program with a configuration file and a state folder, which can be started again and again."""

    def __init__(self, folder: Path, broker: Any, subscriber: Any) -> None:
        self.broker, self.subscriber = broker, subscriber
        self.file, self.state = folder / "config.toml", folder / "state"
        self.stored = self.state / "settings-cam.json"
        self.environment = {"STATE_DIRECTORY": str(self.state)}
        self.file.write_text(FILE, encoding="utf-8")
        self.process = None

    def start(self) -> None:
        self.log: list[str] = []
        subscribed = self.broker.log().count("request/+ (QoS 1)")
        arguments = ("--config", self.file, "--source", SCRIPT, "--mqtt", self.broker.url)
        self.process = start("run", *arguments, **self.environment)
        self.reader = threading.Thread(target=self.log.extend, args=(self.process.stderr,), daemon=True)
        self.reader.start()
        wait_until(lambda: self.broker.log().count("request/+ (QoS 1)") > subscribed)
        self.subscriber.wait(lambda: self.subscriber.of("info"))

    def end(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        self.process.wait(60)
        self.reader.join(60)

    def request(self, name: str, **fields: Any) -> dict[str, Any]:
        before = len(self.subscriber.of("response"))
        payload = json.dumps(fields).encode() if fields else b""
        self.subscriber.publish(f"emotion-edge/cam/request/{name}", payload)
        self.subscriber.wait(lambda: len(self.subscriber.of("response")) > before)
        return self.subscriber.of("response")[before].json

    def info(self) -> dict[str, Any]:
        return self.subscriber.of("info")[-1].json

    def settings(self) -> dict[str, Any]:
        """Return what requests have set, as the retained info has it."""
        return {name: one["value"] for name, one in self.info()["settings"].items() if one["set"]}

    def wait(self, **expected: Any) -> None:
        wanted = {name.replace("__", "."): value for name, value in expected.items()}
        self.subscriber.wait(lambda: self.settings() == wanted)

    def reload(self, text: str) -> None:
        self.file.write_text(text, encoding="utf-8")
        before = len(self.log)
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: any("configuration" in line for line in self.log[before:]))


@pytest.fixture
def sensor(tmp_path, broker, subscribe):
    sensor = Sensor(tmp_path, broker, subscribe(broker))
    yield sensor
    if sensor.process is not None:
        kill(sensor.process)


def test_settings_are_in_force_at_once_and_survive_a_kill_and_a_reload(sensor) -> None:
    sensor.start()
    assert sensor.info()["settings"]["events.margin"] == {"value": 0.35, "set": False}
    # All of a request or nothing.
    answer = sensor.request("set", settings={"events.dwell_seconds": 0.2, "events.margin": 7}, transaction="t")
    assert (answer["status"], answer["error"], answer["transaction"]) == (
        "error",
        "events.margin is 7, but must be a number from 0 to 1",
        "t",
    )
    # What only the parts find out: there is no file of YuNet.
    refused = sensor.request("set", settings={"detector.kind": "yunet", "events.margin": 0.2})["error"]
    assert refused.startswith("detector.")
    assert sensor.settings() == {}
    assert not sensor.stored.exists()
    zones = {"left": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}
    answer = sensor.request("set", settings={"events.margin": 0.2, "events.dwell_seconds": 0.3, "zones": zones})
    assert (answer["status"], answer["settings"]["events.margin"]) == ("ok", {"value": 0.2, "set": True})
    sensor.wait(events__margin=0.2, events__dwell_seconds=0.3, zones=zones)
    assert sensor.info()["zones"] == zones
    assert sensor.request("config")["config"]["events"]["margin"] == 0.2
    # A retained request is not executed, now or after a restart.
    sensor.subscriber.publish("emotion-edge/cam/request/set", b'{"settings": {"events.margin": 0.9}}', retain=True)
    sensor.wait(events__margin=0.9, events__dwell_seconds=0.3, zones=zones)  # as it arrives it is a request like others
    sensor.subscriber.wait(
        lambda: sensor.subscriber.of("response")[-1].json["settings"]["events.margin"]["value"] == 0.9
    )
    sensor.request("set", settings={"events.margin": 0.2})

    sensor.end(signal.SIGKILL)
    sensor.start()
    assert sensor.request("config")["config"]["events"]["margin"] == 0.2
    wait_until(lambda: any("retained request" in line for line in sensor.log))
    assert sensor.settings() == {"events.margin": 0.2, "events.dwell_seconds": 0.3, "zones": zones}

    # The configuration keeps the last word, and a changed value of it is what a reset gives back.
    sensor.reload(FILE.replace('"events", ', '"events.margin", ').replace("0.35", "0.1"))
    sensor.wait(events__margin=0.2, zones=zones)
    (ignored,) = sensor.info()["settings_ignored"]
    assert ignored == (
        f"{sensor.stored}: events.dwell_seconds may not be set by a request: requests.settable in the configuration "
        "does not name it"
    )
    assert sensor.request("set", settings={"events.dwell_seconds": 1})["error"] == ignored.partition(": ")[2]
    assert sensor.request("config")["config"]["events"]["dwell_seconds"] == 0.6
    answer = sensor.request("reset", keys=["events.margin"])
    assert answer["settings"]["events.margin"] == {"value": 0.1, "set": False}
    # A file that cannot be used changes nothing, and a later request does not bring it into force.
    sensor.reload(FILE.replace("0.35", "0.9") + '[labels]\nodd = ["glee"]\n')
    assert sensor.request("set", settings={"zones": {}})["status"] == "ok"
    assert sensor.request("config")["config"]["events"]["margin"] == 0.1
    assert sensor.request("reset")["status"] == "ok"
    sensor.wait()
    assert not sensor.stored.exists()
    sensor.end()
    assert sum("settings that are not in force" in line for line in sensor.log) == 1


def test_damaged_and_invalid_settings_do_not_keep_the_sensor_from_starting_and_home_assistant_sets_them(sensor) -> None:
    zones = {"left": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}
    sensor.state.mkdir()
    settings = {"events.margin": 0.25, "events.dwell_seconds": 99, "detector.kind": "yunet", "zones": zones}
    sensor.stored.write_text(json.dumps({"settings": settings}), encoding="utf-8")
    sensor.start()
    sensor.wait(events__margin=0.25, zones=zones)
    assert len(sensor.info()["settings_ignored"]) == 2
    assert sum("settings that are not in force" in line for line in sensor.log) == 2
    shown = run("config", "show", "--config", sensor.file, **sensor.environment)
    assert f"# Set by a request ({sensor.stored}), in place of 0.35.\nmargin = 0.25\n" in shown.stdout
    assert f"# Settings that are not in force: {sensor.stored}: events.dwell_seconds is 99, but must be" in shown.stdout
    doctor = run("doctor", "--config", sensor.file, "--only", "settings", **sensor.environment)
    assert doctor.returncode == 0
    assert "ok    settings     set by requests: events.margin = 0.25, [zones] (left)\n" in doctor.stdout
    assert doctor.stdout.count("warn  settings ") == 2
    sensor.end()
    sensor.stored.write_bytes(b"\0" * 100)
    sensor.start()
    wait_until(lambda: any("settings file" in line and "is damaged" in line for line in sensor.log))
    assert sensor.request("set", settings={"events.margin": 0.3})["status"] == "ok"
    sensor.wait(events__margin=0.3)
    assert sensor.info()["settings_ignored"] == []

    # Home Assistant, by its own rules: state, command, and the button that undoes all.
    message = next(seen.payload for seen in reversed(sensor.subscriber.seen) if seen.topic == TOPIC)
    entities = rules.read(TOPIC, message)
    assert "set_budget_latency_ms" not in entities

    def shown_margin() -> float:
        return view.take(entities["set_events_margin"], sensor.subscriber.of("info")[-1].payload)

    assert shown_margin() == 0.3
    margin = entities["set_events_margin"]
    sensor.subscriber.publish(margin.command_topic, view.command(margin, 0.15))
    sensor.subscriber.wait(lambda: shown_margin() == 0.15)
    button = entities["reset_settings"]
    sensor.subscriber.publish(button.command_topic, button.payload_press.encode())
    sensor.subscriber.wait(lambda: shown_margin() == 0.35)
    sensor.end()
    assert "Traceback" not in "".join(sensor.log)
