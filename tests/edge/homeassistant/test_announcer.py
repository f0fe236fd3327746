"""When the sensor announces itself, and when it takes that back; without a broker."""

import logging
import random
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from edge.config.schema import Config, DeviceConfig, HomeAssistantConfig, MqttConfig, RequestsConfig
from edge.config.state_dir import announced_file
from edge.homeassistant.announced_topics import AnnouncedTopics
from edge.homeassistant.announcer import MOST_DELAY_SECONDS, DiscoveryAnnouncer, create_announcer
from edge.homeassistant.discovery import config_topic, discovery, removal
from edge.messages.topics import Topics
from edge.mqtt.types import OutgoingMessage, ReceivedMessage
from support.mqtt import info

TOPICS = Topics("emotion-edge", "cam")
TOPIC = config_topic("homeassistant", "cam")
MESSAGE = discovery("homeassistant", TOPICS, info())
BIRTH = ReceivedMessage("homeassistant/status", b"online", retained=False)


class Posted:
    """A post office that only remembers."""

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


def test_a_sensor_that_was_never_announced_says_and_writes_nothing(make, folder) -> None:
    assert make() is None
    assert not folder.exists()


def test_it_is_announced_at_each_connection(make) -> None:
    one = make(enabled=True)
    one.describe(info())
    assert one.filters == ["homeassistant/status"]
    for _ in range(2):
        posted = Posted()
        one.connected(posted)
        assert (posted.messages, posted.delays) == ([MESSAGE], [0.0])


def test_a_connection_before_anything_is_known_waits_for_that(make) -> None:
    one, posted = make(enabled=True), Posted()
    one.connected(posted)
    one.received(BIRTH, posted)
    assert posted.messages == []
    one.describe(info())
    assert posted.messages == [MESSAGE]


def test_what_has_changed_is_announced_again_and_nothing_else(make) -> None:
    one, posted = make(enabled=True), Posted()
    one.describe(info())
    one.connected(posted)
    one.describe(msgspec.structs.replace(info(), boot_id="other", source="other"))
    assert posted.messages == [MESSAGE]
    renamed = msgspec.structs.replace(info(), name="Hall")
    one.describe(renamed)
    assert posted.messages == [MESSAGE, discovery("homeassistant", TOPICS, renamed)]


def test_a_sensor_that_listens_to_nobody_has_no_switch(make) -> None:
    one, posted = make(enabled=True, commands=False), Posted()
    one.describe(info())
    one.connected(posted)
    assert posted.messages == [discovery("homeassistant", TOPICS, info(), commands=False)]


def test_home_assistants_birth_is_answered_after_a_random_wait() -> None:
    posted = Posted()
    config = HomeAssistantConfig(enabled=True, status_topic="ha/birth")
    one = DiscoveryAnnouncer(config, TOPICS, AnnouncedTopics(None, lambda _: True), rng=random.Random(4))
    one.describe(info())
    for _ in range(200):
        one.received(ReceivedMessage("ha/birth", b"online", retained=False), posted)
    assert posted.messages == 200 * [MESSAGE]
    assert 0 <= min(posted.delays) < 0.1 * MOST_DELAY_SECONDS
    assert 0.9 * MOST_DELAY_SECONDS < max(posted.delays) <= MOST_DELAY_SECONDS
    assert len(set(posted.delays)) == 200


@pytest.mark.parametrize(
    "message",
    [
        ReceivedMessage("homeassistant/status", b"offline", retained=False),
        ReceivedMessage("homeassistant/status", b"", retained=False),
        ReceivedMessage(
            "homeassistant/status", b"online", retained=True
        ),  # it was there before us, and so was our message
        ReceivedMessage("homeassistant/other", b"online", retained=False),
        ReceivedMessage(TOPIC, b"", retained=False),  # somebody deleted the device, and means it
    ],
)
def test_nothing_else_is_answered(make, message: ReceivedMessage) -> None:
    one, posted = make(enabled=True), Posted()
    one.describe(info())
    one.received(message, posted)
    assert posted.messages == []


def test_turned_off_it_is_taken_back_until_the_broker_shows_that_it_is_gone(make) -> None:
    make(enabled=True)
    one, posted = make(), Posted()
    assert one.filters == [TOPIC]
    one.describe(info())
    one.connected(posted)
    one.received(ReceivedMessage(TOPIC, MESSAGE.payload, retained=True), posted)
    one.received(ReceivedMessage(TOPIC, b"{}", retained=False), posted)
    assert posted.messages == [removal(TOPIC)]
    assert make() is not None
    one.received(ReceivedMessage(TOPIC, b"", retained=False), posted)
    assert one.filters == []
    assert make() is None


def test_with_another_prefix_the_old_message_goes_and_the_new_one_comes(make) -> None:
    make(enabled=True)
    one, posted = make(enabled=True, discovery_prefix="ha/d"), Posted()
    one.describe(info())
    assert one.filters == ["homeassistant/status", TOPIC]
    one.connected(posted)
    assert posted.messages == [removal(TOPIC), discovery("ha/d", TOPICS, info())]
    one.received(ReceivedMessage(TOPIC, b"", retained=False), posted)
    # Turned off before the broker had shown anything, both would go.
    assert make().filters == ["ha/d/device/emotion-edge-cam/config"]


def test_it_is_remembered_once_and_not_at_every_start(make, folder) -> None:
    make(enabled=True)
    file = folder / "announced-cam.txt"
    assert file.read_text() == f"{TOPIC}\n"
    before = file.stat()
    make(enabled=True)
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_file_that_holds_anything_else_clears_nothing(make, folder) -> None:
    folder.mkdir()
    lines = ["zigbee2mqtt/bridge/state", "homeassistant/device/other/config", "#/device/emotion-edge-cam/config", ""]
    (folder / "announced-cam.txt").write_bytes("\n".join(lines).encode() + b"\xff\0")
    assert make() is None


def test_a_disk_that_cannot_be_written_costs_a_line(make, folder, caplog) -> None:
    folder.mkdir()
    (folder / "announced-cam.txt").mkdir()
    with caplog.at_level(logging.WARNING):
        one = make(enabled=True)
    assert [record.levelname for record in caplog.records] == 2 * ["WARNING"]
    assert "cannot be read" in caplog.messages[0]
    assert "emotion-edge homeassistant remove" in caplog.messages[1]
    posted = Posted()
    one.describe(info())
    one.connected(posted)
    assert posted.messages == [MESSAGE]


def test_with_memory_only_nothing_is_written(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    mqtt = MqttConfig(url="mqtt://localhost", outbox_directory="none")
    config = Config(mqtt=mqtt, homeassistant=HomeAssistantConfig(enabled=True))
    assert announced_file(mqtt, "cam") is None
    assert create_announcer(config, "cam") is not None
    assert list(tmp_path.iterdir()) == []
