"""One face over time: where it was, how it moves, and whether the second cascade believes in it."""

import math
from dataclasses import dataclass
from typing import Final

from edge.types import Box, Detection, TrackPrediction

_COAST_SECONDS: Final = 0.25
"""A face that is not found is expected to go on moving for this long, and no longer: people stop and turn."""
_VELOCITY_WEIGHT: Final = 0.5
"""Share of the newest movement in the velocity: a box jitters by some 3 % of its side."""
_NEVER: Final = -math.inf


@dataclass(slots=True)
class Track:
    """One face over time.

    `serial` counts every track, `number` only confirmed ones: it is 0 until then, and what subscribers
    see; neither is used twice. `box` is smoothed, `latest` is where the face was last found; `seen` is
    this frame's detection, None where the face was not found in it; `missed`: frames since it was found.
    `velocity`: pixels a second of the centre. `asked` and `agreed` count the questions to the second
    cascade and its agreement; `asked_seconds` and `agreed_seconds` say when the last ones were.
    """

    serial: int
    box: Box
    latest: Box
    first_seconds: float
    last_seconds: float
    number: int = 0
    sightings: int = 0
    missed: int = 0
    asked: int = 0
    verified: int = 0
    asked_seconds: float = _NEVER
    verified_seconds: float = _NEVER
    velocity: tuple[float, float] = (0.0, 0.0)
    seen: Detection | None = None

    @property
    def confirmed(self) -> bool:
        """Whether it may be announced."""
        return self.number > 0

    def expected(self, seconds: float) -> Box:
        """Return where the face should be at that time, at the size at which it was last found."""
        coasting = min(seconds - self.last_seconds, _COAST_SECONDS)
        latest, (along, down) = self.latest, self.velocity
        return Box(latest.x + along * coasting, latest.y + down * coasting, latest.width, latest.height)

    def followed(self, seconds: float) -> TrackPrediction:
        """Return what the search of a frame of that time needs to know."""
        expected = self.expected(seconds)
        return TrackPrediction(
            serial=self.serial,
            box=expected,
            latest=self.latest,
            speed=math.dist(expected.centre, self.latest.centre) / self.latest.width,
            missed=self.missed,
            new=self.sightings < 2,  # noqa: PLR2004 - one sighting says nothing about motion
            confirmed=self.confirmed,
            asked_seconds=self.asked_seconds,
            doubted=self.asked_seconds > self.verified_seconds,
        )

    def see(self, detection: Detection, seconds: float, smoothing_seconds: float) -> None:
        """Take a frame's detection; `smoothing_seconds` is the time constant of `box`."""
        elapsed = seconds - self.last_seconds
        weight = 1.0
        if self.sightings and smoothing_seconds > 0:
            weight = 1 - math.exp(-elapsed / smoothing_seconds)
        if elapsed > 0:
            share = _VELOCITY_WEIGHT if self.sightings > 1 else 1.0
            (x, y), (was_x, was_y) = detection.box.centre, self.latest.centre
            along, down = self.velocity
            self.velocity = (
                along + share * ((x - was_x) / elapsed - along),
                down + share * ((y - was_y) / elapsed - down),
            )
        self.box = _blend(self.box, detection.box, weight)
        self.seen, self.latest = detection, detection.box
        self.last_seconds = seconds
        self.sightings += 1
        self.missed = 0
        if detection.verified is not None:
            self.asked += 1
            self.asked_seconds = seconds
        if detection.verified:
            self.verified += 1
            self.verified_seconds = seconds


def _blend(old: Box, new: Box, weight: float) -> Box:
    def mix(before: float, after: float) -> float:
        return before + weight * (after - before)

    return Box(mix(old.x, new.x), mix(old.y, new.y), mix(old.width, new.width), mix(old.height, new.height))
