"""Decides what of the messages of sensors is archived: reads them, keeps malformed ones out, and thins samples."""

import logging
from typing import Final

from edge.archive.records import HealthRecord, MalformedMessageError, Record, StateRecord, read_message
from edge.logs.outage import LogQuota
from edge.messages.text import printable
from edge.messages.topics import parse_topic
from edge.mqtt.types import ReceivedMessage

_LOG: Final = logging.getLogger(__name__)

_MALFORMED_LINES: Final = 10
"""Lines about malformed messages within an hour: one client may publish any number of them."""
_SHOWN_CHARACTERS: Final = 200
_MOST_KEYS: Final = 200_000
"""Sensors and kinds whose last sample is remembered: any client may make up names of sensors."""


class Intake:
    """Reads messages below the topic `base`. `sample_seconds`: as `archive.sample_seconds`."""

    def __init__(self, base: str, sample_seconds: float) -> None:
        self._base = base
        self._thinning = Thinning(sample_seconds)
        self._quota = LogQuota(_MALFORMED_LINES)
        self.malformed = 0
        """Messages that were kept out because they are not what their topic promises."""

    def records(self, message: ReceivedMessage, now: float) -> list[Record]:
        """Return what is archived of a message, which may be nothing. `now`: on a clock that does not go backwards."""
        address = parse_topic(self._base, message.topic)
        if address is None:
            return []
        try:
            records = read_message(address, message.payload, retained=message.retained)
        except MalformedMessageError as error:
            self.malformed += 1
            left = self._quota.left(now)
            if left:
                _LOG.warning(
                    "a message to %s is kept out of the archive: %s%s",
                    printable(message.topic),
                    printable(str(error))[:_SHOWN_CHARACTERS],
                    "; further ones of the next hour are only counted" if left == 1 else "",
                )
            return []
        return [record for record in records if self._thinning.keeps(record, now)]


class Thinning:
    """Decides which states and healths are kept: one of each sensor and kind in `seconds`, and every change.

    A change of a state is whether somebody is in view and whether the sensor is paused, of a health its source, its
    level and whether it keeps its budget.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._kept: dict[tuple[str, type], tuple[float, tuple[object, ...]]] = {}

    def keeps(self, record: Record, now: float) -> bool:
        """Return whether a record is kept, and remember it if so."""
        if isinstance(record, StateRecord):
            what: tuple[object, ...] = (record.present, record.paused)
        elif isinstance(record, HealthRecord):
            what = (record.source, record.level, record.within_budget, record.throttled)
        else:
            return True
        key = record.device, type(record)
        kept_at, before = self._kept.get(key, (float("-inf"), ()))
        if now - kept_at < self._seconds and what == before:
            return False
        if len(self._kept) >= _MOST_KEYS:
            self._kept.clear()
        self._kept[key] = now, what
        return True
