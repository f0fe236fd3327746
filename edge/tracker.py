"""Follows faces from frame to frame. Reads no clock: time is the time of the frames."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from edge.config import TrackerConfig
from edge.records import Box, Detection

_MIN_IOU: Final = 0.2
_MAX_SHIFT: Final = 0.6
"""In sides of the face: how far a face may jump between two sightings and still be itself. Walking past
at 12 frames a second moves it by about a third."""
_MAX_GROWTH: Final = 1.6
_TENTATIVE_LOST_SECONDS: Final = 0.5
"""A face that is not confirmed yet is forgotten sooner than one that is: phantoms flicker."""
_MIN_AGREED_SHARE: Final = 0.4
"""Share of a new face's sightings that the second cascade must agree with; true faces: 0.75 to 1 on the
footage, phantoms: at most 0.1."""


@dataclass(slots=True)
class Track:
    """One face over time.

    `serial` counts every track, `number` only confirmed ones: it is 0 until then, and what subscribers
    see; neither is used twice. `box` is smoothed, `latest` is where the face was last found; `seen` is
    this frame's detection, None where the face was not found in it.
    """

    serial: int
    box: Box
    latest: Box
    first_seconds: float
    last_seconds: float
    number: int = 0
    sightings: int = 0
    agreed: int = 0
    seen: Detection | None = None

    @property
    def confirmed(self) -> bool:
        """Whether it may be announced."""
        return self.number > 0


class Tracker:
    """Matches detections to tracks, confirms new ones, lets lost ones go."""

    def __init__(self, config: TrackerConfig) -> None:
        self._config = config
        self._tracks: list[Track] = []
        self._begun = 0
        self._confirmed = 0

    def update(self, detections: Sequence[Detection], seconds: float) -> tuple[list[Track], list[Track]]:
        """Take one frame's detections at its time.

        Returns the live tracks, confirmed ones first in the order of their numbers, and the confirmed
        tracks that have just been lost. Time must not go backwards between calls.
        """
        lost = self._let_go(seconds)
        for track in self._tracks:
            track.seen = None
        unmatched = list(detections)
        for track, detection in self._pairs(detections, seconds):
            self._see(track, detection, seconds)
            unmatched.remove(detection)
        for detection in unmatched:
            if detection.agreed and not self._overlaps(detection.box):
                self._begun += 1
                track = Track(self._begun, detection.box, detection.box, seconds, seconds)
                self._tracks.append(track)
                self._see(track, detection, seconds)
        self._tracks.sort(key=lambda track: (not track.confirmed, track.number, track.first_seconds))
        return list(self._tracks), lost

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
            if seconds - track.last_seconds <= patience:
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
            if (closeness := _closeness(track, detection.box, seconds)) > 0
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
        return any(track.seen is not None and _inside(track.seen.box, box) for track in self._tracks)

    def _see(self, track: Track, detection: Detection, seconds: float) -> None:
        config = self._config
        elapsed = seconds - track.last_seconds
        weight = 1.0
        if track.sightings and config.box_smoothing_seconds > 0:
            weight = 1 - math.exp(-elapsed / config.box_smoothing_seconds)
        track.box = _blend(track.box, detection.box, weight)
        track.seen, track.latest = detection, detection.box
        track.last_seconds = seconds
        track.sightings += 1
        track.agreed += detection.agreed
        if (
            not track.confirmed
            and track.agreed >= config.confirm_hits
            and track.agreed >= _MIN_AGREED_SHARE * track.sightings
            and seconds - track.first_seconds >= config.confirm_seconds
        ):
            self._confirmed += 1
            track.number = self._confirmed


def _closeness(track: Track, box: Box, seconds: float) -> float:
    """Score a pairing: 1 + IoU where they overlap, less where the face moved, 0 where it cannot be it."""
    latest = track.latest
    growth = box.width / latest.width
    if not 1 / _MAX_GROWTH <= growth <= _MAX_GROWTH:
        return 0.0
    overlap = latest.iou(box)
    if overlap >= _MIN_IOU:
        return 1 + overlap
    shift = math.dist(latest.centre, box.centre) / max(latest.width, box.width)
    if shift <= _MAX_SHIFT and seconds > track.last_seconds:
        return 1 - shift
    return 0.0


def _inside(one: Box, other: Box) -> bool:
    """Tell whether the centre of either box lies in the other."""
    return _holds(one, other.centre) or _holds(other, one.centre)


def _holds(box: Box, point: tuple[float, float]) -> bool:
    return box.x <= point[0] <= box.x + box.width and box.y <= point[1] <= box.y + box.height


def _blend(old: Box, new: Box, weight: float) -> Box:
    def mix(before: float, after: float) -> float:
        return before + weight * (after - before)

    return Box(mix(old.x, new.x), mix(old.y, new.y), mix(old.width, new.width), mix(old.height, new.height))
