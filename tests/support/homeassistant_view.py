"""What Home Assistant shows of a sensor: its templates, and what an entity takes of their results.

Written from Home Assistant 2026.2, as `homeassistant_rules`.
"""

import contextlib
import functools
import json
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment
from msgspec import UNSET, UnsetType

from support.homeassistant_rules import BinarySensor, Entity, Event, Sensor, Switch

# Undefined names are an error here; Home Assistant logs a warning and goes on with nothing.
_JINJA = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined)
_JINJA.filters["to_json"] = lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@functools.cache
def _compiled(template: str) -> jinja2.Template:
    return _JINJA.from_string(template)


def render(template: str | UnsetType, payload: bytes) -> str:
    """What Home Assistant makes of `payload` with `template`: `value`, and `value_json` where it is JSON."""
    value = payload.decode()
    if template is UNSET:
        return value
    variables: dict[str, Any] = {"value": value}
    with contextlib.suppress(ValueError):
        variables["value_json"] = json.loads(value)
    return _compiled(template).render(variables).strip()


def available(entity: Entity, latest: dict[str, bytes]) -> bool:
    """Whether `entity` is available after these last messages by topic. A topic without any makes it not."""
    assert isinstance(entity.availability, list)
    answers = []
    for one in entity.availability:
        word = render(one.value_template, latest[one.topic]) if one.topic in latest else one.payload_not_available
        assert word in (one.payload_available, one.payload_not_available), word
        answers.append(word == one.payload_available)
    # "latest" is the default; with one topic it is the same as "all".
    assert len(answers) == 1 or entity.availability_mode == "all"
    return all(answers)


class Refused(Exception):  # noqa: N818
    """Home Assistant would log a warning, and leave the entity as it is."""


def take(entity: Entity, payload: bytes) -> Any:
    """State of `entity` after this message: a value, None for unknown, a dictionary for an event.

    An event that is to be ignored gives None. Raises Refused.
    """
    result = render(entity.value_template, payload)
    match entity:
        case Event():
            return _event(entity, result)
        case _ if result == "None":
            return None
        case Sensor() if entity.numeric:
            return _number(result)
        case Sensor():
            if entity.options is not UNSET and result not in entity.options:
                raise Refused(f"{result!r} is no option of {entity.unique_id}")
            return result
        case BinarySensor():
            return _on_or_off(result, entity.payload_on, entity.payload_off)
        case Switch():
            on = entity.payload_on if entity.state_on is UNSET else entity.state_on
            return _on_or_off(result, on, entity.payload_off if entity.state_off is UNSET else entity.state_off)


def attributes(entity: Entity, payload: bytes) -> dict[str, Any]:
    """Attributes of `entity` after this message on its topic for them."""
    content = json.loads(render(entity.json_attributes_template, payload))
    if not isinstance(content, dict):
        raise Refused(f"{content!r} is no object")
    return content


def _event(entity: Event, result: str) -> dict[str, Any] | None:
    if result in ("", "None", "{}"):
        return None
    content = json.loads(result)
    if content.get("event_type") not in entity.event_types:
        raise Refused(f"{content!r} has no event_type of {entity.event_types}")
    return dict(content)


def _number(result: str) -> float:
    try:
        return float(result)
    except ValueError:
        raise Refused(f"{result!r} is no number") from None


def _on_or_off(result: str, on: str, off: str) -> bool:
    if result not in (on, off):
        raise Refused(f"{result!r} is neither {on!r} nor {off!r}")
    return result == on
