"""Follows faces from frame to frame. Reads no clock: time is the time of the frames."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from edge.config.schema import TrackerConfig
from edge.types import Box, Detection, TrackPrediction

_COAST_SECONDS: Final = 0.25
"""A face that is not found is expected to go on moving for this long, and no longer: people stop and turn."""
_VELOCITY_WEIGHT: Final = 0.5
"""Share of the newest movement in the velocity: a box jitters by some 3 % of its side."""
_NEVER: Final = -math.inf
_MIN_IOU: Final = 0.2
_MAX_SHIFT: Final = 0.6
"""In sides of the face: how far a face may jump between two sightings and still be itself. Walking past
at 12 frames a second moves it by about a third."""
_MAX_GROWTH: Final = 1.6
_TENTATIVE_LOST_SECONDS: Final = 0.5
"""A face that is not confirmed yet is forgotten sooner than one that is: phantoms flicker."""
_MIN_AGREED_SHARE: Final = 0.25
"""Share of the questions about a new face to which the second cascade must say yes; true faces: 0.75 to 1
on the footage, phantoms: at most 0.1."""
_ENOUGH_QUESTIONS: Final = 10
"""A new face to which it has said no too often by then is given up: asking costs 2 ms a time."""
_DOUBTED_SECONDS: Final = 10.0
"""A face is given up when the second cascade, asked again and again, has not agreed for so long: what is
followed then is more likely a phantom in the place where a face was. People turn and tilt their heads for
less."""


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


class Tracker:
    """Matches detections to tracks, confirms new ones, lets lost ones go."""

    def __init__(self, config: TrackerConfig) -> None:
        self._config = config
        self._tracks: list[Track] = []
        self._begun = 0
        self._confirmed = 0

    def configure(self, config: TrackerConfig) -> None:
        """Follow by other rules from the next frame on; faces that are announced stay so."""
        self._config = config

    def update(self, detections: Sequence[Detection], seconds: float) -> tuple[list[Track], list[Track]]:
        """Take one frame's detections at its time.

        Returns the live tracks, confirmed ones first in the order of their numbers, and the confirmed
        tracks that have just been lost. Time must not go backwards between calls.
        """
        lost = self._let_go(seconds)
        for track in self._tracks:
            track.seen = None
            track.missed += 1
        unmatched = list(detections)
        for track, detection in self._pairs(detections, seconds):
            self._see(track, detection, seconds)
            unmatched.remove(detection)
        for detection in unmatched:
            if detection.verified and not self._overlaps(detection.box):
                self._begun += 1
                track = Track(self._begun, detection.box, detection.box, seconds, seconds)
                self._tracks.append(track)
                self._see(track, detection, seconds)
        self._tracks.sort(key=lambda track: (not track.confirmed, track.number, track.first_seconds))
        return list(self._tracks), lost

    def followed(self, seconds: float) -> list[TrackPrediction]:
        """Return what a search of the frame of that time, which comes before `update`, needs to know."""
        return [track.followed(seconds) for track in self._tracks]

    def clear(self) -> list[Track]:
        """Let every track go; returns the confirmed ones."""
        lost = [track for track in self._tracks if track.confirmed]
        self._tracks = []
        return lost

    def _let_go(self, seconds: float) -> list[Track]:
        kept, lost = [], []
        for track in self._tracks:
            patience = self._config.lost_seconds
            if not track.confirmed:
                patience = min(patience, _TENTATIVE_LOST_SECONDS)
            if seconds - track.last_seconds <= patience and not _disbelieved(track):
                kept.append(track)
            elif track.confirmed:
                lost.append(track)
        self._tracks = kept
        return lost

    def _pairs(self, detections: Sequence[Detection], seconds: float) -> list[tuple[Track, Detection]]:
        """Pair greedily, best first; confirmed tracks choose before tentative ones."""
        candidates = [
            (not track.confirmed, -closeness, index, place)
            for index, track in enumerate(self._tracks)
            for place, detection in enumerate(detections)
            if detection.serial in (0, track.serial) and (closeness := _closeness(track, detection.box, seconds)) > 0
        ]
        pairs: list[tuple[Track, Detection]] = []
        tracks_taken: set[int] = set()
        detections_taken: set[int] = set()
        for _, _, index, place in sorted(candidates):
            if index not in tracks_taken and place not in detections_taken:
                tracks_taken.add(index)
                detections_taken.add(place)
                pairs.append((self._tracks[index], detections[place]))
        return pairs

    def _overlaps(self, box: Box) -> bool:
        """Tell whether a face is followed here already: a cascade may find one face at two sizes."""
        return any(track.seen is not None and track.seen.box.may_be(box) for track in self._tracks)

    def _see(self, track: Track, detection: Detection, seconds: float) -> None:
        config = self._config
        track.see(detection, seconds, config.box_smoothing_seconds)
        if (
            not track.confirmed
            and track.verified >= config.confirm_hits
            and track.verified >= _MIN_AGREED_SHARE * track.asked
            and seconds - track.first_seconds >= config.confirm_seconds
        ):
            self._confirmed += 1
            track.number = self._confirmed


def _disbelieved(track: Track) -> bool:
    if track.confirmed:
        return track.asked_seconds - track.verified_seconds > _DOUBTED_SECONDS
    return track.asked >= _ENOUGH_QUESTIONS and track.verified < _MIN_AGREED_SHARE * track.asked


def _closeness(track: Track, box: Box, seconds: float) -> float:
    """Score a pairing: 1 + IoU where they overlap, less where the face moved, 0 where it cannot be it."""
    expected = track.expected(seconds)
    growth = box.width / expected.width
    if not 1 / _MAX_GROWTH <= growth <= _MAX_GROWTH:
        return 0.0
    overlap = expected.iou(box)
    if overlap >= _MIN_IOU:
        return 1 + overlap
    shift = math.dist(expected.centre, box.centre) / max(expected.width, box.width)
    if shift <= _MAX_SHIFT and seconds > track.last_seconds:
        return 1 - shift
    return 0.0


def _blend(old: Box, new: Box, weight: float) -> Box:
    def mix(before: float, after: float) -> float:
        return before + weight * (after - before)

    return Box(mix(old.x, new.x), mix(old.y, new.y), mix(old.width, new.width), mix(old.height, new.height))
