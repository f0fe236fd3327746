"""Restates how Home Assistant renders templates, and which results an entity accepts.

Written from Home Assistant 2026.2, as `homeassistant_rules`.
"""

import contextlib
import datetime
import functools
import json
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment
from msgspec import UNSET, UnsetType

from support.homeassistant_rules import BinarySensor, Entity, Event, Number, Select, Sensor, Switch

# Undefined names are an error here; Home Assistant logs a warning and renders them as empty.
_JINJA = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined)
_JINJA.filters["to_json"] = lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@functools.cache
def _compiled(template: str) -> jinja2.Template:
    return _JINJA.from_string(template)


def at(moment: datetime.datetime | None) -> dict[str, Any]:
    """Return Home Assistant's functions of time, as they are at `moment`, by default now."""
    return {
        "now": lambda: moment or datetime.datetime.now(datetime.UTC),
        "as_datetime": datetime.datetime.fromisoformat,
        "timedelta": datetime.timedelta,
    }


def render_condition(template: str, variables: dict[str, Any], moment: datetime.datetime | None = None) -> bool:
    """Return whether the template condition of an automation holds; any result but a true one is false."""
    return _compiled(template).render(variables | at(moment)).strip().lower() in {"true", "yes", "on", "enable", "1"}


def render(template: str | UnsetType, payload: bytes, moment: datetime.datetime | None = None) -> str:
    """Render `template` with `payload` as `value`, and as `value_json` if it is JSON; `moment`: when it arrives."""
    value = payload.decode()
    if template is UNSET:
        return value
    variables: dict[str, Any] = {"value": value} | at(moment)
    with contextlib.suppress(ValueError):
        variables["value_json"] = json.loads(value)
    return _compiled(template).render(variables).strip()


def available(entity: Entity, latest: dict[str, bytes]) -> bool:
    """Return whether `entity` is available after these latest messages, by topic. Without a message it is not."""
    assert isinstance(entity.availability, list)
    answers = []
    for one in entity.availability:
        result = render(one.value_template, latest[one.topic]) if one.topic in latest else one.payload_not_available
        assert result in (one.payload_available, one.payload_not_available), result
        answers.append(result == one.payload_available)
    # The default is "latest", which equals "all" if there is one topic.
    assert len(answers) == 1 or entity.availability_mode == "all"
    return all(answers)


class Refused(Exception):  # noqa: N818
    """Home Assistant would log a warning and leave the entity unchanged."""


def take(entity: Entity, payload: bytes, moment: datetime.datetime | None = None) -> Any:
    """Return the state of `entity` after this message: a value, None for unknown, a dictionary for an event.

    None as well for an event that is ignored. `moment`: when the message arrives, by default now. Raises Refused.
    """
    result = render(entity.value_template, payload, moment)
    match entity:
        case Event():
            return _event(entity, result)
        case _ if result == "None":
            return None
        case Sensor() if entity.numeric:
            return _number(result)
        case Number():
            return _number_in_range(entity, result)
        case Sensor() | Select():
            if entity.options is not UNSET and result not in entity.options:
                raise Refused(f"{result!r} is no option of {entity.unique_id}")
            return result
        case BinarySensor():
            return _on_or_off(result, entity.payload_on, entity.payload_off)
        case Switch():
            on = entity.payload_on if entity.state_on is UNSET else entity.state_on
            return _on_or_off(result, on, entity.payload_off if entity.state_off is UNSET else entity.state_off)


def attributes(entity: Entity, payload: bytes) -> dict[str, Any]:
    """Return the attributes of `entity` after this message on its attributes topic."""
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


def _number_in_range(entity: Number, result: str) -> float | None:
    if result == entity.payload_reset:
        return None
    number = _number(result)
    if not entity.min <= number <= entity.max:
        raise Refused(f"{result} is out of the range of {entity.unique_id}")
    return number


def command(entity: Number | Select, value: float | str) -> bytes:
    """Return what Home Assistant publishes on the command topic when a person chooses `value`."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    template = "{{ value }}" if entity.command_template is UNSET else entity.command_template
    return _compiled(template).render({"value": value}).encode()


def _on_or_off(result: str, on: str, off: str) -> bool:
    if result not in (on, off):
        raise Refused(f"{result!r} is neither {on!r} nor {off!r}")
    return result == on


def statistics_sum(states: list[tuple[float | None, str]]) -> float:
    """Return the sum that long-term statistics have of a sensor with state class `total` after these states.

    `states`: value, None for unknown, and last reset of each. From `compile_statistics` of the sensor recorder: where
    the last reset changes, a new cycle begins at 0; within one, the sum follows the value, also downwards. The first
    value ever is the zero point.
    """
    total, old_state, new_state, old_reset = 0.0, None, None, None
    for value, reset in states:
        if value is None:
            continue
        if reset != old_reset:
            if old_state is not None and new_state is not None:
                total += new_state - old_state
            old_state = value if old_state is None else 0.0
            old_reset = reset
        new_state = value
    return total if old_state is None or new_state is None else total + new_state - old_state
