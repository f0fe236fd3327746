"""Defines the entities of the running day, for Home Assistant's long-term statistics. Pure functions.

State class `total` with the start of the day as last reset: the sum goes on where the day's figure falls back to 0, and
also where it becomes smaller within the day, because a power cut took the last hour. With `total_increasing` Home
Assistant would take that for a new day and count the rest of it twice (`compile_statistics` of its sensor recorder).
"""

import re
import zlib
from typing import Any, Final

from edge.messages.payloads import InfoPayload
from edge.messages.topics import Topics
from edge.types import UNKNOWN

_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_DAY_START: Final = "{{ value_json.day.start }}"
_MINUTES: Final = "{{{{ (value_json.day.{field} / 60) | round(1) }}}}"
# By its place, because a label may hold any character. One that is withheld is unknown.
_LABEL_MINUTES: Final = (
    "{{% set seconds = (value_json.day.emotion_seconds.values() | list)[{place}] | default(none) %}}"
    "{{{{ None if seconds is none else (seconds / 60) | round(1) }}}}"
)


def summary_components(topics: Topics, info: InfoPayload) -> dict[str, dict[str, Any]]:
    """Return the entities by key, without their ids. Without a summary each is its platform alone, which removes it."""
    labels = [label for label in dict.fromkeys(info.model.labels) if label != UNKNOWN]
    entities = _place(topics) | _labels(topics, labels)
    entities["valence_today"] = {"platform": "sensor"} if info.valence is None else _valence(topics)
    return entities if info.summary else {key: {"platform": one["platform"]} for key, one in entities.items()}


def _total(topics: Topics) -> dict[str, Any]:
    return {
        "platform": "sensor",
        "state_topic": topics.summary,
        "state_class": "total",
        "last_reset_value_template": _DAY_START,
    }


def _minutes(topics: Topics) -> dict[str, Any]:
    return _total(topics) | {
        "device_class": "duration",
        "unit_of_measurement": "min",
        "suggested_display_precision": 0,
    }


def _place(topics: Topics) -> dict[str, dict[str, Any]]:
    return {
        "visits_today": _total(topics)
        | {"name": "Visits today", "icon": "mdi:counter", "value_template": "{{ value_json.day.visits }}"},
        "present_today": _minutes(topics)
        | {
            "name": "Someone in view today",
            "icon": "mdi:account-clock",
            "value_template": _MINUTES.format(field="present_seconds"),
        },
        "not_looked_today": _minutes(topics)
        | {
            "name": "Not looked today",
            "icon": "mdi:camera-off",
            "entity_category": "diagnostic",
            "value_template": _MINUTES.format(field="not_looked_seconds"),
        },
    }


def _labels(topics: Topics, labels: list[str]) -> dict[str, dict[str, Any]]:
    return {
        f"{_key(label)}_today": _minutes(topics)
        | {
            "name": f"Time {label.strip()} today",
            "icon": "mdi:emoticon-outline",
            "value_template": _LABEL_MINUTES.format(place=place),
        }
        for place, label in enumerate(labels)
    }


def _valence(topics: Topics) -> dict[str, Any]:
    return {
        "platform": "sensor",
        "name": "Valence today",
        "icon": "mdi:emoticon-happy-outline",
        "state_topic": topics.summary,
        "state_class": "measurement",
        "suggested_display_precision": 2,
        "value_template": "{{ value_json.day.valence }}",
    }


def _key(label: str) -> str:
    """Return a key that holds only what Home Assistant allows in one."""
    return f"label_{label}" if _KEY.fullmatch(label) else f"label_{zlib.crc32(label.encode()):08x}"
