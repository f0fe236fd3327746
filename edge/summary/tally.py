"""Counts what a stretch of time has shown. Tallies of stretches add up to the tally of all of them.

Nothing in a tally belongs to a person: there is no track, no face and no time but that of the whole stretch.
"""

from typing import Final

import msgspec
from msgspec import Struct

LENGTH_LIMITS_SECONDS: Final = (5.0, 15.0, 60.0, 300.0, 900.0)
"""Upper limits of the classes of visit lengths. They are three to five times apart, so that passing by (seconds),
looking (a minute) and staying (a quarter of an hour) are told apart."""
LENGTH_NAMES: Final = ("under_5_s", "5_to_15_s", "15_to_60_s", "1_to_5_min", "5_to_15_min", "over_15_min")
"""Name of each class of visit lengths; a visit of exactly a limit belongs to the class above it."""


class LabelTally(Struct, array_like=True):
    """Of one label: seconds times faces that had it, and visits that had it for the first time."""

    seconds: float = 0.0
    visits: int = 0


class Tally(Struct, array_like=True):
    """What a stretch of time has shown.

    `looked_seconds`: with a picture; `not_looked_seconds`: while the sensor ran and had none. `present_seconds`: with
    somebody in view. `visits`: faces that appeared. `lengths`: visits that ended, by class of their length. `labels`:
    by announced label. `valence_seconds`: seconds times faces that had a valence, and `valence_sum` the same, each
    times its valence.
    """

    looked_seconds: float = 0.0
    not_looked_seconds: float = 0.0
    present_seconds: float = 0.0
    visits: int = 0
    lengths: list[int] = msgspec.field(default_factory=lambda: [0] * len(LENGTH_NAMES))
    labels: dict[str, LabelTally] = msgspec.field(default_factory=dict)
    valence_seconds: float = 0.0
    valence_sum: float = 0.0

    @property
    def seconds(self) -> float:
        """Length of the stretch, as far as the sensor ran."""
        return self.looked_seconds + self.not_looked_seconds

    def label(self, name: str) -> LabelTally:
        """Return the tally of a label, which is added where it is not there yet."""
        return self.labels.setdefault(name, LabelTally())

    def add(self, other: "Tally") -> None:
        """Add the tally of another stretch."""
        self.looked_seconds += other.looked_seconds
        self.not_looked_seconds += other.not_looked_seconds
        self.present_seconds += other.present_seconds
        self.visits += other.visits
        self.lengths = [mine + theirs for mine, theirs in zip(self.lengths, other.lengths, strict=True)]
        for name, theirs in other.labels.items():
            mine = self.label(name)
            mine.seconds += theirs.seconds
            mine.visits += theirs.visits
        self.valence_seconds += other.valence_seconds
        self.valence_sum += other.valence_sum


def length_class(seconds: float) -> int:
    """Return the number of the class that a visit of so many seconds belongs to."""
    return sum(seconds >= limit for limit in LENGTH_LIMITS_SECONDS)


def encode_tally(tally: Tally) -> bytes:
    """Encode a tally as JSON; seconds keep milliseconds."""
    rounded = msgspec.structs.replace(
        tally,
        looked_seconds=round(tally.looked_seconds, 3),
        not_looked_seconds=round(tally.not_looked_seconds, 3),
        present_seconds=round(tally.present_seconds, 3),
        labels={name: LabelTally(round(one.seconds, 3), one.visits) for name, one in tally.labels.items()},
        valence_seconds=round(tally.valence_seconds, 3),
        valence_sum=round(tally.valence_sum, 4),
    )
    return msgspec.json.encode(rounded)


def decode_tally(content: bytes) -> Tally:
    """Decode a tally. Raises msgspec.DecodeError or ValueError for anything else."""
    tally = msgspec.json.decode(content, type=Tally)
    if len(tally.lengths) != len(LENGTH_NAMES):
        msg = f"a tally has {len(LENGTH_NAMES)} classes of visit lengths, not {len(tally.lengths)}"
        raise ValueError(msg)
    return tally
