"""The message that makes Home Assistant know this sensor, and the one that makes it forget. Pure.

It follows Home Assistant's device-based discovery (2024.11 and later): one retained message describes
the device and all its entities. Keys are written in full, so that a person can read what
`emotion-edge homeassistant show` prints.
"""

import re
from typing import Any, Final

import msgspec

from edge.homeassistant.entities import availability, components
from edge.messages.payloads import InfoPayload
from edge.messages.topics import Topics
from edge.mqtt.types import OutgoingMessage

_ORIGIN: Final = "emotion-edge"
"""Who made a message; by this we know our own again."""


def config_topic(prefix: str, device: str) -> str:
    """Topic of the discovery message of `device`."""
    return f"{prefix}/device/{_object_id(device)}/config"


def discovery(prefix: str, topics: Topics, info: InfoPayload, *, commands: bool = True) -> OutgoingMessage:
    """Describe this sensor to Home Assistant. `commands`: whether it listens to requests."""
    entities = {key: _identified(key, component, info.device) for key, component in components(topics, info).items()}
    if not commands:
        # Its platform alone takes an entity away that was announced before.
        entities |= {key: {"platform": one["platform"]} for key, one in entities.items() if "command_topic" in one}
    payload = {
        "device": {
            "identifiers": [_object_id(info.device)],
            "name": info.name or info.device,
            "manufacturer": _ORIGIN,
            "model": f"Expression sensor with model {info.model.name}",
            "sw_version": info.version,
        },
        "origin": {"name": _ORIGIN, "sw_version": info.version},
        "availability": availability(topics),
        "components": entities,
    }
    return OutgoingMessage(config_topic(prefix, info.device), msgspec.json.encode(payload), 1, retain=True)


def removal(topic: str) -> OutgoingMessage:
    """Take the sensor and its entities out of Home Assistant, and the message above out of the broker."""
    return OutgoingMessage(topic, b"", 1, retain=True)


def is_ours(payload: bytes) -> bool:
    """Whether `payload` is a discovery message of this program, of whatever version."""
    try:
        return bool(msgspec.json.decode(payload)["origin"]["name"] == _ORIGIN)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, LookupError, TypeError):
        return False


def _object_id(device: str) -> str:
    return f"{_ORIGIN}-{device}"


def _identified(key: str, component: dict[str, Any], device: str) -> dict[str, Any]:
    """Add ids made of the device's id and `key` alone: names may change, and a history must not be lost then.

    The quality of service is said per component, because Home Assistant hands that of the device on to none.
    """
    unique = f"{_object_id(device)}-{key}"
    slug = re.sub("[^a-z0-9]+", "_", unique.lower())
    ids = {"unique_id": unique, "default_entity_id": f"{component['platform']}.{slug}"}
    return {**component, **ids, "qos": 1}
