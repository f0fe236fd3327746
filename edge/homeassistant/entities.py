"""Defines the entities that Home Assistant shows, each with the template that reads a payload. Pure functions.

For a template that renders as None, Home Assistant shows "unknown".
"""

from typing import Any, Final

from edge.homeassistant.setting_entities import setting_components
from edge.homeassistant.summary_entities import summary_components
from edge.levels import LADDER
from edge.messages.payloads import InfoPayload
from edge.messages.topics import ONLINE, Topics
from edge.types import UNKNOWN

NOBODY: Final = "nobody"
"""State of the entity `emotion` while no face is in view."""

# A face below the confidence threshold (`unknown`) is in view, and its emotion is unknown to Home Assistant as well.
_EMOTION: Final = (
    "{% set emotion = value_json.emotion %}"
    f"{{{{ None if value_json.paused or emotion == '{UNKNOWN}' else '{NOBODY}' if emotion is none else emotion }}}}"
)
_CONFIDENCE: Final = (
    "{{ None if value_json.paused or value_json.confidence is none else (100 * value_json.confidence) | round | int }}"
)
# In the unit of the entity. Not with the entity `emotion`: an automation that is triggered by any change of an entity
# runs when an attribute changes, and these change each second. A state that an earlier version left on the broker has
# no leader.
_LEADER: Final = (
    "{% set share = value_json.leader_confidence | default(none) %}"
    "{{ {'leader': value_json.leader | default(none),"
    " 'leader_percent': None if share is none else (100 * share) | round | int} | to_json }}"
)
# A state that an earlier version left on the broker has no valence.
_VALENCE: Final = "{{ None if value_json.paused else value_json.valence | default(none) }}"
_FACES: Final = "{{ None if value_json.paused else value_json.faces | length }}"
_PRESENT: Final = "{{ None if value_json.paused else 'ON' if value_json.present else 'OFF' }}"
_PAUSED: Final = "{{ 'ON' if value_json.paused else 'OFF' }}"
_LATENCY: Final = "{{ value_json.latency_ms.p99 if value_json.latency_ms else None }}"
_TEMPERATURE: Final = "{{ None if value_json.temperature_c is none else value_json.temperature_c | round(1) }}"
_PROBLEM: Final = (
    "{{ 'ON' if value_json.source in ['stalled', 'lost'] or value_json.within_budget == false"
    " or value_json.outbox_problem or value_json.throttled else 'OFF' }}"
)
_PROBLEM_DETAILS: Final = (
    "{{ {'source': value_json.source, 'source_error': value_json.source_error,"
    " 'within_budget': value_json.within_budget, 'outbox_problem': value_json.outbox_problem,"
    " 'events_lost': value_json.outbox_dropped, 'throttled': value_json.throttled} | to_json }}"
)
EVENT_MAX_AGE_SECONDS: Final = 5
"""Age from which an event is kept from the event entity. Behind a connection that hangs a few events arrive late
without the mark `replayed`. From the camera to Home Assistant an event takes well under a second, on a slow board
two."""

# Empty for an event that was delivered late: an automation would take it for a current one. By the time of an event its
# age is known only where a time service has set the sensor's clock.
_EVENT: Final = (
    "{% set age = (now() - as_datetime(value_json.time)).total_seconds() if value_json.clock_synchronised else 0 %}"
    f"{{% if not value_json.replayed and age < {EVENT_MAX_AGE_SECONDS} %}}"
    "{{ {'event_type': value_json.type, 'emotion': value_json.emotion, 'previous': value_json.previous,"
    " 'group': value_json.group, 'confidence': value_json.confidence, 'leader': value_json.leader,"
    " 'leader_confidence': value_json.leader_confidence, 'track': value_json.face.track,"
    " 'zones': value_json.face.zones | default([]), 'time': value_json.time,"
    " 'clock_synchronised': value_json.clock_synchronised} | to_json }}"
    "{% endif %}"
)
# A state that an earlier version left on the broker, or the one before a reload, does not have the zone.
_ZONE: Final = "{{% set zone = (value_json.zones | default({{}})).get('{name}') %}}"
_ZONE_PRESENT: Final = "{{ None if value_json.paused or zone is none else 'ON' if zone.present else 'OFF' }}"
_ZONE_FACES: Final = "{{ None if value_json.paused or zone is none else zone.faces }}"
_ZONE_EMOTION: Final = (
    f"{{{{ None if value_json.paused or zone is none or zone.emotion == '{UNKNOWN}' else '{NOBODY}'"
    " if zone.emotion is none else zone.emotion }}"
)
# Home Assistant has one payload for "not available"; both `stopped` and `offline` mean that.
_CONNECTED: Final = f"{{{{ 'online' if value == '{ONLINE}' else 'offline' }}}}"
_CAPTURING: Final = "{{ 'online' if value_json.source in ['ok', 'paused', 'ended'] else 'offline' }}"


def availability(topics: Topics) -> list[dict[str, Any]]:
    """Return the condition under which entities are available: the sensor is connected."""
    return [{"topic": topics.status, "value_template": _CONNECTED}]


def components(topics: Topics, info: InfoPayload) -> dict[str, dict[str, Any]]:
    """Return the entities by key, without their ids."""
    zones = {key: one for zone in info.zones for key, one in zone_components(topics, info, zone).items()}
    summary, settings = summary_components(topics, info), setting_components(topics, info)
    control = _event_and_switch(topics) | _calm_face(topics, info)
    return _faces(topics, info) | zones | summary | control | settings | _diagnostics(topics)


def _faces(topics: Topics, info: InfoPayload) -> dict[str, dict[str, Any]]:
    """Return the entities of the faces in view.

    They are unavailable while the camera is lost: it is not known then who is there, and `nobody` would be wrong.
    """
    common = _in_view(topics)
    return {
        "emotion": common
        | {
            "platform": "sensor",
            "name": "Emotion",
            "icon": "mdi:emoticon-outline",
            "device_class": "enum",
            "options": _emotions(info),
            "value_template": _EMOTION,
        },
        "confidence": common
        | {
            "platform": "sensor",
            "name": "Confidence",
            "icon": "mdi:percent-outline",
            "state_class": "measurement",
            "unit_of_measurement": "%",
            "value_template": _CONFIDENCE,
            "json_attributes_topic": topics.state,
            "json_attributes_template": _LEADER,
        },
        # Without weights there is none to show: nothing but its platform removes an entity that was announced before.
        "valence": {"platform": "sensor"}
        if info.valence is None
        else common
        | {
            "platform": "sensor",
            "name": "Valence",
            "icon": "mdi:emoticon-happy-outline",
            "state_class": "measurement",
            "suggested_display_precision": 2,
            "value_template": _VALENCE,
        },
        "faces": common
        | {
            "platform": "sensor",
            "name": "Faces in view",
            "icon": "mdi:account-multiple",
            "state_class": "measurement",
            "value_template": _FACES,
        },
        "present": common
        | {
            "platform": "binary_sensor",
            "name": "Someone in view",
            "device_class": "occupancy",
            "value_template": _PRESENT,
        },
    }


def zone_components(topics: Topics, info: InfoPayload, zone: str) -> dict[str, dict[str, Any]]:
    """Return the entities of one zone by key, without their ids. Available as those of the faces in view are."""
    common = _in_view(topics)
    read = _ZONE.format(name=zone)
    return {
        f"zone_{zone}_present": common
        | {
            "platform": "binary_sensor",
            "name": f"Someone in {zone}",
            "device_class": "occupancy",
            "value_template": read + _ZONE_PRESENT,
        },
        f"zone_{zone}_faces": common
        | {
            "platform": "sensor",
            "name": f"Faces in {zone}",
            "icon": "mdi:account-multiple",
            "state_class": "measurement",
            "value_template": read + _ZONE_FACES,
        },
        f"zone_{zone}_emotion": common
        | {
            "platform": "sensor",
            "name": f"Emotion in {zone}",
            "icon": "mdi:emoticon-outline",
            "device_class": "enum",
            "options": _emotions(info),
            "value_template": read + _ZONE_EMOTION,
        },
    }


def _in_view(topics: Topics) -> dict[str, Any]:
    """Return what all entities of the faces in view have in common."""
    return {
        "state_topic": topics.state,
        "availability": [*availability(topics), {"topic": topics.health, "value_template": _CAPTURING}],
        "availability_mode": "all",
    }


def _emotions(info: InfoPayload) -> list[str]:
    """Return the states of an entity that shows an emotion; Home Assistant strips white space from what it renders."""
    return list(dict.fromkeys([*(label.strip() for label in info.model.labels), NOBODY]))


def _event_and_switch(topics: Topics) -> dict[str, dict[str, Any]]:
    return {
        "event": {
            "platform": "event",
            "name": "Face",
            "icon": "mdi:face-recognition",
            "event_types": ["face_appeared", "emotion_changed", "face_left"],
            "state_topic": topics.event,
            "value_template": _EVENT,
        },
        "paused": {
            "platform": "switch",
            "name": "Paused",
            "icon": "mdi:pause-circle-outline",
            "state_topic": topics.state,
            "value_template": _PAUSED,
            "state_on": "ON",
            "state_off": "OFF",
            # A switch has one command topic for both states.
            "command_topic": f"{topics.base}/{topics.device}/request/pause",
            "payload_on": '{"paused": true}',
            "payload_off": '{"paused": false}',
        },
    }


def _calm_face(topics: Topics, info: InfoPayload) -> dict[str, dict[str, Any]]:
    """Return the buttons of the calm face; nothing but their platform where the model can be shown none."""
    calibrate: dict[str, Any] = {"platform": "button"}
    reset = dict(calibrate)
    if info.calm_face.possible:
        topic = topics.request("calibrate")
        calibrate |= {
            "name": "Calibrate to a calm face",
            "icon": "mdi:emoticon-neutral-outline",
            "entity_category": "config",
            "command_topic": topic,
            "payload_press": "{}",
        }
        reset |= {
            "name": "Reset the calm face",
            "icon": "mdi:emoticon-remove-outline",
            "entity_category": "config",
            "command_topic": topic,
            "payload_press": '{"reset": true}',
        }
    return {"calibrate": calibrate, "reset_calm_face": reset}


def _diagnostics(topics: Topics) -> dict[str, dict[str, Any]]:
    """Return the diagnostic entities, about the sensor itself."""
    common = {"state_topic": topics.health, "entity_category": "diagnostic"}
    number = common | {"platform": "sensor", "state_class": "measurement"}
    return {
        "problem": common
        | {
            "platform": "binary_sensor",
            "name": "Problem",
            "device_class": "problem",
            "value_template": _PROBLEM,
            "json_attributes_topic": topics.health,
            "json_attributes_template": _PROBLEM_DETAILS,
        },
        "latency": number
        | {
            "name": "Latency (99th percentile)",
            "icon": "mdi:timer-outline",
            "device_class": "duration",
            "unit_of_measurement": "ms",
            "suggested_display_precision": 0,
            "value_template": _LATENCY,
        },
        "fps": number
        | {
            "name": "Frames per second",
            "icon": "mdi:video-outline",
            "unit_of_measurement": "fps",
            "suggested_display_precision": 1,
            "value_template": "{{ value_json.fps }}",
        },
        "temperature": number
        | {
            "name": "Temperature",
            "device_class": "temperature",
            "unit_of_measurement": "°C",
            "suggested_display_precision": 0,
            "value_template": _TEMPERATURE,
        },
        "level": common
        | {
            "platform": "sensor",
            "name": "Budget level",
            "icon": "mdi:speedometer",
            "device_class": "enum",
            "options": [level.name for level in LADDER],
            "value_template": "{{ value_json.budget.level }}",
        },
        "waiting": number
        | {
            "name": "Events waiting",
            "icon": "mdi:tray-full",
            "value_template": "{{ value_json.outbox_depth }}",
        },
    }
