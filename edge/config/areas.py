"""Reads the polygons of `[masks]` and `[zones]`, and says what is wrong with one."""

import math
import re
from collections.abc import Mapping
from typing import Final

from edge.config.schema import SourceConfig
from edge.errors import ConfigError
from edge.polygon import Point, Polygon, oriented, problem_of
from edge.redact import quoted, quoted_name

MASKS: Final = "masks"
ZONES: Final = "zones"
AREA_TABLES: Final = (MASKS, ZONES)
"""Tables without fixed keys: each key names an area of the picture."""

AREA_MEANINGS: Final = {
    MASKS: "Masks: areas of the picture that are black before anything looks at it. Each key names a mask and lists "
    "its corners, [x, y] in shares of the camera's picture from its top left corner, before rotate and flip.",
    ZONES: "Zones: areas with a name. A face whose centre lies in one carries the name in every payload, and Home "
    "Assistant shows entities of each. The corners are given as those of a mask.",
}
AREA_EXAMPLES: Final = {
    MASKS: ("window", [(0.6, 0.0), (1.0, 0.0), (1.0, 0.5), (0.6, 0.4)]),
    ZONES: ("door", [(0.0, 0.2), (0.3, 0.2), (0.3, 1.0), (0.0, 1.0)]),
}

MAX_AREAS: Final = 16
"""Masks, and zones, at most. Home Assistant's announcement takes some 2 kB for each zone."""
_DECIMALS: Final = 4
"""Decimals of corners in the frame: a ten-thousandth is less than a pixel. The subtraction of a mirror leaves more."""
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
"""A name is part of entity ids and of topics that people make of it, like `device.id`."""


def is_area_name(name: str) -> bool:
    """Return whether a mask or a zone may have this name."""
    return _NAME.fullmatch(name) is not None


def in_frame(areas: Mapping[str, Polygon], source: SourceConfig) -> dict[str, list[Point]]:
    """Return areas of the camera's picture in shares of the frame, after `rotate` and `flip`, as boxes are given."""
    return {
        name: [(round(x, _DECIMALS), round(y, _DECIMALS)) for x, y in oriented(polygon, source.rotate, source.flip)]
        for name, polygon in areas.items()
    }


def read_polygon(table: str, name: str, value: object) -> list[Point]:
    """Return the corners of an area. Raises ConfigError, one sentence that begins with the key."""
    key = f"{table}.{quoted_name(name)}"
    if not is_area_name(name):
        raise ConfigError(f"{key} is named {quoted(name)}, but a name has 1 to 32 letters (a to z), digits, - and _")
    example = ", ".join(f"[{x:g}, {y:g}]" for x, y in AREA_EXAMPLES[table][1][:3])
    if not isinstance(value, list) or not value:
        raise ConfigError(f"{key} is {quoted(value)}, but must be a list of corners, as in [{example}]")
    polygon = []
    for corner in value:
        if not _is_pair(corner):
            raise ConfigError(f"{key} has the corner {quoted(corner)}, but a corner is two numbers, as in [{example}]")
        polygon.append((float(corner[0]), float(corner[1])))
    problem = problem_of(polygon)
    if problem is not None:
        raise ConfigError(f"{key} {problem}")
    return polygon


def check_areas(masks: Mapping[str, object], zones: Mapping[str, object]) -> None:
    """Raise ConfigError where there are too many areas, or where two of one table have one name."""
    for table, areas in ((MASKS, masks), (ZONES, zones)):
        seen: dict[str, str] = {}
        for number, name in enumerate(areas, 1):
            if number > MAX_AREAS:
                raise ConfigError(f"{table}.{name} is number {number} of [{table}], but at most {MAX_AREAS} may be set")
            # As Home Assistant makes entity ids of them.
            plain = re.sub("[^a-z0-9]+", "_", name.lower())
            if plain in seen:
                raise ConfigError(
                    f"{table}.{name} has the same name as {table}.{seen[plain]}: case, - and _ make no difference, so "
                    "rename one of them"
                )
            seen[plain] = name


def _is_pair(corner: object) -> bool:
    """Return whether a corner is a list of two finite numbers; Python counts `true` as a number."""
    return (
        isinstance(corner, list)
        and len(corner) == 2  # noqa: PLR2004 - x and y
        and all(isinstance(share, (int, float)) and not isinstance(share, bool) for share in corner)
        and all(abs(share) < math.inf for share in corner)
    )
