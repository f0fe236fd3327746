"""Reads the pages of the documentation."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def blocks(text: str, language: str) -> list[str]:
    """Return the code blocks of a language, also those that are part of a list."""
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)


def block(text: str, language: str) -> str:
    (only,) = blocks(text, language)
    return only
