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
            self._hour = self._period(moment, HOUR_SECONDS)
        return self._hour

    def day(self, moment: float) -> tuple[float, float]:
        """Return start and end of the day that `moment` lies in."""
        start, end = self._day
        if not start <= moment < end:
            number = self._number(moment, DAY_SECONDS)
            start = self._first(moment - 1.2 * DAY_SECONDS, moment, number)
            end = self._first(moment, moment + 1.2 * DAY_SECONDS, number + 1)
            self._day = start, end
        return self._day

    def _number(self, moment: float, length: int) -> int:
        return int((moment + self.utc_offset(moment)) // length)

    def _period(self, moment: float, length: int) -> tuple[float, float]:
        """Return the period of `length` by the local clock in which the offset is the same throughout."""
        offset = self.utc_offset(moment)
        start = (moment + offset) // length * length - offset
        end = start + length
        if self.utc_offset(start) != offset:
            start = self._change(start, moment, offset, before=True)
        if self.utc_offset(end - 1) != offset:
            end = self._change(moment, end - 1, offset, before=False)
        return float(start), float(end)

    def _change(self, low: float, high: float, offset: int, *, before: bool) -> float:
        """Return the full second between `low` and `high` from which the offset is another one."""
        while high - low > _PRECISION_SECONDS:
            middle = (low + high) / 2
            if (self.utc_offset(middle) == offset) is before:
                high = middle
            else:
                low = middle
        return float(round(high))

    def _first(self, low: float, high: float, number: int) -> float:
        """Return the first full second between `low` and `high` of the local day `number` or a later one."""
        while high - low > _PRECISION_SECONDS:
            middle = (low + high) / 2
            if self._number(middle, DAY_SECONDS) >= number:
                high = middle
            else:
                low = middle
        return float(round(high))
