"""Builds event and state payloads from the results of the pipeline."""

import datetime
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.errors import ConfigError
from edge.messages.payloads import BoxShare, EventPayload, FacePayload, StateFace, StatePayload, ZoneState
from edge.messages.valence import ValenceWeights
from edge.polygon import Polygon, contains
from edge.redact import quoted, quoted_name
from edge.types import Box, Event, Frame, TrackedFace

STATE_SECONDS: Final = 1.0
"""Interval at which the retained state is published while a face is in view: its box and probabilities change."""

_DECIMALS: Final = 4
"""Decimals of probabilities and of boxes: a ten-thousandth of a frame is less than a pixel."""
_EDGE: Final = 1e-6
"""Share of the frame by which a centre is moved off its edge, where it would lie on the border of a zone."""


def timestamp(unix_seconds: float) -> str:
    """Format a time as RFC 3339 in UTC with milliseconds, as in 2026-01-31T08:15:00.250Z."""
    moment = datetime.datetime.fromtimestamp(unix_seconds, tz=datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class PayloadBuilder:
    """Builds event and state payloads, and numbers the events of one boot without a gap.

    `labels`: labels of the model, in the order of its probabilities. `groups`: labels by configured group.
    `valence`: configured weights of labels, in place of the defaults.
    """

    def __init__(
        self,
        boot_id: str,
        labels: Sequence[str],
        groups: Mapping[str, Sequence[str]],
        valence: Mapping[str, float] | None = None,
    ) -> None:
        """Raises ConfigError for a group or a weight of a label that the model does not have."""
        self._boot_id = boot_id
        self._labels = tuple(labels)
        self._seq = 0
        self._zones: Mapping[str, Polygon] = {}
        self.configure(groups, valence or {})

    def configure(self, groups: Mapping[str, Sequence[str]], valence: Mapping[str, float]) -> None:
        """Use other groups and weights from the next payload on. Raises ConfigError as above, and changes nothing."""
        weights = ValenceWeights(self._labels, valence)
        for group, members in groups.items():
            for label in members:
                if label not in self._labels:
                    raise ConfigError(
                        f"labels.{quoted_name(group)} holds {quoted(label)}, which is no label of the model: these are "
                        f"{', '.join(self._labels)}"
                    )
        self.weights = weights
        self._groups = {group: [self._labels.index(label) for label in members] for group, members in groups.items()}
        self._group_of = {label: group for group, members in groups.items() for label in members}

    def use_labels(
        self, labels: Sequence[str], groups: Mapping[str, Sequence[str]], valence: Mapping[str, float]
    ) -> None:
        """Use the labels of another model, with their groups and weights, from the next payload on; numbers go on.

        Raises ConfigError as above, and changes nothing.
        """
        before, self._labels = self._labels, tuple(labels)
        try:
            self.configure(groups, valence)
        except ConfigError:
            self._labels = before
            raise

    def set_zones(self, zones: Mapping[str, Polygon]) -> None:
        """Use these zones from the next payload on. `zones`: by name, in shares of the frame."""
        self._zones = zones

    def event(self, event: Event) -> EventPayload:
        """Build the payload of an event, with the next number. `stamped` sets the rest on sending."""
        self._seq += 1
        face = event.face
        return EventPayload(
            id=f"{self._boot_id}:{self._seq}",
            boot_id=self._boot_id,
            seq=self._seq,
            time=timestamp(event.frame.captured_unix),
            source_seconds=round(event.frame.seconds, 3),
            type=event.kind.value,
            face=FacePayload(
                track=face.track_id,
                box=box_share(face.box, event.frame),
                roll_degrees=_roll_degrees(face),
                zones=self._zones_of(face.box, event.frame),
            ),
            emotion=face.label,
            previous=event.previous,
            group=self._group(face.label),
            confidence=_rounded(face.confidence),
            leader=face.leader,
            leader_group=self._group(face.leader),
            leader_confidence=_leader_confidence(face),
            probabilities=self._named(face.probabilities),
            groups=self._grouped(face.probabilities),
            valence=self.valence(face),
            latency_ms=0.0,
            replayed=False,
        )

    def state(
        self, faces: Sequence[TrackedFace], frame: Frame | None, now_unix: float, *, paused: bool = False
    ) -> StatePayload:
        """Build the payload of the faces in view. `frame`, on which they were seen, may be None only without faces."""
        moment = now_unix if frame is None else frame.captured_unix
        largest = _largest(faces)
        seen = [] if frame is None else [(face, self._state_face(face, frame)) for face in faces]
        return StatePayload(
            time=timestamp(moment),
            paused=paused,
            present=bool(faces),
            emotion=None if largest is None else largest.label,
            confidence=None if largest is None else _rounded(largest.confidence),
            leader=None if largest is None else largest.leader,
            leader_confidence=None if largest is None else _leader_confidence(largest),
            valence=None if largest is None else self.valence(largest),
            faces=[one for _, one in seen],
            zones={zone: self._zone_state([face for face, one in seen if zone in one.zones]) for zone in self._zones},
        )

    def _zone_state(self, inside: Sequence[TrackedFace]) -> ZoneState:
        """Return the state of a zone with these faces in it."""
        largest = _largest(inside)
        return ZoneState(
            present=bool(inside),
            faces=len(inside),
            emotion=None if largest is None else largest.label,
            confidence=None if largest is None else _rounded(largest.confidence),
            valence=None if largest is None else self.valence(largest),
        )

    def _zones_of(self, box: Box, frame: Frame) -> list[str]:
        """Return the zones in which the centre of a box lies; a centre outside the frame counts as at its edge."""
        height, width = frame.luma.shape
        centre = box.centre
        x, y = (min(1 - _EDGE, max(_EDGE, at / size)) for at, size in zip(centre, (width, height), strict=True))
        return [zone for zone, polygon in self._zones.items() if contains(polygon, (x, y))]

    def _state_face(self, face: TrackedFace, frame: Frame) -> StateFace:
        return StateFace(
            track=face.track_id,
            box=box_share(face.box, frame),
            roll_degrees=_roll_degrees(face),
            zones=self._zones_of(face.box, frame),
            emotion=face.label,
            group=self._group(face.label),
            confidence=_rounded(face.confidence),
            leader=face.leader,
            leader_group=self._group(face.leader),
            leader_confidence=_leader_confidence(face),
            probabilities=self._named(face.probabilities),
            groups=self._grouped(face.probabilities),
            valence=self.valence(face),
        )

    def _group(self, label: str | None) -> str | None:
        return None if label is None else self._group_of.get(label)

    def _named(self, probabilities: NDArray[np.float32]) -> dict[str, float]:
        return {label: _rounded(float(value)) for label, value in zip(self._labels, probabilities, strict=True)}

    def valence(self, face: TrackedFace) -> float | None:
        """Return the valence of a face; None before its first reading, or where a label of the model has no weight."""
        # Before the first reading all probabilities are equal, and would give a number that nobody has read.
        return None if face.leader is None else self.weights.valence(face.probabilities.tolist())

    def _grouped(self, probabilities: NDArray[np.float32]) -> dict[str, float]:
        return {group: _rounded(float(probabilities[members].sum())) for group, members in self._groups.items()}


def _largest(faces: Sequence[TrackedFace]) -> TrackedFace | None:
    return max(faces, key=lambda face: face.box.width * face.box.height, default=None)


def _rounded(value: float) -> float:
    return round(min(1.0, max(0.0, value)), _DECIMALS)


def _roll_degrees(face: TrackedFace) -> float:
    """Return the roll in whole degrees: it is known to some ten."""
    return float(round(face.roll_degrees))


def _leader_confidence(face: TrackedFace) -> float | None:
    return None if face.leader_confidence is None else _rounded(face.leader_confidence)


def box_share(box: Box, frame: Frame) -> BoxShare:
    """Return a box as shares of the frame, without the part that lies outside."""
    height, width = frame.luma.shape
    left, top = _rounded(box.x / width), _rounded(box.y / height)
    right, bottom = _rounded((box.x + box.width) / width), _rounded((box.y + box.height) / height)
    return BoxShare(x=left, y=top, width=round(right - left, _DECIMALS), height=round(bottom - top, _DECIMALS))
