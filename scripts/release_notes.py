"""Checks that CHANGELOG.md has the section of a release, and prints it.

python release_notes.py, in the checkout. The version is that of pyproject.toml. Exit code 1, with one sentence, where
the newest section is not that version's, or where something is left below [Unreleased].
"""

import re
import sys
import tomllib
from pathlib import Path
from typing import Final

_HEADING: Final = re.compile(r"^## \[(?P<name>[^\]]+)\](?P<rest>.*)$", re.MULTILINE)
_DATE: Final = re.compile(r" - \d{4}-\d{2}-\d{2}")


def notes_of(version: str, changelog: str) -> str:
    """Return the section of `version`, which must be the newest in the text of CHANGELOG.md.

    [Unreleased] may stand above it, empty. Raises ValueError where that is not so.
    """
    headings = list(_HEADING.finditer(changelog))
    ends = [one.start() for one in headings[1:]] + [len(changelog)] * bool(headings)
    sections = [
        (one["name"], one["rest"], changelog[one.end() : end].strip()) for one, end in zip(headings, ends, strict=True)
    ]
    wanted = f"'## [{version}] - YYYY-MM-DD'"
    if sections and sections[0][0] == "Unreleased":
        left = sections.pop(0)[2]
        if left:
            raise ValueError(f"CHANGELOG.md has entries below [Unreleased]: move them below {wanted}")
    if not sections or sections[0][0] != version:
        newest = f"'## [{sections[0][0]}]'" if sections else "no section"
        raise ValueError(f"pyproject.toml has version {version}, and CHANGELOG.md begins with {newest}: write {wanted}")
    _, rest, notes = sections[0]
    if not _DATE.fullmatch(rest):
        raise ValueError(f"CHANGELOG.md has the heading '## [{version}]{rest}', but it must be {wanted}")
    if not notes:
        raise ValueError(f"CHANGELOG.md has nothing below '## [{version}]{rest}': write what is new")
    return notes


def main() -> None:
    """Print the section of the version that pyproject.toml has."""
    version = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    try:
        print(notes_of(version, Path("CHANGELOG.md").read_text(encoding="utf-8")))
    except ValueError as error:
        sys.exit(f"make-release: {error}")


if __name__ == "__main__":
    main()
