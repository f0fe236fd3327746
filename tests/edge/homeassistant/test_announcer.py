"""The announcer: when the discovery message is published and removed; without a broker."""

import random
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from edge.config.mqtt_schema import HomeAssistantConfig, MqttConfig, RequestsConfig
from edge.config.schema import Config, DeviceConfig
from edge.config.state_dir import announced_file
from edge.homeassistant.announced import Announced
from edge.homeassistant.announcer import MAX_DELAY_SECONDS, DiscoveryAnnouncer, create_announcer
from edge.homeassistant.discovery import config_topic, discovery, removal
from edge.messages.topics import Topics
from edge.mqtt.types import OutgoingMessage, ReceivedMessage
from support import homeassistant_rules as rules
from support.mqtt import info

TOPICS = Topics("emotion-edge", "cam")
TOPIC = config_topic("homeassistant", "cam")
MESSAGE = discovery("homeassistant", TOPICS, info())
BIRTH = ReceivedMessage("homeassistant/status", b"online", retained=False)


class Published:
    """Stands in for `Publish`: collects messages and delays."""

    def __init__(self) -> None:
        self.messages: list[OutgoingMessage] = []
        self.delays: list[float] = []

    def __call__(self, message: OutgoingMessage, delay_seconds: float = 0.0) -> bool:
        self.messages.append(message)
        self.delays.append(delay_seconds)
        return True


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def make(folder: Path) -> Callable[..., DiscoveryAnnouncer | None]:
    def make(*, commands: bool = True, **settings: object) -> DiscoveryAnnouncer | None:
        config = Config(
            device=DeviceConfig(id="cam"),
            mqtt=MqttConfig(url="mqtt://localhost", outbox_directory=str(folder)),
            homeassistant=HomeAssistantConfig(**settings),  # type: ignore[arg-type]
            requests=RequestsConfig(enabled=commands),
        )
        return create_announcer(config, "cam")

    return make


def test_sensor_that_was_never_announced_publishes_and_writes_nothing(make, folder) -> None:
    assert make() is None
    assert not folder.exists()


def test_sensor_is_announced_at_each_connection(make) -> None:
    one = make(enabled=True)
    one.describe(info())
    assert one.filters == ["homeassistant/status"]
    for _ in range(2):
        published = Published()
        one.connected(published)
        assert (published.messages, published.delays) == ([MESSAGE], [0.0])


def test_nothing_is_announced_before_the_description_is_set(make) -> None:
    one, published = make(enabled=True), Published()
    one.connected(published)
    one.received(BIRTH, published)
    assert published.messages == []
    one.describe(info())
    assert published.messages == [MESSAGE]


def test_changed_description_is_announced_again_and_an_equal_one_is_not(make) -> None:
    one, published = make(enabled=True), Published()
    one.describe(info())
    one.connected(published)
    one.describe(msgspec.structs.replace(info(), boot_id="other", source="other"))
    assert published.messages == [MESSAGE]
    renamed = msgspec.structs.replace(info(), name="Hall")
    one.describe(renamed)
    assert published.messages == [MESSAGE, discovery("homeassistant", TOPICS, renamed)]


def test_sensor_without_requests_has_no_switch(make) -> None:
    one, published = make(enabled=True, commands=False), Published()
    one.describe(info())
    one.connected(published)
    assert published.messages == [discovery("homeassistant", TOPICS, info(), commands=False)]


def test_birth_message_is_answered_after_a_random_delay() -> None:
    published = Published()
    config = HomeAssistantConfig(enabled=True, status_topic="ha/birth")
    one = DiscoveryAnnouncer(config, TOPICS, Announced(None, lambda _: True), rng=random.Random(4))
    one.describe(info())
    for _ in range(200):
        one.received(ReceivedMessage("ha/birth", b"online", retained=False), published)
    assert published.messages == 200 * [MESSAGE]
    assert 0 <= min(published.delays) < 0.1 * MAX_DELAY_SECONDS
    assert 0.9 * MAX_DELAY_SECONDS < max(published.delays) <= MAX_DELAY_SECONDS
    assert len(set(published.delays)) == 200


@pytest.mark.parametrize(
    "message",
    [
        ReceivedMessage("homeassistant/status", b"offline", retained=False),
        ReceivedMessage("homeassistant/status", b"", retained=False),
        ReceivedMessage(
            "homeassistant/status", b"online", retained=True
        ),  # retained: Home Assistant started before this sensor and has its message
        ReceivedMessage("homeassistant/other", b"online", retained=False),
        ReceivedMessage(TOPIC, b"", retained=False),  # a person has deleted the device
    ],
)
def test_other_messages_are_not_answered(make, message: ReceivedMessage) -> None:
    one, published = make(enabled=True), Published()
    one.describe(info())
    one.received(message, published)
    assert published.messages == []


def test_disabled_discovery_is_removed_until_the_broker_echoes_the_empty_message(make) -> None:
    make(enabled=True)
    one, published = make(), Published()
    assert one.filters == [TOPIC]
    one.describe(info())
    one.connected(published)
    one.received(ReceivedMessage(TOPIC, MESSAGE.payload, retained=True), published)
    one.received(ReceivedMessage(TOPIC, b"{}", retained=False), published)
    assert published.messages == [removal(TOPIC)]
    assert make() is not None
    one.received(ReceivedMessage(TOPIC, b"", retained=False), published)
    assert one.filters == []
    assert make() is None


def test_changed_prefix_removes_the_old_message_and_publishes_the_new_one(make) -> None:
    make(enabled=True)
    one, published = make(enabled=True, discovery_prefix="ha/d"), Published()
    one.describe(info())
    assert one.filters == ["homeassistant/status", TOPIC]
    one.connected(published)
    assert published.messages == [removal(TOPIC), discovery("ha/d", TOPICS, info())]
    one.received(ReceivedMessage(TOPIC, b"", retained=False), published)
    # The new topic is stored as well: if discovery is disabled now, it is cleared.
    assert make().filters == ["ha/d/device/emotion-edge-cam/config"]


def test_announcement_works_without_a_state_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    mqtt = MqttConfig(url="mqtt://localhost", outbox_directory="none")
    config = Config(mqtt=mqtt, homeassistant=HomeAssistantConfig(enabled=True))
    assert announced_file(mqtt, "cam") is None
    assert create_announcer(config, "cam") is not None
    assert list(tmp_path.iterdir()) == []


def test_unusable_state_file_does_not_prevent_the_announcement(make, folder, caplog) -> None:
    (folder / "announced-cam.txt").mkdir(parents=True)
    one = make(enabled=True)
    assert [record.levelname for record in caplog.records] == 2 * ["WARNING"]
    published = Published()
    one.describe(info())
    one.connected(published)
    assert published.messages == [MESSAGE]


def test_topics_of_others_in_the_state_file_are_not_cleared(make, folder) -> None:
    folder.mkdir()
    lines = ["zigbee2mqtt/bridge/state", "homeassistant/device/other/config", "#/device/emotion-edge-cam/config", ""]
    (folder / "announced-cam.txt").write_bytes("\n".join(lines).encode() + b"\xff\0")
    assert make() is None


def zoned(*names: str):
    return msgspec.structs.replace(info(), zones={name: [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0)] for name in names})


def announced_zones(message: OutgoingMessage) -> dict[str, bool]:
    """Return for each zone of a message whether its three entities are described; false: removed."""
    components = msgspec.json.decode(message.payload)["components"]
    found: dict[str, set[bool]] = {}
    for key, component in components.items():
        if key.startswith("zone_"):
            found.setdefault(key.removeprefix("zone_").rpartition("_")[0], set()).add(component.keys() != {"platform"})
    return {zone: all(described) for zone, described in found.items()}


def test_entities_of_a_zone_that_is_no_more_are_removed_also_after_a_restart(make, folder) -> None:
    one, published = make(enabled=True), Published()
    one.connected(published)
    one.describe(zoned("door", "desk"))
    assert announced_zones(published.messages[-1]) == {"door": True, "desk": True}
    one.describe(zoned("desk"))
    assert announced_zones(published.messages[-1]) == {"door": False, "desk": True}
    # Home Assistant's rules hold for a removal as well.
    rules.read(TOPIC, published.messages[-1].payload)
    again, later = make(enabled=True), Published()
    again.connected(later)
    again.describe(zoned("door"))
    assert announced_zones(later.messages[-1]) == {"door": True, "desk": False}
    assert (folder / "announced-cam.zones").read_text() == "desk\ndoor\n"


def test_number_of_zones_that_are_remembered_is_limited(make, folder) -> None:
    one = make(enabled=True)
    for number in range(100):
        one.describe(zoned(f"z{number}"))
    assert len((folder / "announced-cam.zones").read_text().split()) == 48
