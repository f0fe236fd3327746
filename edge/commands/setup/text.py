"""Makes the text of the configuration from the answers, and shows what of it is new.

A new one is systemd/config.toml with the answers. In one that is there only the lines of what was asked change:
comments and all other keys stay (edge.config.toml_edit).
"""

import difflib
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from edge.commands.setup.place import Place, free_page_port
from edge.commands.setup.questions import BrokerAnswer
from edge.config.credentials import CREDENTIAL_NAME
from edge.config.toml_edit import Value, with_values
from edge.errors import ConfigError
from edge.redact import redacted_text
from edge.system.service import Service

_TEXT: Final = """\
# Configuration of the sensor. `emotion-edge config show` prints every key with its meaning, range and value.
# After a change: sudo systemctl restart {unit}

[source]
# auto: takes the first camera that is found. Until a broker is set below, the built-in actor plays where there is none.
# One camera: picamera:0 for a Raspberry Pi camera, v4l2:NAME for a USB camera (`emotion-edge cameras` lists the names),
# rtsp://... for a network camera; scripted: for the built-in actor.
uri = "auto:"

[mqtt]
# mqtt://broker.local or mqtts://broker.local; empty: no broker, events are written to the journal.
url = ""
# Empty: none. Put the password into {password}, which only root needs to read.
username = ""

[homeassistant]
# true: announce this sensor to Home Assistant (docs/home-assistant.md).
enabled = false
"""
_PAGE: Final = """
[preview]
# The page that shows what the sensor sees: http://127.0.0.1:{port}/ on this machine (docs/preview.md).
enabled = {enabled}
port = {port}
"""


@dataclass(frozen=True, slots=True)
class Answers:
    """What is to be configured. `page_port`: port of the page, 0: no page, None: as it is.

    `drops_password_file`: the configuration names a file, which would come before the password that is stored.
    """

    source: str
    broker: BrokerAnswer
    home_assistant: bool
    page_port: int | None = None
    drops_password_file: bool = False


def new_configuration(service: Service) -> str:
    """Return the text of the configuration with which an installation begins: that of systemd/config.toml."""
    return _TEXT.format(unit=service.unit, password=service.credential_file(CREDENTIAL_NAME))


def configuration_with(answers: Answers, place: Place, before: str | None) -> str:
    """Return the text of the configuration with the answers; `before`: the text that is there, None without one.

    Raises ConfigError where that is written in a way in which it cannot be changed here.
    """
    values: dict[tuple[str, str], Value] = {
        ("source", "uri"): answers.source,
        ("mqtt", "url"): answers.broker.url,
        ("mqtt", "username"): answers.broker.username,
        ("homeassistant", "enabled"): answers.home_assistant,
    }
    listed = _listed_brokers(before)
    if listed and answers.broker.url == listed[0]:
        del values["mqtt", "url"]
    elif listed:
        # One broker was answered: the list would name others.
        values["mqtt", "urls"] = []
    if answers.drops_password_file:
        values["mqtt", "password_file"] = ""
    text, port = before, answers.page_port
    if text is None:
        text = new_configuration(place.service)
        if port or place.service.name:
            # Also where an instance's page is off: whoever switches it on later has no second thing to think of.
            enabled = "true" if port else "false"
            text += _PAGE.format(port=port or free_page_port(place), enabled=enabled)
    elif port is not None:
        values["preview", "enabled"] = port > 0
        if port:
            values["preview", "port"] = port
    try:
        return with_values(text, values)
    except ConfigError as error:
        raise ConfigError(f"{place.config_file}: {error}") from None


def _listed_brokers(text: str | None) -> list[str]:
    """Return `mqtt.urls` of a configuration that can be used."""
    return list(tomllib.loads((text or "").removeprefix("\ufeff")).get("mqtt", {}).get("urls", []))


def shown_changes(before: str | None, after: str) -> Iterator[str]:
    """Yield the lines to show, without credentials: of a new file its keys, of one that is there what changes."""
    if before is None:
        lines = [f"  {line}" for line in _lines(after) if line and not line.startswith("#")]
    else:
        compared = difflib.unified_diff(_lines(before), _lines(after), n=0, lineterm="")
        lines = [f"  {line[0]} {line[1:]}" for line in compared if line[0] in "+-" and line[:3] not in {"+++", "---"}]
    for line in lines:
        yield redacted_text(line)


def _lines(text: str) -> list[str]:
    """Return lines as TOML has them: a comment may hold other characters that Python takes for the end of a line."""
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
