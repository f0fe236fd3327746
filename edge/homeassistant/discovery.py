"""Builds the discovery message that adds this sensor to Home Assistant, and the one that removes it. Pure functions.

They follow Home Assistant's device-based discovery (2024.11 and later): one retained message describes the device and
all its entities. Keys have their full names, not Home Assistant's abbreviations, so that the output of
`emotion-edge homeassistant show` is readable.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from edge.homeassistant.entities import availability, components, zone_components
from edge.messages.payloads import InfoPayload
from edge.messages.topics import Topics
from edge.mqtt.types import OutgoingMessage

_ORIGIN: Final = "emotion-edge"
"""Name of the origin in every discovery message: `is_ours` recognises messages of this program by it."""


def config_topic(prefix: str, device: str) -> str:
    """Return the topic of the discovery message of `device`."""
    return f"{prefix}/device/{_object_id(device)}/config"


def discovery(
    prefix: str, topics: Topics, info: InfoPayload, *, commands: bool = True, gone_zones: Sequence[str] = ()
) -> OutgoingMessage:
    """Return the discovery message.

    `commands`: whether the sensor accepts requests; without, nothing can be switched or set. `gone_zones`: zones that
    were announced before and are no more.
    """
    entities = {
        key: component if component.keys() == {"platform"} else _with_ids(key, component, info.device)
        for key, component in components(topics, info).items()
    }
    gone = {} if commands else {key: one for key, one in entities.items() if "command_topic" in one}
    for zone in gone_zones:
        gone |= zone_components(topics, info, zone)
    # A component of nothing but its platform removes an entity that was announced before.
    entities |= {key: {"platform": one["platform"]} for key, one in gone.items()}
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
    """Return the message that removes the device from Home Assistant and the retained message from the broker."""
    return OutgoingMessage(topic, b"", 1, retain=True)


def is_ours(payload: bytes) -> bool:
    """Return whether `payload` is a discovery message of this program, of any version."""
    try:
        return bool(msgspec.json.decode(payload)["origin"]["name"] == _ORIGIN)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, LookupError, TypeError):
        return False


def _object_id(device: str) -> str:
    return f"{_ORIGIN}-{device}"


def _with_ids(key: str, component: dict[str, Any], device: str) -> dict[str, Any]:
    """Add the ids and the quality of service to a component.

    Ids are made of the device's id and `key` alone, because names may change and the history must not be lost then.
    The quality of service stands in every component, because Home Assistant does not pass on that of the device.
    """
    unique = f"{_object_id(device)}-{key}"
    slug = re.sub("[^a-z0-9]+", "_", unique.lower())
    ids = {"unique_id": unique, "default_entity_id": f"{component['platform']}.{slug}"}
    return {**component, **ids, "qos": 1}
