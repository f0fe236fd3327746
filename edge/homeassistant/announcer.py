"""Announces the sensor to Home Assistant, on the sensor's own connection, and takes that back when turned off."""

import logging
import random
from collections.abc import Sequence
from typing import Final

from edge.config.schema import Config, HomeAssistantConfig
from edge.config.state_dir import announced_file
from edge.homeassistant.announced_topics import AnnouncedTopics
from edge.homeassistant.discovery import config_topic, discovery, removal
from edge.messages.payloads import InfoPayload
from edge.messages.topics import Topics, is_name
from edge.mqtt.handlers import Publish
from edge.mqtt.types import OutgoingMessage, ReceivedMessage

_LOG: Final = logging.getLogger(__name__)

_BIRTH: Final = b"online"
"""What Home Assistant says when it has started, unless somebody changed it: QoS 0, and not retained."""

MOST_DELAY_SECONDS: Final = 3.0
"""Longest wait before an answer to that, drawn anew each time: all sensors of a house hear it in the same
instant, and Home Assistant is busy starting. Nothing is urgent, for it has had the retained message by then.
After a connection there is no wait, because the reconnections of many sensors are spread already."""


class DiscoveryAnnouncer:
    """A correspondent. `announced` remembers what is to be taken back; `commands`: requests are listened to.

    `config` turned off, or with another prefix than before: the old message is removed, and forgotten once the
    broker has shown that it is gone.
    """

    def __init__(
        self,
        config: HomeAssistantConfig,
        topics: Topics,
        announced: AnnouncedTopics,
        *,
        commands: bool = True,
        rng: random.Random | None = None,
    ) -> None:
        self._config = config
        self._topics = topics
        self._announced = announced
        self._commands = commands
        self._rng = rng or random.Random()
        self._message: OutgoingMessage | None = None
        self._post: Publish | None = None
        self._stale = announced.topics
        if config.enabled:
            topic = config_topic(config.discovery_prefix, topics.device)
            announced.add(topic)
            self._stale -= {topic}

    @property
    def filters(self) -> Sequence[str]:
        """Where Home Assistant says that it has started, and each topic that is to become empty."""
        return [*([self._config.status_topic] if self._config.enabled else []), *sorted(self._stale)]

    def describe(self, info: InfoPayload) -> None:
        """Announce what the sensor is from here on. From any thread."""
        if not self._config.enabled:
            return
        message = discovery(self._config.discovery_prefix, self._topics, info, commands=self._commands)
        if message == self._message:
            return
        # In this order, and the other way round in `connected`: one of the two threads sees what the other did.
        self._message = message
        if self._post is not None:
            self._post(message)

    def connected(self, post: Publish) -> None:
        """Announce the sensor, and take back what is stale."""
        self._post = post
        for topic in sorted(self._stale):
            post(removal(topic))
        if self._message is not None:
            post(self._message)

    def received(self, message: ReceivedMessage, post: Publish) -> None:
        """Home Assistant has started, or a stale topic is empty."""
        if message.retained:
            return
        if message.topic in self._stale and not message.payload:
            self._stale -= {message.topic}
            self._announced.remove(message.topic)
            _LOG.info("this sensor is no longer announced on %s", message.topic)
        elif message.topic == self._config.status_topic and message.payload == _BIRTH and self._message is not None:
            post(self._message, self._rng.uniform(0.0, MOST_DELAY_SECONDS))


def create_announcer(config: Config, device: str) -> DiscoveryAnnouncer | None:
    """Build the correspondent of `device`; None where it has nothing to announce and nothing to take back.

    Raises ConfigError for a folder of the outbox that cannot be one.
    """
    ending = config_topic("", device)
    announced = AnnouncedTopics(
        announced_file(config.mqtt, device), lambda topic: is_name(topic) and topic.endswith(ending)
    )
    if not config.homeassistant.enabled and not announced.topics:
        return None
    topics = Topics(config.mqtt.base_topic, device)
    return DiscoveryAnnouncer(config.homeassistant, topics, announced, commands=config.requests.enabled)
