"""`emotion-edge homeassistant`: prints the announcement to Home Assistant, or removes it from the broker."""

import argparse
import json
import sys
import time
from typing import Final, TextIO

from edge.commands.common import find_settings
from edge.commands.subscriber import subscribe
from edge.config.schema import Config
from edge.control.settings import Settings
from edge.errors import BrokerError, ConfigError
from edge.homeassistant.discovery import config_topic, discovery, is_ours, removal
from edge.messages.topics import Topics
from edge.mqtt.connection import Connection
from edge.mqtt.connector import Connector
from edge.mqtt.errors import ConnectFailedError
from edge.mqtt.settings import broker_settings, command_client_id
from edge.mqtt.types import ConnectionLostError
from edge.system import board

_RETAINED_SECONDS: Final = 2.0
"""How long to wait for a retained message after the subscription. MQTT has no signal that there is none; common
brokers send it at once."""

_ACKNOWLEDGEMENT_SECONDS: Final = 5.0


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Print or remove the announcement; returns the exit code."""
    if arguments.action == "show":
        show(config, sys.stdout, find_settings(arguments, config))
    else:
        remove(config, sys.stdout)
    return 0


def show(config: Config, stream: TextIO, settings: Settings | None = None) -> None:
    """Print topic and payload as the sensor would publish them, as indented JSON.

    `settings`: what requests have set.
    """
    # These load OpenCV and the interpreter, which `remove` does not need.
    from edge.daemon.health import build_info  # noqa: PLC0415
    from edge.vision.classification.classifier import Classifier  # noqa: PLC0415

    config = config if settings is None else settings.config
    device = board.device_id(config.device.id)
    classifier = Classifier.from_config(config.model)
    described = build_info(config=config, device=device, boot_id="", classifier=classifier, settings=settings)
    topics = Topics(config.mqtt.base_topic, device)
    message = discovery(config.homeassistant.discovery_prefix, topics, described, commands=config.requests.enabled)
    content = {"topic": message.topic, "payload": json.loads(message.payload)}
    stream.write(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def remove(config: Config, stream: TextIO) -> None:
    """Clear the retained announcement, if there is one and it comes from emotion-edge.

    Raises ConfigError without a broker, and BrokerError where the broker cannot be reached, refuses the message, or
    retains another program's message on the topic.
    """
    if not config.mqtt.url:
        raise ConfigError("mqtt.url is empty: name the broker that holds the announcement, as in --mqtt mqtt://HOST")
    topic = config_topic(config.homeassistant.discovery_prefix, board.device_id(config.device.id))
    connector = Connector(broker_settings(config.mqtt), command_client_id(config.mqtt, "homeassistant"))
    try:
        with subscribe(connector, [topic]) as connection:
            found = _retained(connection, topic)
            if found is not None and not is_ours(found):
                raise BrokerError(f"the message on {topic} does not come from emotion-edge and is kept")
            if found is not None:
                _clear(connection, topic)
            connection.close()
    except ConnectFailedError as error:
        raise BrokerError(str(error)) from error
    except ConnectionLostError as error:
        raise BrokerError(f"the connection to the broker at {connector.settings.broker} is lost: {error}") from error
    stream.write(f"removed: {topic}\n" if found is not None else f"nothing to remove: {topic} is empty\n")
    if config.homeassistant.enabled:
        stream.write("homeassistant.enabled is true: the sensor announces itself again when it connects\n")


def _retained(connection: Connection, topic: str) -> bytes | None:
    """Return the payload that the broker retains on `topic`, right after the subscription; None without one."""
    deadline = time.monotonic() + _RETAINED_SECONDS
    while (left := deadline - time.monotonic()) > 0:
        connection.poll(left)
        for message in connection.take_received():
            if message.topic == topic and message.retained:
                return message.payload
    return None


def _clear(connection: Connection, topic: str) -> None:
    """Publish an empty message to `topic` and wait for the acknowledgement. Raises BrokerError."""
    mid = connection.publish(removal(topic))
    deadline = time.monotonic() + _ACKNOWLEDGEMENT_SECONDS
    while (left := deadline - time.monotonic()) > 0:
        for ack in connection.take_publish_acks():
            if ack.mid == mid:
                if ack.refusal is not None:
                    raise BrokerError(f"the broker refuses messages to {topic}: {ack.refusal}")
                return
        connection.poll(left)
    raise BrokerError(f"the broker did not acknowledge a message to {topic} within {_ACKNOWLEDGEMENT_SECONDS:g} s")
