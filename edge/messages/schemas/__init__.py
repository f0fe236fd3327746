"""Ships the JSON Schemas of the payloads, for subscribers in any language.

The files are generated from `edge.messages.payloads` by `python -m edge.messages.schemas` and committed, so that a
subscriber can read them without this program. A test compares them with the types. `status` has no schema: its payload
is one plain word, not JSON.
"""

import json
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent


def path(name: str) -> Path:
    """Return the file of the schema for the topic that ends in `name`."""
    return FOLDER / f"{name}.schema.json"


def load(name: str) -> dict[str, Any]:
    """Load the schema for the topic that ends in `name`."""
    schema: dict[str, Any] = json.loads(path(name).read_text(encoding="utf-8"))
    return schema
