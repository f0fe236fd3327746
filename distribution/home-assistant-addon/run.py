"""Starts the sensor as a Home Assistant add-on: makes its environment of the add-on's options and of the Supervisor.

The image's entry point there (Dockerfile), with Python's standard library alone. It starts as root, because the options
hold a password and belong to root, and becomes the image's user before the sensor starts. The documentation of what is
read: developers.home-assistant.io, add-ons, configuration and communication.
"""

import contextlib
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

SUPERVISOR: Final = "http://supervisor"
DATA: Final = Path("/data")
"""The add-on's own folder, which the Supervisor keeps and backs up."""
FILE: Final = Path("/config/config.toml")
"""Configuration of what is no option (`addon_config` in config.yaml)."""
USER, GROUP = 8377, 44
"""As in the image (distribution/oci/customize): emotion-edge, and Debian's group video."""
_SECONDS: Final = 30.0
"""Limit for an answer of the Supervisor, which is busy while everything starts."""
_VARIABLES: Final = {
    "source": "EMOTION_EDGE_SOURCE_URI",
    "mqtt_url": "EMOTION_EDGE_MQTT_URL",
    "mqtt_username": "EMOTION_EDGE_MQTT_USERNAME",
    "mqtt_password": "EMOTION_EDGE_MQTT_PASSWORD",
    "device_id": "EMOTION_EDGE_DEVICE_ID",
    "device_name": "EMOTION_EDGE_DEVICE_NAME",
}
_NO_BROKER: Final = (
    "Home Assistant hands out no broker ({reason}): install the add-on Mosquitto broker, or set the option mqtt_url"
)


class AddonError(Exception):
    """The add-on cannot start; the message says what to do."""


def read_options(path: Path) -> dict[str, Any]:
    """Return the add-on's options. Raises AddonError where the file cannot be used."""
    try:
        options = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AddonError(
            f"{path} cannot be read ({error}): it must be the options that the Supervisor writes"
        ) from None
    if not isinstance(options, dict):
        raise AddonError(f"{path} is no JSON object: it must be the options that the Supervisor writes")
    return options


def broker_of(token: str, supervisor: str = SUPERVISOR) -> dict[str, str]:
    """Ask the Supervisor for its broker; return the options that name it. Raises AddonError where there is none."""
    request = urllib.request.Request(  # noqa: S310 - a constant address of http
        f"{supervisor}/services/mqtt", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
            data = json.load(answer)["data"]
            scheme = "mqtts" if data["ssl"] else "mqtt"
            # The port is a number or a text, by version.
            url = f"{scheme}://{data['host']}:{int(data['port'])}"
    except urllib.error.HTTPError as error:
        # It answers 400 with a sentence where no add-on provides the service.
        reason = f"HTTP status {error.code}"
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            reason = json.load(error)["message"]
        raise AddonError(_NO_BROKER.format(reason=reason)) from None
    except OSError as error:
        raise AddonError(_NO_BROKER.format(reason=f"{supervisor} does not answer: {error}")) from None
    except (ValueError, TypeError, KeyError) as error:
        raise AddonError(_NO_BROKER.format(reason=f"its answer cannot be used: {error!r}")) from None
    return {
        "mqtt_url": url,
        "mqtt_username": data.get("username") or "",
        "mqtt_password": data.get("password") or "",
    }


def environment(options: Mapping[str, Any], environ: Mapping[str, str], *, has_file: bool) -> dict[str, str]:
    """Return the sensor's environment. Options that are empty are left to the file; `has_file`: there is one."""
    made = dict(environ)
    made.pop("SUPERVISOR_TOKEN", None)  # the sensor has no use for it
    made["STATE_DIRECTORY"] = str(DATA / "emotion-edge")
    if has_file:
        made["EMOTION_EDGE_CONFIG"] = str(FILE)
    for option, variable in _VARIABLES.items():
        if options.get(option):
            made[variable] = str(options[option])
    made["EMOTION_EDGE_HOMEASSISTANT_ENABLED"] = "true" if options.get("announce", True) else "false"
    return made


def main() -> None:
    """Replace this process by the sensor."""
    try:
        options = read_options(DATA / "options.json")
        if not options.get("mqtt_url"):
            options |= broker_of(os.environ.get("SUPERVISOR_TOKEN", ""))
    except AddonError as error:
        sys.exit(f"emotion-edge: {error}")
    made = environment(options, os.environ, has_file=FILE.exists())
    state = Path(made["STATE_DIRECTORY"])
    state.mkdir(mode=0o700, exist_ok=True)
    for path in (state, *state.iterdir()):  # a restored backup may have another owner
        os.chown(path, USER, GROUP)
    # The entry point of the image makes the id in the state folder, which is another one here.
    machine_id = Path("/etc/machine-id")
    machine_id.unlink(missing_ok=True)
    machine_id.symlink_to(state / "machine-id")
    # Devices have the groups of the host.
    os.setgroups(sorted({GROUP, *(device.stat().st_gid for device in Path("/dev").glob("video*"))} - {0}))
    os.setgid(GROUP)
    os.setuid(USER)
    start = "/usr/lib/emotion-edge/start"
    os.execve(start, [start, "run", "--log-level", options.get("log_level", "info")], made)  # noqa: S606 - no shell


if __name__ == "__main__":
    main()
