"""`emotion-edge homeassistant`: shows what Home Assistant is told of this sensor, or makes it forget that."""

import json
import secrets
import time
from typing import Final, TextIO

from edge.commands.watch import subscribe
from edge.config.schema import Config
from edge.errors import BrokerError, ConfigError
from edge.homeassistant.discovery import config_topic, discovery, is_ours, removal
from edge.messages.topics import Topics
from edge.mqtt.connection import Connection, Connector
from edge.mqtt.errors import ConnectFailedError
from edge.mqtt.settings import broker_settings
from edge.mqtt.types import ConnectionLostError
from edge.system import board

_RETAINED_SECONDS: Final = 2.0
"""How long a retained message may take after the broker has agreed to a subscription; nothing says that there
is none. Common brokers send it in the same breath."""

_ANSWER_SECONDS: Final = 5.0


def show(config: Config, stream: TextIO) -> int:
    """Print the message as the sensor would publish it, indented."""
    # OpenCV and the interpreter, which `remove` does not need.
    from edge.daemon.health import build_info  # noqa: PLC0415
    from edge.vision.classification.classifier import Classifier  # noqa: PLC0415

    device = board.device_id(config.device.id)
    classifier = Classifier.from_config(config.model)
    described = build_info(config=config, device=device, boot_id="", classifier=classifier)
    topics = Topics(config.mqtt.base_topic, device)
    message = discovery(config.homeassistant.discovery_prefix, topics, described, commands=config.requests.enabled)
    content = {"topic": message.topic, "payload": json.loads(message.payload)}
    stream.write(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    return 0


def remove(config: Config, stream: TextIO) -> int:
    """Clear the retained message, if there is one and it is ours; returns the exit code.

    Raises ConfigError without a broker, and BrokerError where that cannot be reached, refuses, or holds somebody
    else's message.
    """
    if not config.mqtt.url:
        msg = "mqtt.url is empty: say which broker holds the announcement, as in --mqtt mqtt://HOST"
        raise ConfigError(msg)
    topic = config_topic(config.homeassistant.discovery_prefix, board.device_id(config.device.id))
    dialler = Connector(broker_settings(config.mqtt), f"emotion-edge-homeassistant-{secrets.token_hex(4)}")
    try:
        with subscribe(dialler, [topic]) as connection:
            found = _retained(connection, topic)
            if found is not None and not is_ours(found):
                raise BrokerError(f"the message on {topic} is not of emotion-edge, and stays")
            if found is not None:
                _clear(connection, topic)
            connection.close()
    except ConnectFailedError as error:
        raise BrokerError(str(error)) from error
    except ConnectionLostError as error:
        raise BrokerError(f"the connection to the broker at {dialler.settings.broker} is gone: {error}") from error
    stream.write(f"removed: {topic}\n" if found is not None else f"nothing to remove: {topic} is empty\n")
    if config.homeassistant.enabled:
        stream.write("homeassistant.enabled is true: the sensor announces itself again when it connects\n")
    return 0


def _retained(connection: Connection, topic: str) -> bytes | None:
    """Payload that the broker retains on `topic`, to which we have just subscribed."""
    deadline = time.monotonic() + _RETAINED_SECONDS
    while (left := deadline - time.monotonic()) > 0:
        connection.poll(left)
        for message in connection.take_received():
            if message.topic == topic and message.retained:
                return message.payload
    return None


def _clear(connection: Connection, topic: str) -> None:
    """Publish nothing to `topic`, and wait for the broker's word. Raises BrokerError."""
    mid = connection.publish(removal(topic))
    deadline = time.monotonic() + _ANSWER_SECONDS
    while (left := deadline - time.monotonic()) > 0:
        for answer in connection.take_publish_acks():
            if answer.mid == mid:
                if answer.refusal is not None:
                    raise BrokerError(f"the broker refuses messages to {topic}: {answer.refusal}")
                return
        connection.poll(left)
    raise BrokerError(f"the broker did not acknowledge a message to {topic}")
