"""The folder of real footage and data beside the checkout, which no commit may hold."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("EMOTION_EDGE_DATA", ROOT / ".." / "shared")).resolve()


def footage(name: str) -> Path:
    """Return a file of the footage, or skip the test with the reason."""
    path = FOLDER / "media" / name
    if not path.exists():
        pytest.skip(f"{path} is not there: set EMOTION_EDGE_DATA to the folder that holds media/ and data/")
    return path
