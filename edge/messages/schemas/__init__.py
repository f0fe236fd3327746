"""The JSON Schemas of the payloads, for subscribers in any language.

They are generated from `edge.messages.payloads` by `python -m edge.messages.schemas` and committed, so that
a subscriber can read them without running this program; a test compares them with the types.
`status` has none: its payload is one plain word, not JSON.
"""

import json
from pathlib import Path
from typing import Any, Final

from edge.messages.payloads import TOPIC_PAYLOADS, json_schema

FOLDER: Final = Path(__file__).parent


def path(name: str) -> Path:
    """File of the schema for the topic that ends in `name`."""
    return FOLDER / f"{name}.schema.json"


def load(name: str) -> dict[str, Any]:
    """Return the shipped schema for the topic that ends in `name`."""
    schema: dict[str, Any] = json.loads(path(name).read_text(encoding="utf-8"))
    return schema


def render(name: str) -> str:
    """Return the text that the schema file must have."""
    return json.dumps(json_schema(name), indent=2, ensure_ascii=False) + "\n"


def write() -> list[Path]:
    """Write every schema file anew; return their paths."""
    written = []
    for name in TOPIC_PAYLOADS:
        path(name).write_text(render(name), encoding="utf-8")
        written.append(path(name))
    return written
