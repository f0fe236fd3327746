"""Home Assistant (restated) discovers the sensor, accepts all its messages, and removes it on request."""

import json
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from support import homeassistant_rules as rules
from support import homeassistant_view as view
from support.http_camera import HttpCamera
from support.mqtt import Seen, Subscriber
from support.program import run

TOPIC = "homeassistant/device/emotion-edge-cam/config"
SCRIPT = "scripted:happy=1.5,sad=1.5,none=2.5?seed=5&loop=1"
ZONES = """[zones]
middle = [[0.2, 0], [0.8, 0], [0.8, 1], [0.2, 1]]
edge = [[0.9, 0], [1, 0], [1, 1], [0.9, 1]]
"""
ON = {
    "EMOTION_EDGE_DEVICE_ID": "cam",
    "EMOTION_EDGE_HOMEASSISTANT_ENABLED": "true",
    "EMOTION_EDGE_HEALTH_INTERVAL_SECONDS": "0.5",
    # A busy machine must not lower the degradation level, which would change the events.
    "EMOTION_EDGE_BUDGET_LATENCY_MS": "10000",
}
OFF = ON | {"EMOTION_EDGE_HOMEASSISTANT_ENABLED": "false"}


class House:
    """What Home Assistant shows of one sensor, computed from all messages on a broker."""

    def __init__(self, seen: list[Seen]) -> None:
        (self.message,) = {one.payload for one in seen if one.topic == TOPIC}
        self.entities = rules.read(TOPIC, self.message)
        self.values: dict[str, list[Any]] = {key: [] for key in self.entities}
        self.latest: dict[str, bytes] = {}
        for one in seen:
            self.latest[one.topic] = one.payload
            for key, entity in self.entities.items():
                if entity.state_topic == one.topic:
                    self.values[key].append(view.take(entity, one.payload, one.arrived))

    def available(self) -> set[str]:
        return {key for key, entity in self.entities.items() if view.available(entity, self.latest)}


def assert_day_is_kept(house: House) -> None:
    """The day so far was published once more at the end, and the command shows it."""
    visits = int(house.values["visits_today"][-1])
    assert visits >= 1
    assert 0 < house.values["present_today"][-1] < 60
    told = run("summary", **OFF)
    assert (told.returncode, told.stderr) == (0, "")
    assert re.match(rf"\d{{4}}-\d\d-\d\d so far  +{visits} ", told.stdout.splitlines()[1])


def test_every_entity_accepts_its_messages_and_the_switch_pauses(broker, subscribe, started, tmp_path) -> None:
    subscriber = subscribe(broker)
    config = tmp_path / "config.toml"
    config.write_text(ZONES, encoding="utf-8")
    process = started("run", "--config", config, "--source", SCRIPT, "--mqtt", broker.url, **ON)

    def house() -> House:
        return House(subscriber.seen)

    def announced() -> int:
        return sum(seen.topic == TOPIC for seen in subscriber.seen)

    subscriber.wait(lambda: announced() == 1)
    subscriber.publish("homeassistant/status", b"online")
    subscriber.wait(lambda: announced() == 2)
    emotions = {"happy", "sad", "nobody"}
    types = {"face_appeared", "emotion_changed", "face_left"}

    def all_shown() -> bool:
        values = house().values
        seen_types = {event["event_type"] for event in values["event"]}
        return emotions <= set(values["emotion"]) and types <= seen_types and len(values["fps"]) > 2

    subscriber.wait(all_shown)
    seen = house()
    assert seen.available() == set(seen.entities)
    assert set(seen.values["emotion"]) <= {*seen.entities["emotion"].options, None}
    assert {0, 1} <= set(seen.values["faces"])
    assert ({True, False}, {False}) == (set(seen.values["present"]), set(seen.values["paused"]))
    assert all(0 <= value <= 100 for value in seen.values["confidence"] if value is not None)
    assert any(value > 50 for value in seen.values["confidence"] if value is not None)
    valences = [value for value in seen.values["valence"] if value is not None]
    assert min(valences) < 0 < max(valences)
    assert any(value is not None and value > 0 for value in seen.values["latency"])
    assert max(seen.values["fps"]) > 0
    assert set(seen.values["level"]) == {"full"}
    assert set(seen.values["problem"]) == {False}

    # The actor stands in one zone and never in the other.
    assert ({True, False}, {0, 1}) == tuple(set(seen.values[f"zone_middle_{key}"]) for key in ("present", "faces"))
    assert emotions <= set(seen.values["zone_middle_emotion"])
    assert ({False}, {"nobody"}) == (set(seen.values["zone_edge_present"]), set(seen.values["zone_edge_emotion"]))

    switch = seen.entities["paused"]
    subscriber.publish(switch.command_topic, switch.payload_on.encode())
    subscriber.wait(lambda: house().values["paused"][-1])
    subscriber.wait(lambda: house().values["present"][-1] is None)
    assert house().values["zone_middle_present"][-1] is None
    assert [house().values[key][-1] for key in ("emotion", "confidence", "valence", "faces")] == [None] * 4
    assert house().available() == set(seen.entities)
    events = len(house().values["event"])
    subscriber.publish(switch.command_topic, switch.payload_off.encode())
    subscriber.wait(lambda: not house().values["paused"][-1])
    subscriber.wait(lambda: house().values["present"][-1] and len(house().values["event"]) > events)

    process.send_signal(signal.SIGTERM)
    subscriber.wait(lambda: house().available() == set())
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert [one.retained for one in subscriber.seen if one.topic == TOPIC] == [False, False]

    assert_day_is_kept(house())
    late = subscribe(broker)
    late.wait(lambda: any(one.topic == TOPIC and one.retained for one in late.seen))


@pytest.fixture
def camera() -> Iterator[HttpCamera]:
    served = HttpCamera()
    yield served
    served.close()


def test_faces_are_unavailable_while_the_camera_is_lost(broker, subscribe, started, camera) -> None:
    subscriber = subscribe(broker)
    # Health is published once an hour: the loss of the camera must not wait for it.
    changes = ON | {"EMOTION_EDGE_HEALTH_INTERVAL_SECONDS": "3600", "EMOTION_EDGE_SOURCE_STALL_SECONDS": "1"}
    started("run", "--source", camera.uri, "--mqtt", broker.url, **changes)
    in_view = {"emotion", "confidence", "valence", "faces", "present"}

    def house() -> House | None:
        return House(subscriber.seen) if any(one.topic == TOPIC for one in subscriber.seen) else None

    def face_is_present() -> bool:
        now = house()
        return now is not None and now.available() >= in_view and now.values["present"][-1]

    subscriber.wait(face_is_present)
    camera.away = True
    subscriber.wait(lambda: house().available().isdisjoint(in_view) and house().values["problem"][-1])
    attributes = view.attributes(house().entities["problem"], house().latest["emotion-edge/cam/health"])
    assert attributes["source"] in {"stalled", "lost"}
    assert attributes["source_error"]
    assert house().available() == set(house().entities) - in_view
    camera.away = False
    subscriber.wait(face_is_present)


@pytest.fixture
def outsider(broker) -> Iterator[Subscriber]:
    """A client that may publish anything: what it receives is not checked against the schemas."""
    subscriber = Subscriber(broker.port)
    yield subscriber
    subscriber.close()


def retained(broker) -> dict[str, bytes]:
    """Return the announcements that the broker retains, by topic."""
    late = Subscriber(broker.port)
    late.publish("end", b"")
    late.wait(lambda: late.seen[-1:] and late.seen[-1].topic == "end")
    late.close()
    return {one.topic: one.payload for one in late.seen if "/device/" in one.topic}


def test_disabled_discovery_or_changed_prefix_removes_the_old_announcement(broker) -> None:
    def once(**changes: str) -> str:
        result = run("run", "--source", "scripted:none=1?seed=1", "--fast", "--mqtt", broker.url, **changes)
        assert result.returncode == 0, result.stderr
        return result.stderr

    once(**OFF)
    assert retained(broker) == {}
    once(**ON)
    assert list(retained(broker)) == [TOPIC]
    once(**ON, EMOTION_EDGE_HOMEASSISTANT_DISCOVERY_PREFIX="ha")
    assert list(retained(broker)) == ["ha/device/emotion-edge-cam/config"]
    assert "announcement on ha/device/emotion-edge-cam/config removed" in once(**OFF)
    assert retained(broker) == {}
    assert "announcement" not in once(**OFF)


def test_show_prints_the_announcement_and_remove_removes_it(broker, subscribe, started) -> None:
    subscriber = subscribe(broker)
    process = started("run", "--source", SCRIPT, "--mqtt", broker.url, **ON)
    subscriber.wait(lambda: any(one.topic == TOPIC for one in subscriber.seen))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    (announced,) = [one.payload for one in subscriber.seen if one.topic == TOPIC]
    shown = run("homeassistant", "show", **OFF)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert json.loads(shown.stdout) == {"topic": TOPIC, "payload": json.loads(announced)}

    def remove(**changes: str) -> tuple[int, str]:
        result = run("homeassistant", "remove", "--mqtt", broker.url, **changes)
        return result.returncode, result.stdout + result.stderr

    assert remove(**OFF) == (0, f"removed: {TOPIC}\n")
    subscriber.wait(lambda: subscriber.seen[-1].topic == TOPIC and not subscriber.seen[-1].payload)
    assert remove(**OFF) == (0, f"nothing to remove: {TOPIC} is empty\n")
    code, output = remove(**ON)
    assert code == 0
    assert "homeassistant.enabled is true" in output


def test_remove_leaves_messages_of_other_programs(broker, outsider) -> None:
    theirs = b'{"origin":{"name":"somebody"}}'
    outsider.publish(TOPIC, theirs, retain=True)
    result = run("homeassistant", "remove", "--mqtt", broker.url, **OFF)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"emotion-edge: the message on {TOPIC} does not come from emotion-edge and is kept\n"
    assert retained(broker) == {TOPIC: theirs}
