"""Defines the entities with which Home Assistant sets what `requests.settable` allows. Pure functions."""

from dataclasses import dataclass
from typing import Any, Final, get_args

from msgspec import inspect

from edge.config.keys import KEYS
from edge.messages.payloads import InfoPayload
from edge.messages.topics import Topics


@dataclass(frozen=True, slots=True)
class _Shown:
    """How a setting is shown. `step`: of a number. `unit`: of a number that has one."""

    name: str
    icon: str
    step: float = 1
    unit: str | None = None


_SHOWN: Final = {
    "events.dwell_seconds": _Shown("Dwell time", "mdi:timer-sand", 0.1, "s"),
    "events.margin": _Shown("Margin", "mdi:arrow-expand-horizontal", 0.01),
    "events.unknown_below": _Shown("Threshold of unknown", "mdi:help-circle-outline", 0.01),
    "events.smoothing_seconds": _Shown("Smoothing", "mdi:chart-bell-curve", 0.05, "s"),
    "tracker.confirm_seconds": _Shown("Seconds until a face appears", "mdi:account-plus-outline", 0.05, "s"),
    "tracker.lost_seconds": _Shown("Seconds until a face has left", "mdi:account-minus-outline", 0.1, "s"),
    "detector.kind": _Shown("Detector", "mdi:face-recognition"),
    "detector.min_face": _Shown("Smallest face", "mdi:arrow-collapse", 0.01),
    "detector.search_width_px": _Shown("Width of the search", "mdi:image-size-select-large", 10, "px"),
    "model.max_faces": _Shown("Maximum number of faces", "mdi:account-group"),
    "budget.latency_ms": _Shown("Latency budget", "mdi:speedometer", 1, "ms"),
    "health.interval_seconds": _Shown("Interval of health", "mdi:heart-pulse", 0.2, "s"),
}
"""Settings that a person adjusts while watching the result; the others remain for request/set. None is a switch: no key
that takes true or false can be changed without a restart. `model.name` is not here for the same reason."""
_DURATION_UNITS: Final = {"s", "ms"}
"""Units with which Home Assistant takes a number for a duration."""


def setting_components(topics: Topics, info: InfoPayload) -> dict[str, dict[str, Any]]:
    """Return an entity for each useful setting that may be set, by key, and a button that undoes all settings.

    One that may not be set is a component of nothing but its platform, which removes what was announced before.
    """
    entities: dict[str, dict[str, Any]] = {}
    for setting, shown in _SHOWN.items():
        kind = _kind_of(setting)
        entity: dict[str, Any] = {"platform": kind["platform"]}
        if setting in info.settings:
            entity |= kind | _common(topics, setting, shown)
            if kind["platform"] == "number":
                entity |= _of_number(shown)
        entities[f"set_{setting.replace('.', '_')}"] = entity
    button: dict[str, Any] = {"platform": "button"}
    if info.settings:
        button |= {
            "name": "Undo all settings",
            "icon": "mdi:restore",
            "entity_category": "config",
            "command_topic": topics.request("reset"),
            "payload_press": "{}",
        }
    entities["reset_settings"] = button
    return entities


def _common(topics: Topics, setting: str, shown: _Shown) -> dict[str, Any]:
    return {
        "name": shown.name,
        "icon": shown.icon,
        "entity_category": "config",
        "state_topic": topics.info,
        # An info that an earlier version left on the broker has no settings. For None Home Assistant shows "unknown".
        "value_template": f"{{{{ (value_json.settings | default({{}})).get('{setting}', {{}}).get('value') }}}}",
        "command_topic": topics.request("set"),
        "command_template": f'{{{{ {{"settings": {{"{setting}": value}}}} | to_json }}}}',
    }


def _kind_of(setting: str) -> dict[str, Any]:
    """Return platform, and range or options, of the entity for a setting, as the schema has them."""
    table, _, key = setting.partition(".")
    annotation = KEYS[table][key]
    info = inspect.type_info(annotation)
    while isinstance(info, (inspect.Metadata, inspect.UnionType)):
        info = info.type if isinstance(info, inspect.Metadata) else info.types[0]
    match info:
        case inspect.LiteralType():
            # In the order of the schema, the default first; msgspec sorts them.
            return {"platform": "select", "options": list(get_args(get_args(annotation)[0]))}
        case inspect.IntType() | inspect.FloatType():
            return {"platform": "number", "min": info.ge, "max": info.le}
    raise TypeError(f"{setting} is neither a number nor a choice")


def _of_number(shown: _Shown) -> dict[str, Any]:
    found: dict[str, Any] = {"step": shown.step, "mode": "box"}
    if shown.unit is not None:
        found["unit_of_measurement"] = shown.unit
    if shown.unit in _DURATION_UNITS:
        found["device_class"] = "duration"
    return found
