"""The discovery message: Home Assistant's rules, ids, and recognition of our own messages."""

import copy

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.homeassistant.discovery import config_topic, discovery, is_ours, removal
from edge.levels import LADDER
from edge.messages.payloads import encode
from edge.messages.topics import Topics
from edge.mqtt.types import OutgoingMessage
from support import homeassistant_rules as rules
from support import homeassistant_view as view
from support.mqtt import info, state

DEVICE_IDS = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
LABELS = st.lists(st.text(min_size=1, max_size=20).filter(str.strip), min_size=2, max_size=8, unique=True)
TOPICS = Topics("emotion-edge", "cam")
COMMON = {
    "sensor": {"emotion", "confidence", "valence", "faces", "latency", "fps", "temperature", "level", "waiting"}
    | {"visits_today", "present_today", "not_looked_today", "valence_today"}
    | {"label_happy_today", "label_neutral_today"},
}
COMMON |= {"binary_sensor": {"present", "problem"}, "event": {"event"}, "switch": {"paused"}}


def described(**changes: object) -> dict:
    message = discovery("homeassistant", TOPICS, msgspec.structs.replace(info(), **changes))
    return msgspec.json.decode(message.payload)


@given(device=DEVICE_IDS, name=st.text(max_size=64), labels=LABELS, version=st.text(min_size=1, max_size=10))
def test_discovery_message_keeps_home_assistants_rules(device: str, name: str, labels: list[str], version: str) -> None:
    model = msgspec.structs.replace(info().model, labels=labels)
    described = msgspec.structs.replace(info(), device=device, name=name, version=version, model=model)
    message = discovery("homeassistant", Topics("emotion-edge", device), described)
    entities = rules.read(message.topic, message.payload)
    for label in labels:
        shown = view.take(entities["emotion"], encode(state(label)))
        assert shown == (None if label.strip() in {"unknown", "None"} else label.strip())
    assert (message.qos, message.retain) == (1, True)
    assert is_ours(message.payload)
    assert removal(message.topic) == OutgoingMessage(message.topic, b"", 1, retain=True)


def test_message_describes_all_entities() -> None:
    entities = described()["components"]
    assert {
        platform: {key for key, entity in entities.items() if entity["platform"] == platform} for platform in COMMON
    } == COMMON
    assert entities["emotion"]["options"] == ["happy", "neutral", "nobody"]
    assert entities["level"]["options"] == [level.name for level in LADDER]
    diagnostic = {key for key, entity in entities.items() if entity.get("entity_category") == "diagnostic"}
    assert diagnostic == {"problem", "latency", "fps", "temperature", "level", "waiting", "not_looked_today"}


def test_ids_depend_on_the_device_id_and_the_labels_alone() -> None:
    def ids(message: dict) -> list:
        entities = [one for one in message["components"].values() if one.keys() != {"platform"}]
        return [message["device"]["identifiers"], [(one["unique_id"], one["default_entity_id"]) for one in entities]]

    model = msgspec.structs.replace(info().model, name="other", sha256="1" * 64)
    changed = described(name="Hall", version="9.9", model=model, boot_id="x", runtime="y", source="z")
    assert changed != described()
    assert ids(changed) == ids(described())
    assert ids(described(device="hall")) != ids(described())


def test_sensor_without_a_name_is_named_by_its_id() -> None:
    assert described(name="")["device"]["name"] == "cam"


def test_without_requests_only_the_switch_is_removed() -> None:
    message = discovery("homeassistant", TOPICS, info(), commands=False)
    full = discovery("homeassistant", TOPICS, info())
    entities = rules.read(message.topic, message.payload)
    assert set(rules.read(full.topic, full.payload)) - set(entities) == {"paused"}
    assert msgspec.json.decode(message.payload)["components"]["paused"] == {"platform": "switch"}


def test_entities_use_the_topics_of_the_sensor() -> None:
    entities = described()["components"]
    topics = {entity["state_topic"] for entity in entities.values() if entity.keys() != {"platform"}}
    assert topics == {TOPICS.state, TOPICS.event, TOPICS.health, TOPICS.summary}
    assert entities["paused"]["command_topic"] == "emotion-edge/cam/request/pause"


@pytest.mark.parametrize(
    ("payload", "ours"),
    [
        (b"", False),
        (b"null", False),
        (b"[]", False),
        (b"{", False),
        (b"\xff", False),
        (b"[" * 100_000, False),
        (b'{"origin":"emotion-edge"}', False),
        (b'{"origin":{"name":"zigbee2mqtt"}}', False),
        (b'{"origin":{"name":"emotion-edge","sw_version":"0.0.1"},"components":{}}', True),
    ],
)
def test_only_messages_of_this_program_are_recognised(payload: bytes, ours: bool) -> None:  # noqa: FBT001
    assert is_ours(payload) is ours


@given(st.binary(max_size=40))
def test_arbitrary_bytes_are_not_recognised(payload: bytes) -> None:
    assert is_ours(payload) is False


def _without(*path: str):
    def change(message: dict) -> None:
        *above, last = path
        for key in above:
            message = message[key]
        del message[last]

    return change


def _with(value: object, *path: str):
    def change(message: dict) -> None:
        *above, last = path
        for key in above:
            message = message[key]
        message[last] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        _without("origin"),
        _without("origin", "name"),
        _without("components"),
        _with({}, "components"),
        _with("~", "~"),
        _with([], "device", "identifiers"),
        _with("x", "device", "serial"),
        _with("emotion-edge/#", "components", "fps", "state_topic"),
        _without("components", "fps", "state_topic"),
        _without("components", "fps", "unique_id"),
        _without("components", "fps", "platform"),
        _with("camera", "components", "fps", "platform"),
        _with("emotion-edge-cam-level", "components", "fps", "unique_id"),
        _with("switch.fps", "components", "fps", "default_entity_id"),
        _with("config", "components", "fps", "entity_category"),
        _with("speeds", "components", "fps", "device_class"),
        _with("x", "components", "fps", "object_id"),
        _with(["a"], "components", "fps", "options"),
        _without("components", "emotion", "options"),
        _with("x", "components", "emotion", "unit_of_measurement"),
        _with("measurement", "components", "emotion", "state_class"),
        _with("%", "components", "temperature", "unit_of_measurement"),
        _without("components", "temperature", "unit_of_measurement"),
        _with("total", "components", "temperature", "state_class"),
        _without("components", "event", "event_types"),
        _with("motions", "components", "event", "device_class"),
        _without("components", "paused", "command_topic"),
        _with("x/y", "components", "fps", "command_topic"),
        _with("emotion-edge/cam/status", "components", "fps", "availability_topic"),
    ],
)
def test_restated_rules_refuse_invalid_messages(change) -> None:
    message = copy.deepcopy(described())
    topic = config_topic("homeassistant", "cam")
    rules.read(topic, msgspec.json.encode(message))
    change(message)
    with pytest.raises(ValueError, match=r"."):
        rules.read(topic, msgspec.json.encode(message))


@pytest.mark.parametrize("topic", ["homeassistant/x/config", "homeassistant/device/a x/config", "x/device/x/config"])
def test_restated_rules_refuse_invalid_topics(topic: str) -> None:
    with pytest.raises(ValueError, match="x/config"):
        rules.read(topic, msgspec.json.encode(described()))
