"""Makes the summary of a period out of its tally, and withholds what few visits have shown. Pure."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from edge.messages.payload_builder import timestamp
from edge.messages.summary import PeriodSummary
from edge.summary.local_time import UtcOffset
from edge.summary.tally import LENGTH_NAMES, LabelTally, Tally
from edge.types import UNKNOWN

_DECIMALS: Final = 1
"""Decimals of seconds: a second is what a person can act on, and a tenth keeps sums right."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a summary says.

    `labels`: labels of the model. `groups`: labels by configured group. `min_visits`: figures by emotion that rest on
    fewer visits are withheld. `utc_offset`: of local time.
    """

    labels: Sequence[str]
    groups: Mapping[str, Sequence[str]]
    min_visits: int
    utc_offset: UtcOffset
    named: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Add the label of faces that the model is not sure of."""
        object.__setattr__(self, "named", tuple(dict.fromkeys([*self.labels, UNKNOWN])))


def withheld(labels: Mapping[str, LabelTally], min_visits: int) -> set[str]:
    """Return the labels whose seconds are withheld: shown by fewer than `min_visits` visits.

    Where it is one label alone that somebody showed, the one with the fewest visits of the others is withheld too: the
    first could be computed from the rest and the time with somebody in view. Where nobody showed anything, nothing is
    withheld.
    """
    if not any(one.seconds or one.visits for one in labels.values()):
        return set()
    few = {name for name, one in labels.items() if one.visits < min_visits}
    if _lone(few, labels) and len(labels) > 1:
        few.add(min((name for name in labels if name not in few), key=lambda name: (labels[name].visits, name)))
    return few


def _lone(few: set[str], labels: Mapping[str, LabelTally]) -> bool:
    """Return whether it is one label alone, and somebody showed it."""
    return len(few) == 1 and all(labels[name].visits or labels[name].seconds for name in few)


def withheld_groups(
    groups: Mapping[str, Sequence[str]], labels: Mapping[str, LabelTally], hidden: set[str], min_visits: int
) -> set[str]:
    """Return the groups whose seconds are withheld.

    A group has at least as many visits as each of its labels; how many more is not known. It is withheld as well where
    one of its labels alone is, which could be computed from the group.
    """
    if not hidden or (len(hidden) == 1 and not _lone(hidden, labels)):
        return set()
    found = set()
    for group, members in groups.items():
        visits = max((labels[name].visits for name in members if name in labels), default=0)
        if visits < min_visits or sum(name in hidden for name in members) == 1:
            found.add(group)
    return found


def period(tally: Tally, bounds: tuple[float, float], now: float, rules: Rules) -> PeriodSummary:
    """Return the summary of a period. `bounds`, `now`: Unix seconds."""
    start, end = bounds
    labels = {name: tally.labels.get(name, LabelTally()) for name in (*rules.named, *tally.labels)}
    hidden = withheld(labels, rules.min_visits)
    hidden_groups = withheld_groups(rules.groups, labels, hidden, rules.min_visits)
    few = tally.visits < rules.min_visits or not tally.valence_seconds
    return PeriodSummary(
        start=timestamp(start),
        end=timestamp(end),
        local_start=local_timestamp(start, rules.utc_offset),
        complete=now >= end,
        looked_seconds=round(tally.looked_seconds, _DECIMALS),
        not_looked_seconds=round(tally.not_looked_seconds, _DECIMALS),
        off_seconds=round(max(0.0, min(now, end) - start - tally.seconds), _DECIMALS),
        present_seconds=round(tally.present_seconds, _DECIMALS),
        visits=tally.visits,
        visit_lengths=dict(zip(LENGTH_NAMES, tally.lengths, strict=True)),
        emotion_seconds={
            name: None if name in hidden else round(one.seconds, _DECIMALS) for name, one in labels.items()
        },
        group_seconds={
            group: None
            if group in hidden_groups
            else round(sum(labels[name].seconds for name in members if name in labels), _DECIMALS)
            for group, members in rules.groups.items()
        },
        valence=None if few else round(max(-1.0, min(1.0, tally.valence_sum / tally.valence_seconds)), 4),
    )


def local_timestamp(unix: float, utc_offset: UtcOffset) -> str:
    """Format a time as RFC 3339 in local time, as in 2026-10-25T02:00:00+01:00."""
    zone = datetime.timezone(datetime.timedelta(seconds=utc_offset(unix) // 60 * 60))
    return datetime.datetime.fromtimestamp(unix, tz=zone).isoformat(timespec="seconds")
