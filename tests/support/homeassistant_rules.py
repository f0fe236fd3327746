"""Restates Home Assistant's rules for discovery messages.

Written from Home Assistant 2026.2 (`homeassistant/components/mqtt`: schemas, discovery, entity and the seven
platforms), and stricter in one way: Home Assistant ignores unknown keys, here they are errors.
"""

from typing import Annotated, Literal

import msgspec
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

# Units and state classes that a device class allows, of the classes in use only: look up a class before adding it.
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
    """Base of all parts of a message: a key that is not a field is an error."""


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
    """Keys that a component inherits from the message if it does not have them."""

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
        # Home Assistant allows no sensor as configuration.
        _require(self.entity_category != "config", "a sensor cannot be configuration")
        _require(
            (self.device_class == "enum") == (self.options is not UNSET),
            "options and device class enum require each other",
        )
        if self.options is not UNSET:
            _require(len(set(self.options)) == len(self.options), "an option is named twice")
        _require(
            self.last_reset_value_template is UNSET or self.state_class == "total",
            f"a last reset with state class {self.state_class}",
        )
        if self.device_class is not UNSET:
            unit = self.unit_of_measurement
            units = UNITS[self.device_class]
            _require(unit in units if units else unit is UNSET, f"unit {unit} for {self.device_class}")
            classes = STATE_CLASSES[self.device_class]
            _require(self.state_class in {UNSET, *classes}, f"{self.state_class} for {self.device_class}")

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
        _require(self.entity_category != "config", "a binary sensor cannot be configuration")


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


class Number(Component, tag_field="platform", tag="number", kw_only=True):
    min: float = 1.0
    max: float = 100.0
    step: Annotated[float, Meta(ge=1e-3)] = 1.0
    mode: Literal["auto", "box", "slider"] = "auto"
    device_class: SensorClass | UnsetType = UNSET
    unit_of_measurement: Text | UnsetType = UNSET
    command_template: Template | UnsetType = UNSET
    payload_reset: Text = "None"
    optimistic: bool = False
    retain: bool = False

    def __post_init__(self) -> None:
        _require(self.min < self.max, "min must be below max")
        if self.device_class is not UNSET:
            _require(self.unit_of_measurement in UNITS[self.device_class], f"unit of {self.device_class}")


class Select(Component, tag_field="platform", tag="select", kw_only=True):
    options: Annotated[list[Text], Meta(min_length=1)]
    command_template: Template | UnsetType = UNSET
    optimistic: bool = False
    retain: bool = False


class Button(Component, tag_field="platform", tag="button", kw_only=True):
    device_class: Literal["identify", "restart", "update"] | UnsetType = UNSET
    command_template: Template | UnsetType = UNSET
    payload_press: Text = "PRESS"
    retain: bool = False


Entity = Sensor | BinarySensor | Event | Switch | Number | Select | Button
PLATFORMS = ("sensor", "binary_sensor", "event", "switch", "number", "select", "button")
COMMANDED = (Switch, Number, Select, Button)


class Discovery(Shared, kw_only=True):
    device: Device
    origin: Origin
    components: Annotated[dict[Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]+$")], Entity], Meta(min_length=1)]
    qos: Literal[0, 1, 2] = 0
    encoding: Text | UnsetType = UNSET


def read(topic: str, payload: bytes, prefix: str = "homeassistant") -> dict[str, Entity]:
    """Check a discovery message; returns its entities by key, with the keys that they inherit. Raises ValueError.

    A component of nothing but its platform removes an entity that was announced before.
    """
    start, end = f"{prefix}/device/", "/config"
    _require(topic.startswith(start) and topic.endswith(end), topic)
    name = topic[len(start) : -len(end)]
    _require(name.isascii() and name.replace("-", "").replace("_", "").isalnum(), f"{name!r} in {topic}")
    raw = msgspec.json.decode(payload)
    removed = [key for key, one in raw.get("components", {}).items() if one in [{"platform": tag} for tag in PLATFORMS]]
    for key in removed:
        del raw["components"][key]
    message = msgspec.convert(raw, Discovery)
    for entity in message.components.values():
        for key in Shared.__struct_fields__:
            if getattr(entity, key) is UNSET:
                setattr(entity, key, getattr(message, key))
        _require(isinstance(entity, Button) == (entity.state_topic is UNSET), "only a button has no state topic")
        commanded = isinstance(entity, COMMANDED)
        _require(commanded == (entity.command_topic is not UNSET), "a command topic belongs to what can be commanded")
        domain, _, _ = str(entity.default_entity_id).partition(".")
        _require(entity.default_entity_id is UNSET or domain == entity.__struct_config__.tag, domain)
    ids = [entity.unique_id for entity in message.components.values()]
    _require(len(set(ids)) == len(ids), "a unique_id is used twice")
    return message.components


def _require(condition: bool, what: str) -> None:  # noqa: FBT001
    # msgspec adds the path to a ValueError of a nested type.
    if not condition:
        raise ValueError(what)
