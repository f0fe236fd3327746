"""The page on Home Assistant: its configuration, entities and automations, compared with the announcement."""

import datetime
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import yaml

from edge.config.loader import load
from edge.homeassistant.discovery import discovery
from edge.messages.calm_face import CalmFaceInfo
from edge.messages.payloads import EventPayload
from edge.messages.topics import Topics
from edge.vision.classification.manifest import find_model, load_manifest
from support import homeassistant_rules as rules
from support import homeassistant_view as view
from support.doc_pages import DOCS, block
from support.mqtt import event, info

HOME_ASSISTANT = (DOCS / "home-assistant.md").read_text(encoding="utf-8")
TOPICS = Topics("emotion-edge", "hall")


@pytest.fixture(scope="module")
def entities() -> dict[str, rules.Entity]:
    """Of the sensor "hall", by entity id."""
    model = msgspec.structs.replace(info().model, labels=list(load_manifest(find_model("normal")).labels))
    changes: dict[str, Any] = {"device": "hall", "model": model, "calm_face": CalmFaceInfo(possible=True)}
    message = discovery("homeassistant", TOPICS, msgspec.structs.replace(info(), **changes))
    return {str(one.default_entity_id): one for one in rules.read(message.topic, message.payload).values()}


def leaves(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        below = path if isinstance(key, int) else (*path, key)
        if isinstance(value, dict | list):
            yield from leaves(value, below)
        else:
            yield below, value


def test_home_assistants_configuration_is_one(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(block(HOME_ASSISTANT, "toml"), encoding="utf-8")
    config = load(file, environ={})
    assert (config.device.id, config.homeassistant.enabled) == ("hall", True)
    assert tomllib.loads(block(HOME_ASSISTANT, "toml"))["homeassistant"] == {"enabled": True}


def test_every_entity_is_described_and_no_other(entities) -> None:
    rows = re.findall(r"^\| `([a-z_]+\.\w+)` \|", HOME_ASSISTANT, re.MULTILINE)
    assert sorted(rows) == sorted(entities)
    assert set(re.findall(r"\b\w+\.emotion_edge_hall_\w+", HOME_ASSISTANT)) == set(entities)
    last = [key for key in rows if entities[key].entity_category == "diagnostic"]
    assert rows[-len(last) :] == last
    assert "last seven are diagnostics" in HOME_ASSISTANT
    assert len(last) == 7


def test_the_automations_speak_of_what_is_there(entities) -> None:
    (automations,) = yaml.safe_load(block(HOME_ASSISTANT, "yaml")).values()
    assert len({one["id"] for one in automations}) == len(automations) == 4
    for one in automations:
        assert (
            {"id", "alias", "triggers", "actions"} <= set(one) <= {"id", "alias", "triggers", "conditions", "actions"}
        )
        for part in (*one["triggers"], *one.get("conditions", ())):
            if part.get("condition") == "template":
                continue  # see below
            entity = entities.get(part["entity_id"])
            if entity is None:
                assert part["entity_id"] == "input_boolean.guests"
                continue
            states = part.get("state", part.get("to", []))
            check(entity, part.get("attribute"), states if isinstance(states, list) else [states])
        for key, value in leaves(one["actions"]):
            if key == ("target", "entity_id"):
                assert value in {*entities, "light.hall"}


def welcome_of(to: str | None, event: EventPayload, age_seconds: float) -> bool:
    """Whether the automation of the event entity comes to its other conditions, as Home Assistant decides it.

    `to`: the entity's new state; None once it is removed.
    """
    (automations,) = yaml.safe_load(block(HOME_ASSISTANT, "yaml")).values()
    (one,) = [each for each in automations if each["id"] == "hall_welcome"]
    (trigger,) = one["triggers"]
    assert (trigger["trigger"], trigger["not_from"]) == ("state", "unavailable")
    # As components/homeassistant/triggers/state.py: a removed entity has the state None, which is in no list.
    if to in trigger["not_to"]:
        return False
    condition = one["conditions"][0]
    assert condition["condition"] == "template"  # conditions are tried in order, and one that fails ends them
    attributes = {"time": event.time, "clock_synchronised": event.clock_synchronised}
    state = None if to is None else SimpleNamespace(state=to, attributes=SimpleNamespace(**attributes))
    moment = datetime.datetime.fromisoformat(event.time) + datetime.timedelta(seconds=age_seconds)
    return view.render_condition(condition["value_template"], {"trigger": SimpleNamespace(to_state=state)}, moment)


@pytest.mark.parametrize(
    ("to", "synchronised", "age_seconds", "welcome"),
    [
        ("2026-01-31T08:15:00.400+00:00", True, 0.2, True),
        ("2026-01-31T08:15:04.400+00:00", True, 4.9, True),
        ("2026-01-31T08:15:10.400+00:00", True, 5.1, False),
        ("2026-01-31T08:15:10.400+00:00", True, 3600, False),
        ("2026-01-31T08:15:10.400+00:00", False, 3600, True),  # its age is not known
        ("unavailable", True, 0.2, False),
        ("unknown", True, 0.2, False),
        (None, True, 0.2, False),  # the entities were removed: no warning about an unknown one
    ],
)
def test_the_automation_of_an_event_runs_for_a_new_one_only(to, synchronised, age_seconds, welcome) -> None:
    assert welcome_of(to, event(1, clock_synchronised=synchronised), age_seconds) is welcome


def check(entity: rules.Entity, attribute: str | None, states: list[str]) -> None:
    """States that an automation waits for can be there. YAML takes a bare `on` for a truth value."""
    assert all(isinstance(state, str) for state in states)
    match entity:
        case rules.Event():
            assert attribute in {None, "event_type", "emotion"}
            known = {"event_type": entity.event_types, "emotion": ["happy", "neutral"], None: []}[attribute]
            assert set(states) <= set(known)
        case rules.BinarySensor():
            assert (attribute, set(states) <= {"on", "off"}) == (None, True)
        case _:
            raise AssertionError(entity)
