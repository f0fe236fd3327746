"""Checks the form of an answer, typed or given by an option: text, source, address of a broker.

Nothing is opened, and nothing is connected to: it holds for a device that is prepared elsewhere as well.
"""

import unicodedata
from typing import Final

from edge.capture.open import create_source
from edge.capture.source import SourceOptions
from edge.config.credentials import parse_broker_url
from edge.config.schema import SourceConfig
from edge.errors import ConfigError, SourceError
from edge.redact import quoted

NO_BROKER: Final = "none"
_MOST_BYTES: Final = 65_535
"""Length of a text in MQTT: its field has 16 bits."""
_CONTROL: Final = "Cc"
_SURROGATE: Final = "Cs"
"""Category of what Python makes of bytes that are not UTF-8 (PEP 383)."""


def find_fault(text: str) -> str | None:
    """Return what is wrong with a text as an answer, as the predicate of a sentence; None where nothing is."""
    categories = {unicodedata.category(character) for character in text}
    if _SURROGATE in categories:
        return "is not UTF-8 text"
    if _CONTROL in categories:
        return "holds a control character"
    return f"is longer than {_MOST_BYTES} bytes" if len(text.encode()) > _MOST_BYTES else None


def check_option(option: str, text: str | None) -> None:
    """Raise ConfigError where the value of an option cannot be an answer; None: the option was not given."""
    fault = None if text is None else find_fault(text)
    if fault is not None:
        raise ConfigError(f"{option} {quoted(text)} {fault}: give one line of plain text")


def check_source(uri: str) -> None:
    """Raise SourceError where a URI is of no known kind. A file with its full path may be missing here."""
    try:
        create_source(uri, SourceOptions(SourceConfig(uri=uri)))
    except SourceError:
        if not uri.startswith("/"):
            raise


def broker_address(text: str, *, option: str = "") -> str:
    """Return the address of a broker, with mqtt:// in front of a bare host; "" where the text means no broker.

    `option`: gives the text; without one it was typed. Raises ConfigError for what is no address. A user name or a
    password in it is refused: the configuration is for everybody to read.
    """
    if text in {"", NO_BROKER}:
        return ""
    if "@" in text:
        if option:
            raise ConfigError(
                f"{option} must hold neither user name nor password: give --username NAME and --password-file FILE"
            )
        raise ConfigError(
            "the address must hold neither user name nor password: type it without them; setup asks for both where "
            "the broker wants them"
        )
    url = text if "://" in text or text.isdigit() else f"mqtt://{text}"
    parse_broker_url(url, option or "mqtt.url")
    return url
