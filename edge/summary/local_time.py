"""Finds the hours and days of a moment by local time, with the changes to and from daylight saving time.

Pure: the offset of local time comes in as a function. Times are Unix seconds.
"""

from collections.abc import Callable
from typing import Final

HOUR_SECONDS: Final = 3600
DAY_SECONDS: Final = 86_400
_PRECISION_SECONDS: Final = 0.5
"""How closely a change of the offset is found; clocks are put forward and back at full seconds."""

UtcOffset = Callable[[float], int]
"""Returns by how many seconds local time is ahead of UTC at a moment."""


class LocalTime:
    """Hours and days of the local time that `utc_offset` describes.

    An hour is one by the local clock: the hour that the clock shows twice in autumn is two. A day is from midnight to
    midnight, and has 23 or 25 hours when the clock is put forward or back. Where a clock skips midnight, the day begins
    with the first second that it has.
    """

    def __init__(self, utc_offset: UtcOffset) -> None:
        self.utc_offset = utc_offset
        self._hour = self._day = (0.0, 0.0)

    def hour(self, moment: float) -> tuple[float, float]:
        """Return start and end of the hour that `moment` lies in."""
        start, end = self._hour
        if not start <= moment < end:
            self._hour = self._hour_of(moment)
        return self._hour

    def day(self, moment: float) -> tuple[float, float]:
        """Return start and end of the day that `moment` lies in."""
        start, end = self._day
        if not start <= moment < end:
            number = self._day_number(moment)
            start = _first(moment - 1.2 * DAY_SECONDS, moment, lambda at: self._day_number(at) >= number)
            end = _first(moment, moment + 1.2 * DAY_SECONDS, lambda at: self._day_number(at) > number)
            self._day = start, end
        return self._day

    def _day_number(self, moment: float) -> int:
        return int((moment + self.utc_offset(moment)) // DAY_SECONDS)

    def _hour_of(self, moment: float) -> tuple[float, float]:
        """Return the hour by the local clock, as far as its offset is the same throughout."""
        offset = self.utc_offset(moment)
        start = (moment + offset) // HOUR_SECONDS * HOUR_SECONDS - offset
        end = start + HOUR_SECONDS
        if self.utc_offset(start) != offset:
            start = _first(start, moment, lambda at: self.utc_offset(at) == offset)
        if self.utc_offset(end - 1) != offset:
            end = _first(moment, end - 1, lambda at: self.utc_offset(at) != offset)
        return float(start), float(end)


def _first(low: float, high: float, reached: Callable[[float], bool]) -> float:
    """Return the full second between `low` and `high` from which `reached` holds; at `high` it does."""
    while high - low > _PRECISION_SECONDS:
        middle = (low + high) / 2
        if reached(middle):
            high = middle
        else:
            low = middle
    return float(round(high))
