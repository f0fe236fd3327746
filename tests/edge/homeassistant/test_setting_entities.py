"""Entities that set what the configuration allows: their ranges, commands, states and removal."""

import msgspec
import pytest

from edge.config.keys import SECTIONS
from edge.config.schema import Config
from edge.config.settable import allowed_settings
from edge.config.settings import read_setting, value_of
from edge.control.protocol import request_of
from edge.homeassistant.discovery import discovery
from edge.messages.payloads import InfoPayload, Setting, encode
from edge.messages.topics import Topics
from support import homeassistant_rules as rules
from support import homeassistant_view as view
from support.mqtt import info

TOPICS = Topics("emotion-edge", "cam")
ALL = msgspec.convert(
    {"requests": {"settable": sorted(set(SECTIONS) & {"device", "detector", "model", "events"})}}, Config
)
ALL = msgspec.structs.replace(
    ALL,
    requests=msgspec.structs.replace(ALL.requests, settable=[*ALL.requests.settable, "tracker", "budget", "health"]),
)


def described(config: Config, **values: object) -> InfoPayload:
    settings = {
        name: Setting(value=value_of(config, name), set=False) for name in allowed_settings(config.requests)
    } | {name: Setting(value=value, set=True) for name, value in values.items()}
    return msgspec.structs.replace(info(), settings=settings)


def entities(payload: InfoPayload, *, commands: bool = True) -> dict[str, rules.Entity]:
    message = discovery("homeassistant", TOPICS, payload, commands=commands)
    return rules.read(message.topic, message.payload)


def test_each_useful_setting_that_is_allowed_has_an_entity_of_its_range() -> None:
    found = {key: one for key, one in entities(described(ALL)).items() if key.startswith(("set_", "reset_"))}
    assert len(found) == 13
    assert {type(one).__name__ for one in found.values()} == {"Number", "Select", "Button"}
    assert {one.entity_category for one in found.values()} == {"config"}
    margin = found["set_events_margin"]
    assert (margin.min, margin.max, margin.step, margin.state_topic) == (0, 1, 0.01, TOPICS.info)
    assert found["set_detector_kind"].options == ["haar", "yunet", "mtcnn"]
    assert (found["set_events_dwell_seconds"].device_class, found["set_budget_latency_ms"].unit_of_measurement) == (
        "duration",
        "ms",
    )


def test_state_is_the_value_in_force_and_every_command_is_a_valid_request() -> None:
    payload = described(ALL, **{"events.margin": 0.25})
    found = entities(payload)
    states = {key: view.take(one, encode(payload)) for key, one in found.items() if key.startswith("set_")}
    assert (states["set_events_margin"], states["set_model_max_faces"], states["set_detector_kind"]) == (
        0.25,
        8,
        "haar",
    )
    assert states["set_events_unknown_below"] is None, "the model's own threshold"
    assert view.take(found["set_events_margin"], b'{"version":"of an earlier sensor"}') is None
    for key, one in found.items():
        if isinstance(one, rules.Number | rules.Select):
            for value in [one.min, one.max] if isinstance(one, rules.Number) else one.options:
                request = request_of("set", msgspec.json.decode(view.command(one, value)))
                ((name, given),) = request.settings.items()
                assert f"set_{name.replace('.', '_')}" == key
                assert read_setting(name, given) == value
    button = found["reset_settings"]
    assert (button.command_topic, request_of("reset", msgspec.json.decode(button.payload_press)).keys) == (
        "emotion-edge/cam/request/reset",
        None,
    )


@pytest.mark.parametrize("commands", [True, False])
def test_setting_that_is_not_allowed_any_more_is_removed(commands: bool) -> None:  # noqa: FBT001
    payload = described(msgspec.convert({"requests": {"settable": ["events.margin"]}}, Config))
    left = {key for key in entities(payload, commands=commands) if key.startswith(("set_", "reset_"))}
    assert left == ({"set_events_margin", "reset_settings"} if commands else set())
    components = msgspec.json.decode(discovery("ha", TOPICS, info(), commands=commands).payload)["components"]
    assert components["set_detector_kind"] == {"platform": "select"}
    assert components["reset_settings"] == {"platform": "button"}
