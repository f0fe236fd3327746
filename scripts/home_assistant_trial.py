"""Tests discovery with Home Assistant itself; not part of `make test`, see docs/testing.md.

    PYTHON scripts/home_assistant_trial.py PORT

PYTHON has Home Assistant installed. A broker runs on 127.0.0.1:PORT, and the sensor "hall" publishes to it from a
script in a loop. Home Assistant's core, its MQTT integration and the automations of docs/home-assistant.md run in
this process. The exit code is 1 if something is not as documented.
"""

import asyncio
import json
import logging
import re
import socket
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import yaml
from homeassistant import auth, bootstrap, config_entries, core, loader
from homeassistant.components.mqtt import DOMAIN, config_flow
from homeassistant.const import __version__
from homeassistant.helpers import device_registry, entity_registry
from homeassistant.setup import async_setup_component

GUIDE = (Path(__file__).parent.parent / "docs" / "home-assistant.md").read_text(encoding="utf-8")
COMPONENTS = ("homeassistant", "persistent_notification", "http", "input_boolean", "automation", DOMAIN)
TIMEOUT_SECONDS = 60.0
LONG_AGO = "2026-01-01T00:00:00+00:00"


class WarningCollector(logging.Handler):
    """Collects the warnings of the MQTT integration."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Store the record's line."""
        self.lines.append(f"{record.name}: {record.getMessage()}")


def write_entry(folder: Path, port: int) -> None:
    """Write the configuration entry of the MQTT integration with this broker, as the user interface would."""
    entry = {
        "created_at": LONG_AGO,
        "data": {"broker": "127.0.0.1", "port": port},
        "disabled_by": None,
        "discovery_keys": {},
        "domain": DOMAIN,
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


def free_port() -> int:
    """Return a free port on the loopback interface."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


async def start(folder: Path, lamp: Callable[[core.ServiceCall], Awaitable[None]]) -> core.HomeAssistant:
    """Start the core with what the automations need. `lamp` handles the services of the light."""
    hass = core.HomeAssistant(str(folder))
    loader.async_setup(hass)
    hass.config.skip_pip = True
    (automations,) = re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
    config: dict[str, Any] = {
        "http": {"server_host": "127.0.0.1", "server_port": free_port()},
        "input_boolean": {"guests": None},
        DOMAIN: {},
        **yaml.safe_load(automations),
    }
    hass.config_entries = config_entries.ConfigEntries(hass, config)
    await loader.async_get_custom_components(hass)
    await bootstrap.async_load_base_functionality(hass)
    hass.auth = await auth.auth_manager_from_config(hass, [{"type": "homeassistant"}], [])
    for service in ("turn_on", "turn_off"):
        hass.services.async_register("light", service, lamp)
    for component in COMPONENTS:
        if not await async_setup_component(hass, component, config):
            sys.exit(f"Home Assistant's {component} cannot be set up")
    await hass.async_start()
    return hass


async def until(what: str, condition: Callable[[], object]) -> None:
    """Wait for a condition; exit if it does not become true in time."""
    for _ in range(round(TIMEOUT_SECONDS / 0.1)):
        if condition():
            print(f"ok: {what}")
            return
        await asyncio.sleep(0.1)
    sys.exit(f"not within {TIMEOUT_SECONDS:g} s: {what}")


async def trial(port: int) -> None:
    """Check what the documentation promises, step by step."""
    warnings, calls, seen = WarningCollector(), [], set()
    logging.getLogger("homeassistant.components.mqtt").addHandler(warnings)
    # Home Assistant warns about its own components, because they are not started in its usual way here.
    logging.getLogger("homeassistant.helpers.frame").setLevel(logging.CRITICAL)
    documented = set(re.findall(r"^\| `([a-z_]+\.\w+)` \|", GUIDE, re.MULTILINE))

    async def lamp(call: core.ServiceCall) -> None:
        calls.append((call.service, *call.data["entity_id"]))

    with tempfile.TemporaryDirectory() as folder:
        write_entry(Path(folder), port)
        hass = await start(Path(folder), lamp)
        print(f"Home Assistant {__version__}")
        registry = entity_registry.async_get(hass).entities
        await until(
            f"these {len(documented)} entities",
            lambda: {one.entity_id for one in registry.values() if one.platform == DOMAIN} == documented,
        )
        (device,) = device_registry.async_get(hass).devices.values()
        print(f"device: {device.name} ({device.manufacturer}, {device.model}, {device.sw_version})")

        def state(key: str) -> str:
            return next(hass.states.get(one).state for one in documented if one.endswith(f"_hall_{key}"))

        await until("all available", lambda: all(hass.states.get(one).state != "unavailable" for one in documented))
        await until("the lamp of the automation", lambda: ("turn_on", "light.hall") in calls)
        emotions = {"happy", "sad", "nobody"}
        await until("two emotions, and nobody", lambda: seen.add(state("emotion")) or emotions <= seen)
        guests = {"entity_id": "input_boolean.guests"}
        await hass.services.async_call("input_boolean", "turn_on", guests, blocking=True)
        await until("guests pause the sensor", lambda: (state("paused"), state("present")) == ("on", "unknown"))
        await hass.services.async_call("input_boolean", "turn_off", guests, blocking=True)
        await until("then capture resumes", lambda: (state("paused"), state("present")) == ("off", "on"))
        for one in sorted(documented):
            print(f"{one}: {hass.states.get(one).state}")
        await hass.async_stop(force=True)
    if warnings.lines:
        sys.exit("Home Assistant warns:\n" + "\n".join(warnings.lines))


if __name__ == "__main__":
    asyncio.run(trial(int(sys.argv[1])))
