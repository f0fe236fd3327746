"""Notes where the values of a configuration come from, and names that in the errors that are found in them later.

Parts of the sensor know the key that they cannot use, and not the file that holds it. Their sentences begin with the
key, as in "detector.cascade is ...", and so its origin can be put in front.
"""

import re
from pathlib import Path
from typing import Final

from edge.system.service import CONFIG_FOLDER, installed_services

COMMAND_LINE: Final = "command line"
"""Origin of the values that options of the command line set."""
_KEY_FIRST: Final = re.compile(r"([a-z]+)\.([A-Za-z0-9_-]+|'[^']*'|\"[^\"]*\")(?=[ :])")


class Origins:
    """Where the values of a configuration come from: a file, a variable of the environment, or the command line.

    `file`: the file that was loaded, if any. A key with its default has no origin.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.file = file
        self._of: dict[tuple[str, str], str] = {}

    def note(self, table: str, key: str, origin: str) -> None:
        """Note the origin of a value; the last one counts."""
        self._of[table, key] = origin

    def of(self, table: str, key: str) -> str | None:
        """Return the origin of a key; None where it has its default."""
        return self._of.get((table, key))

    def named(self, sentence: str) -> str:
        """Return an error with the origin of the key in front with which it begins, where that has one."""
        found = _KEY_FIRST.match(sentence)
        origin = None if found is None else self.of(found[1], found[2].strip("'\""))
        return sentence if origin is None else f"{origin}: {sentence}"

    def summary(self, folder: Path = CONFIG_FOLDER) -> str:
        """Return in words which file and which other settings make up the configuration.

        Where no file was loaded, those of the services are named. `folder`: where they lie.
        """
        others = sorted({origin for origin in self._of.values() if origin not in {str(self.file), COMMAND_LINE}})
        flags = sorted(f"{table}.{key}" for (table, key), origin in self._of.items() if origin == COMMAND_LINE)
        parts = [f"{', '.join(others)} from the environment"] if others else []
        parts += [f"{', '.join(flags)} from the command line"] if flags else []
        if self.file is not None:
            return " and ".join([f"the file {self.file}", *parts])
        text = " and ".join(
            ["the defaults, because no file was named (--config FILE or $EMOTION_EDGE_CONFIG),", *parts]
        )
        text = text.removesuffix(",")
        services = installed_services(folder)
        if len(services) == 1:
            text += f"; the service reads another file (--config {services[0].config_file})"
        elif services:
            text += f"; the services read other files (--config {', '.join(str(one.config_file) for one in services)})"
        return text
