"""Publishes the discovery message to Home Assistant, and removes it after discovery was disabled or moved."""

import logging
import random
from collections.abc import Sequence
from typing import Final

from edge.config.areas import MAX_AREAS, is_area_name
from edge.config.mqtt_schema import HomeAssistantConfig
from edge.config.schema import Config
from edge.config.state_dir import announced_file, announced_zones_file
from edge.homeassistant.announced import Announced
from edge.homeassistant.discovery import config_topic, discovery, removal
from edge.messages.payloads import InfoPayload
from edge.messages.topics import Topics, is_topic_name
from edge.mqtt.handlers import Publish
from edge.mqtt.types import OutgoingMessage, ReceivedMessage

_LOG: Final = logging.getLogger(__name__)

_BIRTH: Final = b"online"
"""Home Assistant's birth message, published when it has started: by default with QoS 0 and not retained."""

_MAX_ZONES: Final = 3 * MAX_AREAS
"""Maximum number of zones that are remembered, so that they can be removed."""
MAX_DELAY_SECONDS: Final = 3.0
"""Longest delay of the announcement after a birth message, drawn anew each time. All sensors of a house receive the
birth message in the same instant, while Home Assistant is busy starting, and it has the retained announcement already.
After a connection there is no delay, because the reconnections of many sensors are spread already."""


class DiscoveryAnnouncer:
    """Publishes and removes the discovery message of one sensor, as a `MessageHandler`.

    `announced`: the topics of earlier announcements. Those that `config` no longer contains, because discovery is
    disabled or has another prefix, are cleared, and removed from `announced` once the broker has echoed the empty
    message. `commands`: the sensor accepts requests. `zones`: those of earlier announcements; entities of those
    that are no more are removed. `rng`: draws the delays.
    """

    def __init__(  # noqa: PLR0913 - the last three have defaults
        self,
        config: HomeAssistantConfig,
        topics: Topics,
        announced: Announced,
        *,
        commands: bool = True,
        zones: Announced | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._config = config
        self._topics = topics
        self._announced = announced
        self._commands = commands
        self._zones = zones or Announced(None, is_area_name)
        self._rng = rng or random.Random()
        self._message: OutgoingMessage | None = None
        self._publish: Publish | None = None
        self._stale = announced.names
        if config.enabled:
            topic = config_topic(config.discovery_prefix, topics.device)
            announced.add(topic)
            self._stale -= {topic}

    @property
    def filters(self) -> Sequence[str]:
        """Topic of the birth message, and each topic that is to be cleared."""
        return [*([self._config.status_topic] if self._config.enabled else []), *sorted(self._stale)]

    def describe(self, info: InfoPayload) -> None:
        """Set the description of the sensor and announce it. Thread-safe."""
        if not self._config.enabled:
            return
        known = self._zones.names
        new = [zone for zone in info.zones if zone not in known]
        self._zones.add(*new[: max(0, _MAX_ZONES - len(known))])
        gone = sorted(known - info.zones.keys())
        message = discovery(self._config.discovery_prefix, self._topics, info, commands=self._commands, gone_zones=gone)
        if message == self._message:
            return
        # First the message, then the connection, and the other way round in `connected`: whatever the interleaving, at
        # least one of the two threads sees what the other has set, and publishes.
        self._message = message
        if self._publish is not None:
            self._publish(message)

    def connected(self, publish: Publish) -> None:
        """Clear stale topics, and announce the sensor."""
        self._publish = publish
        for topic in sorted(self._stale):
            publish(removal(topic))
        if self._message is not None:
            publish(self._message)

    def received(self, message: ReceivedMessage, publish: Publish) -> None:
        """Announce the sensor after a birth message; forget a stale topic that is empty."""
        if message.retained:
            return
        if message.topic in self._stale and not message.payload:
            self._stale -= {message.topic}
            self._announced.remove(message.topic)
            _LOG.info("Home Assistant announcement on %s removed", message.topic)
        elif message.topic == self._config.status_topic and message.payload == _BIRTH and self._message is not None:
            publish(self._message, self._rng.uniform(0.0, MAX_DELAY_SECONDS))


def create_announcer(config: Config, device: str) -> DiscoveryAnnouncer | None:
    """Return the announcer of `device`; None if it has nothing to announce and nothing to remove.

    Raises ConfigError if `mqtt.outbox_directory` cannot be used.
    """
    suffix = config_topic("", device)
    announced = Announced(
        announced_file(config.mqtt, device), lambda topic: is_topic_name(topic) and topic.endswith(suffix)
    )
    if not config.homeassistant.enabled and not announced.names:
        return None
    topics = Topics(config.mqtt.base_topic, device)
    zones = Announced(announced_zones_file(config.mqtt, device), is_area_name)
    return DiscoveryAnnouncer(config.homeassistant, topics, announced, commands=config.requests.enabled, zones=zones)
