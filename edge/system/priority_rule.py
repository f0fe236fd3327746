"""Decides when a sensor gives the real-time priority back, so that those of one device do not starve other programs.

It does no I/O and reads no clock. Each sensor decides for itself, by the same figures: what all sensors at real-time
priority take together must not be more than MAX_SHARE for long. The one that takes most goes first; the next one waits
for longer, and begins to count anew when it sees that another one has given its priority back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MAX_SHARE: Final = 0.5
"""Share of all processors beyond which sensors would starve other programs at real-time priority."""
CHECKS_OVER_SHARE: Final = 5
"""Checks in a row that find more than MAX_SHARE before the sensor that takes most gives the priority back; the second
waits for twice as many, the third for three times. So one does it where one is enough, and the others need not rely on
one that cannot, because its service manager has set the priority."""


@dataclass(frozen=True, slots=True)
class SensorUse:
    """What a sensor takes. `cpu_seconds`: processor time since its start; `realtime`: whether it has that priority."""

    cpu_seconds: float
    realtime: bool


@dataclass(frozen=True, slots=True)
class Excess:
    """Why the priority is given back. `own`, `together`: shares of all processors; `sensors`: how many count."""

    own: float
    together: float
    sensors: int


class PriorityRule:
    """Counts for how long the sensors take too much. `own`: name of this sensor among those of a reading."""

    def __init__(self, own: str) -> None:
        self._own = own
        self._last: tuple[float, Mapping[str, SensorUse]] | None = None
        self._checks = 0

    def check(self, now: float, uses: Mapping[str, SensorUse], processors: int) -> Excess | None:
        """Return why this sensor must give its priority back now; None as long as it may keep it.

        `now`: seconds, monotonic. `uses`: all sensors of this device by name. `processors`: how many there are. Call it
        about once a second while this sensor has the priority.
        """
        last, self._last = self._last, (now, uses)
        if last is None or now <= last[0]:
            return None
        before = last[1]
        if any(_gave_back(before[name], use) for name, use in uses.items() if name in before and name != self._own):
            self._checks = 0
        shares = {
            name: (use.cpu_seconds - before[name].cpu_seconds) / (now - last[0]) / processors
            for name, use in uses.items()
            if use.realtime and name in before
        }
        together = sum(shares.values())
        self._checks = self._checks + 1 if together > MAX_SHARE else 0
        own = shares.get(self._own, 0.0)
        ahead = sum((share, name) > (own, self._own) for name, share in shares.items())
        if self._checks < CHECKS_OVER_SHARE * (1 + ahead):
            return None
        return Excess(own, together, len(shares))


def _gave_back(before: SensorUse, now: SensorUse) -> bool:
    """Return whether a sensor has changed its priority; one that was started again counts from zero."""
    return before.realtime and not now.realtime and now.cpu_seconds >= before.cpu_seconds
