"""Writes docs/asyncapi.json. Run `python -m edge.messages.asyncapi` after a change of a payload or a topic."""

import json
import re
import sys
from pathlib import Path
from typing import Any, Final

from edge.messages.asyncapi.channels import response_name
from edge.messages.asyncapi.document import render
from edge.messages.request import NAMES
from edge.messages.topics import STATUS_WORDS

_DOCS: Final = Path(__file__).parents[3] / "docs"
PAGE: Final = _DOCS / "mqtt.md"
FILE: Final = _DOCS / "asyncapi.json"
_BLOCK: Final = re.compile(r"^ *```json\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
_REQUEST: Final = re.compile(r"^mosquitto_pub -t \S+/request/(\w+) -m '(.*)'$", re.MULTILINE)
_MARKS: Final = {
    "event": {"seq", "boot_id"},
    "state": {"faces", "present"},
    "info": {"runtime"},
    "health": {"uptime_seconds"},
    "response": {"transaction"},
}
"""Fields by which an example is known; one that is an excerpt lacks some of them."""


def read_examples(page: str) -> dict[str, list[Any]]:
    """Return the whole payloads that a page has as examples, by name of the channel."""
    examples: dict[str, list[Any]] = {"status": list(STATUS_WORDS)}
    for payload in map(json.loads, _BLOCK.findall(page)):
        for name, marks in _MARKS.items():
            if marks <= payload.keys() and "schema" in payload:
                examples.setdefault(response_name("pause") if name == "response" else name, []).append(payload)
                break
    for name, payload in _REQUEST.findall(page):
        if name in NAMES:
            examples.setdefault(f"request{name.title()}", []).append(json.loads(payload))
    return examples


if __name__ == "__main__":
    FILE.write_text(render(read_examples(PAGE.read_text(encoding="utf-8"))), encoding="utf-8")
    sys.stdout.write(f"{FILE}\n")
