"""Home Assistant's core for scripts/home_assistant_trial.py: started in this process, and looked at."""

import asyncio
import json
import logging
import re
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import yaml
from homeassistant import auth, bootstrap, config_entries, core, loader
from homeassistant.components import mqtt
from homeassistant.components.mqtt import config_flow
from homeassistant.helpers import entity_registry, recorder
from homeassistant.setup import async_setup_component

COMPONENTS = (
    *("homeassistant", "persistent_notification", "http", "recorder", "input_boolean", "automation"),
    mqtt.DOMAIN,
)
WATCHED = ("mqtt", "sensor", "binary_sensor", "number", "select", "switch", "button", "event", "recorder", "automation")
TIMEOUT_SECONDS = 120.0
LONG_AGO = "2026-01-01T00:00:00+00:00"


class WarningCollector(logging.Handler):
    """Collects the warnings of the components that the sensor's entities use."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []
        for name in WATCHED:
            logging.getLogger(f"homeassistant.components.{name}").addHandler(self)
        # Home Assistant warns about its own components, because they are not started in its usual way here.
        logging.getLogger("homeassistant.helpers.frame").setLevel(logging.CRITICAL)

    def emit(self, record: logging.LogRecord) -> None:
        """Store the record's line."""
        self.lines.append(f"{record.name}: {record.getMessage()}")


class House:
    """Home Assistant with one sensor of this project, whose id is `hall`."""

    def __init__(self, hass: core.HomeAssistant) -> None:
        self.hass = hass
        self.answers: list[dict[str, Any]] = []

    async def listen(self) -> None:
        """Collect the sensor's answers to requests."""
        await mqtt.async_subscribe(
            self.hass, "emotion-edge/hall/response/+", lambda message: self.answers.append(json.loads(message.payload))
        )

    def entities(self) -> set[str]:
        """Return the ids of the sensor's entities."""
        registry = entity_registry.async_get(self.hass).entities
        return {one.entity_id for one in registry.values() if one.platform == mqtt.DOMAIN}

    def id_of(self, key: str) -> str:
        """Return the id of an entity by the end of it."""
        return next(one for one in self.entities() if one.endswith(f"_hall_{key}"))

    def state(self, key: str) -> str:
        """Return the state of an entity."""
        return str(self.hass.states.get(self.id_of(key)).state)

    def number(self, key: str) -> float | None:
        """Return the state of an entity as a number; None where it has none."""
        state = self.state(key)
        return None if state in {"unknown", "unavailable"} else float(state)

    def available(self, entities: set[str]) -> set[bool]:
        """Return whether these entities are available: {True} where all are, {False} where none is."""
        return {self.hass.states.get(one).state != "unavailable" for one in entities}

    async def answer_to(self, domain: str, service: str, key: str, **data: object) -> dict[str, Any]:
        """Call a service for an entity, as a person does with a click; return the sensor's answer to the request."""
        self.answers.clear()
        await self.hass.services.async_call(domain, service, {"entity_id": self.id_of(key), **data}, blocking=True)
        await _wait(f"an answer to {service} of {key}", lambda: self.answers, TIMEOUT_SECONDS)
        return self.answers[-1]


async def until(what: str, condition: Callable[[], object], seconds: float = TIMEOUT_SECONDS) -> None:
    """Wait for a condition, and print it; exit if it does not become true in time."""
    await _wait(what, condition, seconds)
    print(f"ok: {what}", flush=True)


async def _wait(what: str, condition: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"not within {seconds:g} s: {what}")
        await asyncio.sleep(0.1)


def ensure(what: str, holds: object, found: object) -> None:
    """Exit unless a condition holds."""
    if not holds:
        sys.exit(f"not so: {what}, but {found}")
    print(f"ok: {what}", flush=True)


async def start(
    folder: Path, port: int, guide: str, lamp: Callable[[core.ServiceCall], Awaitable[None]]
) -> core.HomeAssistant:
    """Start the core with the automations of `guide`. `lamp` handles the services of the light."""
    _write_entry(folder, port)
    hass = core.HomeAssistant(str(folder))
    loader.async_setup(hass)
    hass.config.skip_pip = True
    (automations,) = re.findall(r"^```yaml\n(.*?)^```", guide, re.DOTALL | re.MULTILINE)
    config: dict[str, Any] = {
        "http": {"server_host": "127.0.0.1", "server_port": _free_port()},
        "recorder": {"commit_interval": 1},
        "input_boolean": {"guests": None},
        mqtt.DOMAIN: {},
        **yaml.safe_load(automations),
    }
    hass.config_entries = config_entries.ConfigEntries(hass, config)
    await loader.async_get_custom_components(hass)
    await bootstrap.async_load_base_functionality(hass)
    hass.auth = await auth.auth_manager_from_config(hass, [{"type": "homeassistant"}], [])
    recorder.async_initialize_recorder(hass)
    for service in ("turn_on", "turn_off"):
        hass.services.async_register("light", service, lamp)
    for component in COMPONENTS:
        if not await async_setup_component(hass, component, config):
            sys.exit(f"Home Assistant's {component} cannot be set up")
    await hass.async_start()
    return hass


def _write_entry(folder: Path, port: int) -> None:
    """Write the configuration entry of the MQTT integration with this broker, as the user interface would."""
    entry = {
        "created_at": LONG_AGO,
        "data": {"broker": "127.0.0.1", "port": port},
        "disabled_by": None,
        "discovery_keys": {},
        "domain": mqtt.DOMAIN,
        "entry_id": "01JMQTT0000000000000000000",
        "minor_version": 1,
        "modified_at": LONG_AGO,
        "options": {},
        "pref_disable_new_entities": False,
        "pref_disable_polling": False,
        "source": "user",
        "subentries": [],
        "title": "broker",
        "unique_id": None,
        "version": config_flow.FlowHandler.VERSION,
    }
    storage = folder / ".storage"
    storage.mkdir()
    content = {"version": 1, "minor_version": 5, "key": "core.config_entries", "data": {"entries": [entry]}}
    (storage / "core.config_entries").write_text(json.dumps(content), encoding="utf-8")
    (folder / "configuration.yaml").write_text("", encoding="utf-8")


def _free_port() -> int:
    """Return a free port on the loopback interface."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
