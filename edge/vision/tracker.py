"""Tracks faces from frame to frame: matches detections to tracks, confirms new tracks, removes lost ones.

Reads no clock: time is the time of the frames.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from edge.config.schema import TrackerConfig
from edge.frame_rate import MIN_FRAMES
from edge.types import Box, Detection, TrackPrediction, Verification

_COAST_SECONDS: Final = 0.25
"""A track without detections is predicted to move on for at most this long: people stop and turn. That takes time, not
frames, so at a low rate most of the way to the next frame is not predicted."""
_VELOCITY_WEIGHT: Final = 0.5
"""Weight of the newest movement in the velocity: a box jitters by some 3 % of its side."""
_VELOCITY_SECONDS: Final = 0.03
"""Interval below which a movement counts less, in proportion: with two frames a millisecond apart the jitter of a box
would send its prediction out of the picture. Up to 33 frames a second nothing changes."""
_MIN_IOU: Final = 0.2
_MAX_SHIFT: Final = 0.6
"""Largest distance between prediction and detection, in sides of the face, where they do not overlap. A
person who walks past at 12 frames a second moves by about a third of a side per frame."""
_SHIFT_PER_SECOND: Final = 1.0
"""Additional distance, in sides of the face, for each second between two frames beyond `_NEAR_SECONDS`: someone who
stands in front of the sensor leans and steps about that far."""
_NEAR_SECONDS: Final = 0.1
_LARGEST_SHIFT: Final = 1.5
"""Limit of that distance: two people side by side are two sides apart."""
MAX_SIZE_RATIO: Final = 1.6
"""Largest ratio between the widths of prediction and detection; above it they are different faces."""
_TENTATIVE_LOST_SECONDS: Final = 0.5
"""A track that is not confirmed yet is removed after this time without a detection, and after MIN_FRAMES frames where
these take longer: phantoms flicker."""
_MIN_PASS_SHARE: Final = 0.25
"""Share of verifications that a new track must pass. On the footage true faces pass 0.75 to 1 of them,
phantoms at most 0.1."""
_MIN_READINGS: Final = 3
"""Readings after which a weakly verified face may be announced."""
_MIN_CLARITY: Final = 0.6
"""Mean clarity of the readings from which a weakly verified face may be announced. With the model `normal`, of the
tracks of the footage whose verifications were weak, twelve of 13 true faces reach it, and none of 17 phantoms of
store-aisle and classroom, mirrored, scaled and turned. Three of people-detection do: windows that a reflected border
doubled."""
_CERTAIN_READINGS: Final = 5
"""Readings after which a face may be announced with fewer verifications than usual."""
_CERTAIN_PASSES: Final = 2
"""Passed verifications with which it may. With one, a place in store-aisle, reduced and turned, would be announced: it
passed one of six, and its clarity is 0.83."""
_CERTAIN_CLARITY: Final = 0.7
"""Mean clarity of the readings from which it may: a woman with glasses has 0.76, and passes two verifications of 9."""
_SELDOM_FAILURES: Final = 3
"""Failed verifications from which a face that has passed one is read too. Where people stand still, the view that fails
does so in each frame."""
MAX_TENTATIVE_ATTEMPTS: Final = 10
"""A new track below `_MIN_PASS_SHARE` after this many verifications is removed: each costs 2 ms."""
_MAX_CERTAIN_ATTEMPTS: Final = 30
"""A new track below `_MIN_PASS_SHARE` that the network reads clearly is removed only after this many verifications: it
may pass as soon as the face moves."""
_HOPELESS_CLARITY: Final = 0.4
"""Mean clarity of the readings below which a new track is removed after MAX_TENTATIVE_ATTEMPTS verifications, however
many of them passed: they passed weakly, and the network reads no face."""
_FIRST_READINGS: Final = 2
"""Readings that each weakly or seldom verified face has. After them it is read in each frame only while it reads
clearly enough, else in frames in which verification passed."""
_READ_ON_CLARITY: Final = 0.3
"""Mean clarity of the readings from which such a face is read in each frame."""
_FREE_READINGS: Final = 10
"""Readings of a new track that are made in each frame; further ones only in frames in which verification passed."""
_MAX_UNVERIFIED_SECONDS: Final = 10.0
"""A confirmed track is removed when verification has failed for this long: the detections are then more
likely a phantom in the place where a face was. People turn and tilt their heads for less time."""
_MIN_FAILURES: Final = 5
"""Failures in a row that this takes at least: at one frame in ten seconds a single one would do, and up to every second
attempt at a hard face fails."""


@dataclass(slots=True)
class Track:
    """One face over time.

    `id`: counts all tracks from 1. `track_id`: counts confirmed tracks from 1, and is published; 0 until
    the track is confirmed. Neither is used twice.
    `box`: smoothed. `detected_box`: box of the last detection. `detection`: the detection of the current
    frame, None where there is none.
    `first_seconds`, `last_seconds`: frame times of the first and the last detection.
    `hits`: frames with a detection. `misses`: frames since the last detection.
    `velocity`: of the centre, pixels per second. `roll_degrees`: roll of the last detection.
    `readings`: of a weakly verified face, as `wants_reading` asks for them; `clarity_sum`: the sum of their clarities.
    """

    id: int
    box: Box
    detected_box: Box
    first_seconds: float
    last_seconds: float
    track_id: int = 0
    hits: int = 0
    misses: int = 0
    velocity: tuple[float, float] = (0.0, 0.0)
    detection: Detection | None = None
    roll_degrees: float = 0.0
    readings: int = 0
    clarity_sum: float = 0.0
    verification: Verification = field(default_factory=Verification)

    @property
    def confirmed(self) -> bool:
        """Whether the face may be announced."""
        return self.track_id > 0

    @property
    def wants_reading(self) -> bool:
        """Whether a reading decides if the face may be announced: it is verified, but weakly or seldom."""
        verification = self.verification
        weak = verification.passes > verification.strong_passes and verification.passes > 1
        seldom = verification.passes > 0 and verification.attempts >= verification.passes + _SELDOM_FAILURES
        if self.confirmed or self.detection is None or not (weak or seldom):
            return False
        if self.detection.verified or self.readings < _FIRST_READINGS:
            return True
        limit = _FREE_READINGS if weak else _CERTAIN_READINGS
        return self.readings < limit and self.reads_clearly(1, _READ_ON_CLARITY)

    @property
    def certain(self) -> bool:
        """Whether the network reads the face so clearly that fewer verifications will do."""
        return self.reads_clearly(_CERTAIN_READINGS, _CERTAIN_CLARITY)

    def reads_clearly(self, min_readings: int, min_clarity: float) -> bool:
        """Return whether there are that many readings, and their mean clarity is that high."""
        return self.readings >= min_readings and self.clarity_sum >= min_clarity * self.readings

    def predicted_box(self, seconds: float) -> Box:
        """Return the box predicted for a frame of that time, with the size of the last detection."""
        coasting = min(seconds - self.last_seconds, _COAST_SECONDS)
        last, (velocity_x, velocity_y) = self.detected_box, self.velocity
        return Box(last.x + velocity_x * coasting, last.y + velocity_y * coasting, last.width, last.height)

    def predict(self, seconds: float) -> TrackPrediction:
        """Return the prediction for a frame of that time."""
        box = self.predicted_box(seconds)
        return TrackPrediction(
            id=self.id,
            box=box,
            speed=math.dist(box.centre, self.detected_box.centre) / self.detected_box.width,
            misses=self.misses,
            new=self.hits < 2,  # noqa: PLR2004 - one detection gives no velocity
            confirmed=self.confirmed,
            verification=self.verification,
            roll_degrees=self.roll_degrees,
        )

    def update(self, detection: Detection, seconds: float, smoothing_seconds: float) -> None:
        """Add the detection of a frame; `smoothing_seconds`: time constant of `box`."""
        elapsed = seconds - self.last_seconds
        weight = 1.0
        if self.hits and smoothing_seconds > 0:
            weight = 1 - math.exp(-elapsed / smoothing_seconds)
        if elapsed > 0:
            share = _VELOCITY_WEIGHT if self.hits > 1 else 1.0
            share *= min(1.0, elapsed / _VELOCITY_SECONDS)
            (x, y), (last_x, last_y) = detection.box.centre, self.detected_box.centre
            velocity_x, velocity_y = self.velocity
            self.velocity = (
                velocity_x + share * ((x - last_x) / elapsed - velocity_x),
                velocity_y + share * ((y - last_y) / elapsed - velocity_y),
            )
        self.box = _interpolated(self.box, detection.box, weight)
        self.detection, self.detected_box = detection, detection.box
        self.roll_degrees = detection.roll_degrees
        self.last_seconds = seconds
        self.hits += 1
        self.misses = 0
        if detection.verified is not None:
            self.verification.record(passed=detection.verified, seconds=seconds, weak=detection.weak)


class Tracker:
    """Holds the tracks of one stream of frames.

    A face leaves after `lost_seconds` without a detection, and after MIN_FRAMES frames without one where these take
    longer.
    """

    def __init__(self, config: TrackerConfig) -> None:
        self._config = config
        self._tracks: list[Track] = []
        self._last_id = 0
        self._last_track_id = 0
        self._last_seconds: float | None = None

    def configure(self, config: TrackerConfig) -> None:
        """Apply another configuration from the next frame on; confirmed tracks stay confirmed."""
        self._config = config

    def predict(self, seconds: float) -> list[TrackPrediction]:
        """Return a prediction of each track for the frame of that time, which `update` gets next."""
        return [track.predict(seconds) for track in self._tracks]

    def update(self, detections: Sequence[Detection], seconds: float) -> tuple[list[Track], list[Track]]:
        """Match the detections of a frame to the tracks; `seconds`: the frame's time.

        Returns the live tracks, confirmed ones first in the order of `track_id`, and the confirmed tracks
        that this frame removed. Time must not go backwards between calls.
        """
        lost = self._remove(lambda track: self._is_lost(track, seconds) or _verification_failed(track))
        for track in self._tracks:
            track.detection = None
            track.misses += 1
        unmatched = list(detections)
        interval = 0.0 if self._last_seconds is None else seconds - self._last_seconds
        self._last_seconds = seconds
        for track, detection in self._match(detections, seconds, _max_shift(interval)):
            self._update_track(track, detection, seconds)
            unmatched.remove(detection)
        for detection in unmatched:
            # A detection of a track that was just removed begins no other one.
            if detection.verified and not detection.searched_id and not self._is_tracked(detection.box):
                self._last_id += 1
                track = Track(self._last_id, detection.box, detection.box, seconds, seconds)
                self._tracks.append(track)
                self._update_track(track, detection, seconds)
        # Again, so that a face leaves with the frame that proves it gone: the next one may be ten seconds away.
        lost += self._remove(lambda track: self._is_lost(track, seconds))
        self._tracks.sort(key=lambda track: (not track.confirmed, track.track_id, track.first_seconds))
        return list(self._tracks), lost

    def track_to_read(self) -> Track | None:
        """Return the largest track that `wants_reading`; None where there is none."""
        weak = [track for track in self._tracks if track.wants_reading]
        return max(weak, key=lambda track: track.box.width, default=None)

    def add_reading(self, track: Track, clarity: float, seconds: float) -> None:
        """Add how clearly the network reads a face that `wants_reading`, 0 to 1; may confirm the track.

        `clarity`: the highest mean probability of the face and its mirror image, less the total variation distance
        between the two. A network that was trained on faces reads a face and its mirror image alike, and a shelf not.
        """
        track.readings += 1
        track.clarity_sum += clarity
        self._confirm(track, seconds)

    def clear(self) -> list[Track]:
        """Remove all tracks; returns the confirmed ones."""
        lost = [track for track in self._tracks if track.confirmed]
        self._tracks = []
        return lost

    def renumber(self) -> None:
        """Give each confirmed track a number that was never used, as if another face stood in its place."""
        for track in self._tracks:
            if track.confirmed:
                self._last_track_id += 1
                track.track_id = self._last_track_id

    def _remove(self, is_gone: Callable[[Track], bool]) -> list[Track]:
        """Remove the tracks that are gone; returns the confirmed ones."""
        gone = {track.id: track for track in self._tracks if is_gone(track)}
        if gone:
            self._tracks = [track for track in self._tracks if track.id not in gone]
        return [track for track in gone.values() if track.confirmed]

    def _is_lost(self, track: Track, seconds: float) -> bool:
        max_gap = self._config.lost_seconds
        if not track.confirmed:
            max_gap = min(max_gap, _TENTATIVE_LOST_SECONDS)
        return seconds - track.last_seconds > max_gap and track.misses >= MIN_FRAMES

    def _match(
        self, detections: Sequence[Detection], seconds: float, max_shift: float
    ) -> list[tuple[Track, Detection]]:
        """Match greedily by score; confirmed tracks come before tentative ones."""
        candidates = [
            (not track.confirmed, -score, track_index, detection_index)
            for track_index, track in enumerate(self._tracks)
            for detection_index, detection in enumerate(detections)
            if detection.searched_id in (0, track.id)
            and (score := _match_score(track, detection.box, seconds, max_shift)) > 0
        ]
        matches: list[tuple[Track, Detection]] = []
        matched_tracks: set[int] = set()
        matched_detections: set[int] = set()
        for _, _, track_index, detection_index in sorted(candidates):
            if track_index not in matched_tracks and detection_index not in matched_detections:
                matched_tracks.add(track_index)
                matched_detections.add(detection_index)
                matches.append((self._tracks[track_index], detections[detection_index]))
        return matches

    def _is_tracked(self, box: Box) -> bool:
        """Return whether a track was detected at this place: a cascade may find one face at two sizes."""
        return any(track.detection is not None and track.detection.box.may_match(box) for track in self._tracks)

    def _update_track(self, track: Track, detection: Detection, seconds: float) -> None:
        config = self._config
        track.update(detection, seconds, config.box_smoothing_seconds)
        self._confirm(track, seconds)

    def _confirm(self, track: Track, seconds: float) -> None:
        """Confirm a track for which there is enough evidence."""
        config, verification = self._config, track.verification
        if track.confirmed or seconds - track.first_seconds < config.confirm_seconds:
            return
        clear = track.reads_clearly(_MIN_READINGS, _MIN_CLARITY)
        passes = verification.passes if clear else verification.strong_passes
        often = verification.passes >= _MIN_PASS_SHARE * verification.attempts
        certain = track.certain and verification.passes >= _CERTAIN_PASSES
        if certain or (passes >= config.confirm_hits and often):
            self._last_track_id += 1
            track.track_id = self._last_track_id


def _verification_failed(track: Track) -> bool:
    verification = track.verification
    if track.confirmed:
        unverified_seconds = verification.last_seconds - verification.last_pass_seconds
        return unverified_seconds > _MAX_UNVERIFIED_SECONDS and verification.failures >= _MIN_FAILURES
    if verification.attempts < MAX_TENTATIVE_ATTEMPTS:
        return False
    if track.certain and verification.attempts < _MAX_CERTAIN_ATTEMPTS:
        return False
    hopeless = track.readings >= _MIN_READINGS and not track.reads_clearly(_MIN_READINGS, _HOPELESS_CLARITY)
    return hopeless or verification.passes < _MIN_PASS_SHARE * verification.attempts


def _max_shift(interval_seconds: float) -> float:
    """Return how far a face may have moved since the frame before, in sides of the face."""
    return min(_LARGEST_SHIFT, _MAX_SHIFT + _SHIFT_PER_SECOND * max(0.0, interval_seconds - _NEAR_SECONDS))


def _match_score(track: Track, box: Box, seconds: float, max_shift: float) -> float:
    """Score a match: 1 + IoU where the boxes overlap, below 1 where the face moved, 0 for no match."""
    predicted = track.predicted_box(seconds)
    ratio = box.width / predicted.width
    if not 1 / MAX_SIZE_RATIO <= ratio <= MAX_SIZE_RATIO:
        return 0.0
    overlap = predicted.iou(box)
    if overlap >= _MIN_IOU:
        return 1 + overlap
    shift = math.dist(predicted.centre, box.centre) / max(predicted.width, box.width)
    if shift <= max_shift and seconds > track.last_seconds:
        return 1 - shift / (2 * _LARGEST_SHIFT)
    return 0.0


def _interpolated(old: Box, new: Box, weight: float) -> Box:
    def mix(before: float, after: float) -> float:
        return before + weight * (after - before)

    return Box(mix(old.x, new.x), mix(old.y, new.y), mix(old.width, new.width), mix(old.height, new.height))
