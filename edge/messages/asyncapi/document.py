"""Builds the AsyncAPI document from the channels."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from edge.messages.asyncapi.channels import Channel, channels
from edge.messages.payloads import SCHEMA_VERSION
from edge.messages.topics import OFFLINE, STATUS_WORDS, Topics

_ASYNCAPI: Final = "3.0.0"
_MQTT_BINDING: Final = "0.2.0"
_PARAMETERS: Final[Mapping[str, dict[str, Any]]] = {
    "base": {
        "description": "mqtt.base_topic; it may have several levels.",
        "default": "emotion-edge",
        "examples": ["emotion-edge"],
    },
    "device": {"description": "device.id, or one that is derived from the machine id.", "examples": ["door"]},
    "discoveryPrefix": {"description": "homeassistant.discovery_prefix.", "default": "homeassistant"},
    "homeAssistantStatus": {"description": "homeassistant.status_topic.", "default": "homeassistant/status"},
}
_DESCRIPTION: Final = (
    "An emotion sensor for small devices: camera in, MQTT events out. Operations are those of the sensor: what it "
    "sends, a client subscribes to. Both versions of MQTT are spoken, 5 and 3.1.1. docs/mqtt.md explains every field."
)
_EITHER_QOS: Final = (
    "The sensor subscribes with QoS 1, and takes messages of QoS 0 as well. Retained requests are ignored."
)


def render(examples: Mapping[str, Sequence[Any]]) -> str:
    """Return the text of the document. `examples`: payloads by name of the channel."""
    return json.dumps(document(examples), indent=2, ensure_ascii=False) + "\n"


def document(examples: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return the document. `examples`: as of `render`."""
    listed = channels(STATUS_WORDS)
    return {
        "asyncapi": _ASYNCAPI,
        "info": {
            "title": "emotion-edge",
            # Of the payloads, not of the program: additions do not change it.
            "version": str(SCHEMA_VERSION),
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"broker": _server()},
        "channels": {each.name: _channel(each) for each in listed},
        "operations": {_operation_name(each): _operation(each) for each in listed},
        "components": {
            "messages": {each.name: _message(each, examples.get(each.name, ())) for each in listed},
            "schemas": _schemas(listed),
        },
    }


def _server() -> dict[str, Any]:
    return {
        "host": "{broker}",
        "protocol": "mqtt",
        "description": "mqtts, ws and wss as well: mqtt.url.",
        "variables": {"broker": {"default": "localhost:1883", "description": "Host and port of mqtt.url."}},
        "bindings": {
            "mqtt": {
                "cleanSession": True,
                "lastWill": {
                    "topic": Topics("emotion-edge", "door").status,
                    "qos": 1,
                    "message": OFFLINE,
                    "retain": True,
                },
                "bindingVersion": _MQTT_BINDING,
            }
        },
    }


def _channel(channel: Channel) -> dict[str, Any]:
    names = [name for name in _PARAMETERS if f"{{{name}}}" in channel.address]
    return {
        "address": channel.address,
        "summary": channel.summary,
        "parameters": {name: _PARAMETERS[name] for name in names},
        "messages": {channel.name: {"$ref": f"#/components/messages/{channel.name}"}},
    }


def _operation_name(channel: Channel) -> str:
    return f"{'send' if channel.sends else 'receive'}{channel.name[0].upper()}{channel.name[1:]}"


def _operation(channel: Channel) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "action": "send" if channel.sends else "receive",
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "summary": channel.summary,
        "messages": [{"$ref": f"#/channels/{channel.name}/messages/{channel.name}"}],
        "bindings": {"mqtt": {"qos": channel.qos, "retain": channel.retain, "bindingVersion": _MQTT_BINDING}},
    }
    if channel.reply is not None:
        operation["description"] = _EITHER_QOS
        operation["reply"] = {
            "channel": {"$ref": f"#/channels/{channel.reply}"},
            "messages": [{"$ref": f"#/channels/{channel.reply}/messages/{channel.reply}"}],
        }
    return operation


def _message(channel: Channel, examples: Sequence[Any]) -> dict[str, Any]:
    message: dict[str, Any] = {
        "name": channel.name,
        "summary": channel.summary,
        "contentType": channel.content_type or "application/json",
        "payload": {"$ref": f"#/components/schemas/{channel.payload.__name__}"} if channel.payload else channel.schema,
    }
    if channel.reply is not None:
        message["bindings"] = {
            "mqtt": {
                "responseTopic": {"type": "string", "description": "With MQTT 5 the answer is published here as well."},
                "correlationData": {"type": "string", "maxLength": 256},
                "bindingVersion": _MQTT_BINDING,
            }
        }
    if examples:
        message["examples"] = [{"payload": payload} for payload in examples]
    return message


def _schemas(listed: Sequence[Channel]) -> dict[str, Any]:
    payloads = {each.payload.__name__: each.payload for each in listed if each.payload is not None}
    _, components = msgspec.json.schema_components(payloads.values(), ref_template="#/components/schemas/{name}")
    return {name: _as_draft_07(components[name]) for name in sorted(components)}


def _as_draft_07(schema: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """Return a schema of draft 2020-12 in the words of draft 07, which AsyncAPI's are: they differ in tuples."""
    if isinstance(schema, list):
        return [_as_draft_07(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    converted = {key: _as_draft_07(value) for key, value in schema.items()}
    if "prefixItems" in converted:
        converted["additionalItems"] = converted.pop("items", True)
        converted["items"] = converted.pop("prefixItems")
    return converted
