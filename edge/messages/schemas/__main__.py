"""Generates the schema files from the payload types.

Run `python -m edge.messages.schemas` after a change of `edge.messages.payloads`, and commit the files that it writes.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from edge.messages.schemas import path
from edge.messages.topics import TOPIC_PAYLOADS

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def json_schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the payload on the topic that ends in `name`."""
    schema = msgspec.json.schema(TOPIC_PAYLOADS[name])
    return {"$schema": _DIALECT, "title": f"emotion-edge {name}", **schema}


def render(name: str) -> str:
    """Return the text of the schema file for the topic that ends in `name`."""
    return json.dumps(json_schema(name), indent=2, ensure_ascii=False) + "\n"


def write() -> list[Path]:
    """Write every schema file; return their paths."""
    written = []
    for name in TOPIC_PAYLOADS:
        path(name).write_text(render(name), encoding="utf-8")
        written.append(path(name))
    return written


if __name__ == "__main__":
    for file in write():
        sys.stdout.write(f"{file}\n")
