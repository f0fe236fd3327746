"""Home Assistant's own rules, restated: what a discovery message may hold, and what an entity takes.

Written from Home Assistant 2026.2 (`homeassistant/components/mqtt`: schemas, discovery, entity and the four
platforms), and stricter in one way: Home Assistant leaves out keys that it does not know, here they are errors.
"""

import contextlib
import json
from typing import Annotated, Any, Literal

import msgspec
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from msgspec import UNSET, Meta, Struct, UnsetType

Text = Annotated[str, Meta(min_length=1)]
Topic = Annotated[str, Meta(pattern=r"^[^#+\x00-\x1f\x7f-\x9f]+$")]
Template = Annotated[str, Meta(pattern=r"\{[{%]")]
Icon = Annotated[str, Meta(pattern="^mdi:[a-z0-9-]+$")]
EntityId = Annotated[str, Meta(pattern=r"^[a-z_]+\.[a-z0-9_]+$")]

# All device classes of the platforms that have some.
BinarySensorClass = Literal[
    "battery", "battery_charging", "carbon_monoxide", "cold", "connectivity", "door", "garage_door", "gas", "heat",
    "light", "lock", "moisture", "motion", "moving", "occupancy", "opening", "plug", "power", "presence", "problem",
    "running", "safety", "smoke", "sound", "tamper", "update", "vibration", "window",
]  # fmt: skip
SensorClass = Literal[
    "date", "enum", "timestamp", "absolute_humidity", "apparent_power", "aqi", "area", "atmospheric_pressure",
    "battery", "blood_glucose_concentration", "carbon_monoxide", "carbon_dioxide", "conductivity", "current",
    "data_rate", "data_size", "distance", "duration", "energy", "energy_distance", "energy_storage", "frequency",
    "gas", "humidity", "illuminance", "irradiance", "moisture", "monetary", "nitrogen_dioxide", "nitrogen_monoxide",
    "nitrous_oxide", "ozone", "ph", "pm1", "pm10", "pm25", "pm4", "power_factor", "power", "precipitation",
    "precipitation_intensity", "pressure", "reactive_energy", "reactive_power", "signal_strength", "sound_pressure",
    "speed", "sulphur_dioxide", "temperature", "temperature_delta", "volatile_organic_compounds",
    "volatile_organic_compounds_parts", "voltage", "volume", "volume_storage", "volume_flow_rate", "water", "weight",
    "wind_direction", "wind_speed",
]  # fmt: skip

# Units and state classes that a device class allows. Only of the classes in use: look up what you add.
UNITS: dict[str, set[str]] = {
    "enum": set(),
    "duration": {"d", "h", "min", "s", "ms", "μs"},
    "temperature": {"°C", "°F", "K"},
}
STATE_CLASSES: dict[str, set[str]] = {
    "enum": set(),
    "duration": {"measurement", "total", "total_increasing"},
    "temperature": {"measurement"},
}


class Rules(Struct, forbid_unknown_fields=True, kw_only=True):
    """Every key that is not named here is an error."""


class Availability(Rules, kw_only=True):
    topic: Topic
    payload_available: Text = "online"
    payload_not_available: Text = "offline"
    value_template: Template | UnsetType = UNSET


class Device(Rules, kw_only=True):
    identifiers: Annotated[list[Text], Meta(min_length=1)]
    name: Text
    manufacturer: Text | UnsetType = UNSET
    model: Text | UnsetType = UNSET
    model_id: Text | UnsetType = UNSET
    hw_version: Text | UnsetType = UNSET
    sw_version: Text | UnsetType = UNSET
    serial_number: Text | UnsetType = UNSET
    suggested_area: Text | UnsetType = UNSET
    via_device: Text | UnsetType = UNSET
    configuration_url: Annotated[str, Meta(pattern="^(https?|homeassistant)://")] | UnsetType = UNSET
    connections: list[tuple[str, str]] | UnsetType = UNSET


class Origin(Rules, kw_only=True):
    name: Text
    sw_version: Text | UnsetType = UNSET
    support_url: Annotated[str, Meta(pattern="^https?://")] | UnsetType = UNSET


class Shared(Rules, kw_only=True):
    """What a component takes over from the device where it says nothing itself."""

    # The list form and the form of a single topic exclude each other, also when one comes from the device: so
    # only the list is allowed here.
    availability: list[Availability] | UnsetType = UNSET
    availability_mode: Literal["all", "any", "latest"] | UnsetType = UNSET
    state_topic: Topic | UnsetType = UNSET
    command_topic: Topic | UnsetType = UNSET


class Component(Shared, kw_only=True):
    unique_id: Text
    name: Text | None | UnsetType = UNSET
    default_entity_id: EntityId | UnsetType = UNSET
    qos: Literal[0, 1, 2] = 0
    encoding: Text | UnsetType = UNSET
    enabled_by_default: bool = True
    entity_category: Literal["diagnostic", "config"] | UnsetType = UNSET
    entity_picture: str | UnsetType = UNSET
    icon: Icon | UnsetType = UNSET
    json_attributes_topic: Topic | UnsetType = UNSET
    json_attributes_template: Template | UnsetType = UNSET
    value_template: Template | UnsetType = UNSET


class Sensor(Component, tag_field="platform", tag="sensor", kw_only=True):
    device_class: SensorClass | UnsetType = UNSET
    state_class: Literal["measurement", "measurement_angle", "total", "total_increasing"] | UnsetType = UNSET
    unit_of_measurement: Text | UnsetType = UNSET
    options: Annotated[list[Text], Meta(min_length=1)] | UnsetType = UNSET
    suggested_display_precision: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    expire_after: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    force_update: bool = False
    last_reset_value_template: Template | UnsetType = UNSET

    def __post_init__(self) -> None:
        # Diagnostics that somebody may change do not exist.
        _demand(self.entity_category != "config", "a sensor cannot be configuration")
        _demand((self.device_class == "enum") == (self.options is not UNSET), "options, and enum, need each other")
        if self.options is not UNSET:
            _demand(len(set(self.options)) == len(self.options), "an option is named twice")
        if self.device_class is not UNSET:
            unit = self.unit_of_measurement
            units = UNITS[self.device_class]
            _demand(unit in units if units else unit is UNSET, f"unit {unit} for {self.device_class}")
            classes = STATE_CLASSES[self.device_class]
            _demand(self.state_class in {UNSET, *classes}, f"{self.state_class} for {self.device_class}")

    @property
    def numeric(self) -> bool:
        given = (self.state_class, self.unit_of_measurement, self.suggested_display_precision, self.device_class)
        return self.device_class not in {"date", "enum", "timestamp"} and any(one is not UNSET for one in given)


class BinarySensor(Component, tag_field="platform", tag="binary_sensor", kw_only=True):
    device_class: BinarySensorClass | UnsetType = UNSET
    payload_on: Text = "ON"
    payload_off: Text = "OFF"
    expire_after: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    force_update: bool = False
    off_delay: Annotated[int, Meta(ge=0)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        _demand(self.entity_category != "config", "a binary sensor cannot be configuration")


class Event(Component, tag_field="platform", tag="event", kw_only=True):
    event_types: Annotated[list[Text], Meta(min_length=1)]
    device_class: Literal["doorbell", "button", "motion"] | UnsetType = UNSET


class Switch(Component, tag_field="platform", tag="switch", kw_only=True):
    device_class: Literal["outlet", "switch"] | UnsetType = UNSET
    command_template: Template | UnsetType = UNSET
    payload_on: Text = "ON"
    payload_off: Text = "OFF"
    state_on: Text | UnsetType = UNSET
    state_off: Text | UnsetType = UNSET
    optimistic: bool = False
    retain: bool = False


Entity = Sensor | BinarySensor | Event | Switch
PLATFORMS = ("sensor", "binary_sensor", "event", "switch")


class Discovery(Shared, kw_only=True):
    device: Device
    origin: Origin
    components: Annotated[dict[Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]+$")], Entity], Meta(min_length=1)]
    qos: Literal[0, 1, 2] = 0
    encoding: Text | UnsetType = UNSET


def read(topic: str, payload: bytes, prefix: str = "homeassistant") -> dict[str, Entity]:
    """Check a discovery message and return its entities by key, with what they take over from the device.

    A component of nothing but its platform takes away what was announced before.
    """
    start, end = f"{prefix}/device/", "/config"
    _demand(topic.startswith(start) and topic.endswith(end), topic)
    name = topic[len(start) : -len(end)]
    _demand(name.isascii() and name.replace("-", "").replace("_", "").isalnum(), f"{name!r} in {topic}")
    raw = msgspec.json.decode(payload)
    removed = [key for key, one in raw.get("components", {}).items() if one in [{"platform": tag} for tag in PLATFORMS]]
    for key in removed:
        del raw["components"][key]
    message = msgspec.convert(raw, Discovery)
    for entity in message.components.values():
        for key in Shared.__struct_fields__:
            if getattr(entity, key) is UNSET:
                setattr(entity, key, getattr(message, key))
        _demand(entity.state_topic is not UNSET, "no state topic")
        _demand(isinstance(entity, Switch) == (entity.command_topic is not UNSET), "only a switch is commanded")
        domain, _, _ = str(entity.default_entity_id).partition(".")
        _demand(entity.default_entity_id is UNSET or domain == entity.__struct_config__.tag, domain)
    ids = [entity.unique_id for entity in message.components.values()]
    _demand(len(set(ids)) == len(ids), "a unique_id is used twice")
    return message.components


def _demand(condition: bool, what: str) -> None:  # noqa: FBT001
    # msgspec reports a ValueError of a nested type with its place.
    if not condition:
        raise ValueError(what)


# Undefined names are an error here; Home Assistant logs a warning and goes on with nothing.
_JINJA = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
_JINJA.filters["to_json"] = lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def render(template: str | UnsetType, payload: bytes) -> str:
    """What Home Assistant makes of `payload` with `template`: `value`, and `value_json` where it is JSON."""
    value = payload.decode()
    if template is UNSET:
        return value
    variables: dict[str, Any] = {"value": value}
    with contextlib.suppress(ValueError):
        variables["value_json"] = json.loads(value)
    return _JINJA.from_string(template).render(variables).strip()


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
