"""Signed documents with the real program, a real broker, ssh-keygen and an https server."""

import json
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from edge.messages.desired import Assignment, Plan
from support.mqtt import Certificates, wait_until
from support.program import kill, run, start
from support.signed_documents import Key, ModelServer

SCRIPT = "scripted:happy=2,surprise=2?seed=5&loop=1"
TOPIC = "emotion-edge/fleet/desired"


class Sensor:
    """The program with a configuration file and a state folder, which can be started again and again."""

    def __init__(self, folder: Path, broker: Any, subscriber: Any, key: Key, ca: Path) -> None:
        self.broker, self.subscriber, self.key = broker, subscriber, key
        self.file, self.state = folder / "config.toml", folder / "state"
        self.log: list[str] = []
        self.process = None
        self.configure(ca, 1)

    def configure(self, ca: Path, watch_seconds: float) -> None:
        self.file.write_text(
            f"""
[device]
id = "cam"
[health]
interval_seconds = 3600
[budget]
latency_ms = 10000
[labels]
glad = ["happy"]
[requests]
settable = ["events"]
[desired]
enabled = true
allowed_signers = "{self.key.signers}"
ca_file = "{ca}"
watch_seconds = {watch_seconds}
""",
            encoding="utf-8",
        )

    def start(self) -> None:
        before = self.broker.log().count("fleet/desired (QoS 1)")
        arguments = ("--config", self.file, "--source", SCRIPT, "--mqtt", self.broker.url)
        self.process = start("run", *arguments, STATE_DIRECTORY=str(self.state))
        self.reader = threading.Thread(target=self.log.extend, args=(self.process.stderr,), daemon=True)
        self.reader.start()
        wait_until(lambda: self.broker.log().count("fleet/desired (QoS 1)") > before)

    def end(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        self.process.wait(60)
        self.reader.join(60)

    def publish(self, plan: Plan, counter: int, *, key: Key | None = None) -> None:
        payload = (key or self.key).payload(plan, counter, rollout=f"{counter:016x}")
        self.subscriber.publish(TOPIC, payload, retain=True)

    @property
    def info(self) -> dict[str, Any]:
        return self.subscriber.of("info")[-1].json

    def wait(self, **expected: Any) -> dict[str, Any]:
        """Wait until the last info says so of the document; returns it."""
        self.subscriber.wait(
            lambda: (
                self.subscriber.of("info")
                and all((self.info["desired"] or {}).get(name) == value for name, value in expected.items())
            )
        )
        return self.info

    def steps(self) -> list[str]:
        """Return the steps that were published, each once in a row."""
        seen: list[str] = []
        for one in self.subscriber.of("info"):
            step = one.json["desired"]["step"]
            seen += [] if seen[-1:] == [step] else [step]
        return seen


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Key:
    return Key.make(tmp_path_factory.mktemp("key"))


@pytest.fixture
def server(tmp_path: Path, certificates: Certificates):
    folder = tmp_path / "web"
    folder.mkdir()
    server = ModelServer(folder, certificates)
    yield server
    server.close()


@pytest.fixture
def sensor(tmp_path, broker, subscribe, key, certificates):
    sensor = Sensor(tmp_path, broker, subscribe(broker), key, certificates.ca)
    yield sensor
    if sensor.process is not None:
        kill(sensor.process)


def renamed(content: dict[str, Any]) -> None:
    """Give a manifest other labels: what shows a mix of two models."""
    content["labels"] = [{"happy": "joyful", "sad": "gloomy"}.get(label, label) for label in content["labels"]]


def test_model_with_other_labels_is_switched_between_two_frames_and_goes_back_by_order(sensor, server) -> None:
    model = server.add_model("mine", manifest=renamed)
    sensor.start()
    sensor.subscriber.wait(lambda: sensor.subscriber.of("event"))
    settings = {"labels": {"glad": ["joyful", "surprise"]}, "events.margin": 0.2}
    plan = Plan(name="november", assignments=[Assignment(devices=["c*"], settings=settings, model=model)])
    sensor.publish(plan, 1)
    info = sensor.wait(step="kept", counter=1, document="november", assigned=True)
    steps = sensor.steps()
    # Steps that follow each other at once may be one message.
    assert [step for step in steps if step not in {"fetching", "checking"}] == ["none", "switched", "kept"]
    assert {"fetching", "checking"} & set(steps)
    assert (info["model"]["name"], info["groups"]) == ("mine", {"glad": ["joyful", "surprise"]})
    assert "joyful" in info["model"]["labels"]
    assert info["settings"]["events.margin"] == {"value": 0.2, "set": False}
    # What a request sets lies over it, and undone it shows again.
    sensor.subscriber.publish("emotion-edge/cam/request/set", b'{"settings": {"events.margin": 0.5}}')
    sensor.subscriber.wait(lambda: sensor.info["settings"]["events.margin"] == {"value": 0.5, "set": True})
    sensor.subscriber.publish("emotion-edge/cam/request/reset", b"")
    sensor.subscriber.wait(lambda: sensor.info["settings"]["events.margin"] == {"value": 0.2, "set": False})
    sensor.publish(Plan(name="withdrawn"), 2)
    sensor.subscriber.wait(lambda: sensor.info["model"]["name"] == "normal")
    assert sensor.info["groups"] == {"glad": ["happy"]}
    before = len(sensor.subscriber.of("event"))
    sensor.subscriber.wait(lambda: len(sensor.subscriber.of("event")) > before + 2)
    sensor.end()
    # Each event has the labels of one model, with the groups that belong to them, and none is missing.
    events = [seen.json for seen in sensor.subscriber.of("event")]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    kinds = [tuple(sorted(event["probabilities"])) for event in events]
    assert len(set(kinds)) == 2
    for event in events:
        assert event["emotion"] in {*event["probabilities"], "unknown"}
        group = {"joyful": "glad", "surprise": "glad"} if "joyful" in event["probabilities"] else {"happy": "glad"}
        assert event["group"] == group.get(event["emotion"])
    assert any("classifying with the model mine" in line for line in sensor.log)
    assert "Traceback" not in "".join(sensor.log)


@pytest.mark.long
def test_budget_that_is_not_kept_brings_the_model_before_back(sensor, server) -> None:
    sensor.start()
    settings = {"events.margin": 0.2}
    sensor.publish(Plan(name="good", assignments=[Assignment(model=server.add_model("good"), settings=settings)]), 1)
    assert sensor.wait(step="kept", counter=1)["model"]["name"] == "good"
    shown = run(
        "config", "show", "--config", sensor.file, "--mqtt", sensor.broker.url, STATE_DIRECTORY=str(sensor.state)
    )
    assert "# Set by the fleet, in place of 0.3.\nmargin = 0.2\n" in shown.stdout
    doctor = run(
        "doctor",
        "--config",
        sensor.file,
        "--mqtt",
        sensor.broker.url,
        "--only",
        "desired",
        STATE_DIRECTORY=str(sensor.state),
    )
    assert "ok    desired      document 'good' with the counter 1, signed by 'fleet' in " in doctor.stdout
    slow = Plan(name="slow", assignments=[Assignment(settings={"budget.latency_ms": 1})])
    sensor.publish(slow, 2)
    info = sensor.wait(step="went_back", counter=2)
    assert "of the trial were over budget.latency_ms" in info["desired"]["reason"]
    sensor.subscriber.wait(lambda: sensor.info["model"]["name"] == "good")
    assert sensor.info["budget_latency_ms"] == 10_000
    sensor.end()


@pytest.mark.long
def test_unsigned_and_replayed_documents_are_refused_and_said_once(sensor, tmp_path) -> None:
    sensor.start()
    plan = Plan(name="a", assignments=[Assignment(settings={"events.margin": 0.2})])
    sensor.publish(plan, 5, key=Key.make(tmp_path, "other"))
    sensor.wait(step="refused", refused=1)
    sensor.publish(plan, 5)
    sensor.wait(step="kept", counter=5)
    sensor.publish(plan, 4)
    assert "it is an old document" in sensor.wait(refused=2, counter=5)["desired"]["refused_reason"]
    sensor.publish(plan, 4)
    sensor.publish(plan, 3)
    sensor.wait(refused=3, counter=5)
    sensor.end()
    assert sum("of the fleet refused" in line for line in sensor.log) == 3


@pytest.mark.long
@pytest.mark.parametrize("step", ["fetching", "checking", "switched", "kept"])
def test_kill_at_a_step_goes_on_after_the_start(sensor, server, step: str) -> None:
    if step == "fetching":
        hold = threading.Event()
        server.answer = lambda _: hold.wait(5)
    sensor.start()
    sensor.publish(Plan(name="n", assignments=[Assignment(model=server.add_model("good"))]), 1)
    sensor.wait(step=step, counter=1)
    sensor.end(signal.SIGKILL)
    server.answer = lambda _: False
    assert json.loads((sensor.state / "desired-cam" / "state.json").read_bytes())["counter"] == 1
    before = len(sensor.subscriber.of("info"))
    sensor.start()
    sensor.subscriber.wait(lambda: len(sensor.subscriber.of("info")) > before)
    assert sensor.wait(step="kept", counter=1)["model"]["name"] == "good"
    sensor.end()


@pytest.mark.long
def test_crash_loop_during_the_trial_ends_with_the_configuration(sensor, certificates) -> None:
    sensor.configure(certificates.ca, 3600)
    sensor.start()
    sensor.publish(Plan(name="n", assignments=[Assignment(settings={"events.margin": 0.2})]), 1)
    sensor.wait(step="switched", counter=1)
    sensor.end(signal.SIGKILL)
    sensor.start()
    sensor.end(signal.SIGKILL)
    sensor.start()
    info = sensor.wait(step="went_back", counter=1)
    assert "did not end as it should 2 times during the trial" in info["desired"]["reason"]
    assert info["settings"]["events.margin"]["value"] == 0.3
    sensor.end()
