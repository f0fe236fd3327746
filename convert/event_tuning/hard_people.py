"""Composes people who cannot always be read, from faces of FER2013's PublicTest, and records their predictions.

They tilt their heads, turn away, blur (out of focus, or in motion) or leave the frame by half, for seconds at a time.
Unlike in `face_sequences` each face stands in a frame, so that it is turned upright and cropped, and found readable or
not, as on the device.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from convert.data.augment import place_face
from convert.event_tuning.face_sequences import (
    APPEARANCE,
    FPS,
    SEED,
    AgreedFaces,
    draw_faces,
    draw_pose,
    draw_segments,
    emotion_chances,
    random_intervals,
)
from convert.event_tuning.ground_truth import ground_truth
from convert.event_tuning.replay import RecordedTrack
from edge.types import Box, Detection, Frame
from edge.vision.classification.classifier import Classifier
from edge.vision.classification.readability import is_blurred, obstacle_of_place

_FACE_PX: Final = 100
_FRAME_PX: Final = 200
"""The face stands in the middle of the frame."""
_PER_SECOND: Final = 1 / 5
_SECONDS: Final = (0.8, 4.0)
"""An obstacle comes every five seconds, and stays for this long: often a whole expression."""
_RAMP_SECONDS: Final = 0.4
"""Duration of its coming and going."""
_WEAKEST: Final = 0.4
"""Strength of the weakest obstacle."""
_READABLE_SECONDS: Final = 1.0
"""Time at the beginning without an obstacle."""
_MAX_TILT_DEG: Final = 45.0
_ROLL_ERROR_DEG: Final = 5.0
"""Standard deviation of the roll that the detector finds: half of its errors on the built-in actor are below 3.5, nine
in ten below 7 degrees."""
_MAX_TURN_DEG: Final = 85.0
_TURN_ERROR: Final = 0.05
_BLUR: Final = (0.02, 0.1)
"""Standard deviation of a blur out of focus, in sides of the face."""
_MOTION: Final = 4.0
"""Length of a motion while the shutter is open that hides as much, in these standard deviations."""
_CUT: Final = (0.2, 0.75)
"""Share of the face that leaves the frame. A detector finds hardly a face of which less is left."""


@dataclass(frozen=True)
class _Shot:
    """A frame, uint8 (height, width), and the face that a detector finds in it."""

    luma: NDArray[np.uint8]
    face: Detection


_Film = Callable[[NDArray[np.uint8], float, np.random.Generator], _Shot]
"""Places a face, uint8 (48, 48), in a frame, with an obstacle from 0 (none) to 1 (as strong as it gets)."""


def record_hard_person(number: int, classifier: Classifier, faces: AgreedFaces, seconds: float) -> RecordedTrack:
    """Compose and classify one person's sequence at 25 frames per second; depends on number, data and model only."""
    rng = np.random.default_rng((SEED, 1, number))
    name, film = list(_FILMS.items())[number % len(_FILMS)]
    segments = draw_segments(rng, seconds, emotion_chances(faces))
    images = draw_faces(rng, segments, faces, varies=False)
    count = len(images)
    strengths, draws = _draw_obstacles(rng, count)
    pose = draw_pose(rng, count)
    predictions = np.zeros((count, len(classifier.labels)), dtype=np.float32)
    readable = np.zeros(count, dtype=bool)
    for index, image in enumerate(images):
        shot = film(image, float(strengths[index]), np.random.default_rng((number, int(draws[index]))))
        box = shot.face.box
        (dx, dy), scale = pose.shift[index] * _FACE_PX, float(pose.scale[index])
        side = _FACE_PX * scale
        jittered = Box(box.centre[0] + dx - side / 2, box.centre[1] + dy - side / 2, side, side)
        face = replace(shot.face, box=jittered, roll_degrees=shot.face.roll_degrees + float(pose.tilt_deg[index]))
        colour = np.asarray(cv2.cvtColor(shot.luma, cv2.COLOR_GRAY2BGR), np.uint8) if classifier.wants_colour else None
        frame = Frame(index, index / FPS, shot.luma, 0.0, 0.0, colour)
        (predictions[index],) = classifier.classify(frame, [face.box], [face.roll_degrees])
        readable[index] = obstacle_of_place(face, shot.luma.shape) is None and not is_blurred(shot.luma, face)
    times = np.arange(count) / FPS
    classified = np.ones(count, dtype=bool)
    return RecordedTrack(name, ground_truth(segments), times, predictions, classified, APPEARANCE, readable)


def _draw_obstacles(rng: np.random.Generator, frames: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Draw the strength of the obstacle in each frame (n,), 0 to 1, and a number (n,) of each coming."""
    inside = random_intervals(rng, frames, _PER_SECOND, _SECONDS)
    inside[: round(FPS * _READABLE_SECONDS)] = False
    ramp = round(FPS * _RAMP_SECONDS)
    smooth = np.convolve(inside, np.full(ramp, 1 / ramp))[:frames]
    numbers = np.cumsum(np.diff(inside, prepend=False) & inside).astype(np.int64)
    most = _WEAKEST + (1 - _WEAKEST) * rng.random(int(numbers[-1]) + 1)
    return np.asarray(smooth * most[numbers], dtype=np.float64), numbers


def _placed(image: NDArray[np.uint8], tilt_degrees: float = 0.0) -> NDArray[np.uint8]:
    """Place a face upright, or tilted clockwise, in the middle of a frame."""
    return place_face(image, _FRAME_PX, -tilt_degrees, _FACE_PX / _FRAME_PX, (0.0, 0.0))


def _found(roll_degrees: float = 0.0, turn: float | None = None) -> Detection:
    corner = (_FRAME_PX - _FACE_PX) / 2
    box = Box(corner, corner, _FACE_PX, _FACE_PX)
    return Detection(box, 9, verified=True, roll_degrees=roll_degrees, turn=turn)


def _tilted(image: NDArray[np.uint8], strength: float, rng: np.random.Generator) -> _Shot:
    tilt = float(rng.choice([-1, 1])) * _MAX_TILT_DEG * strength
    error = float(rng.normal(0, _ROLL_ERROR_DEG)) if strength else 0.0
    return _Shot(_placed(image, tilt), _found(roll_degrees=tilt + error))


def _turned(image: NDArray[np.uint8], strength: float, rng: np.random.Generator) -> _Shot:
    """Turn the face to a side, as if it were painted on half of a cylinder; what is behind its edge repeats it."""
    degrees = float(rng.choice([-1, 1])) * _MAX_TURN_DEG * strength
    side = image.shape[0]
    across = (np.arange(side, dtype=np.float32) + 0.5) / side * 2 - 1
    on_face = np.clip(np.arcsin(across) + np.radians(degrees), -np.pi / 2, np.pi / 2)
    columns = ((np.sin(on_face) + 1) / 2 * side - 0.5).astype(np.float32)
    x, y = np.meshgrid(columns, np.arange(side, dtype=np.float32))
    turned = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    turn = abs(degrees) / 90 + (float(rng.normal(0, _TURN_ERROR)) if strength else 0.0)
    return _Shot(_placed(np.asarray(turned, dtype=np.uint8)), _found(turn=turn))


def _blurred(image: NDArray[np.uint8], strength: float, rng: np.random.Generator) -> _Shot:
    luma, deviation = _placed(image), float(rng.uniform(*_BLUR)) * strength * _FACE_PX
    length = max(1, round(_MOTION * deviation))
    kind = int(rng.integers(4))
    if kind > 1:
        luma = np.asarray(cv2.blur(luma, (length, 1) if kind == 3 else (1, length)), dtype=np.uint8)  # noqa: PLR2004
    elif deviation:
        luma = np.asarray(cv2.GaussianBlur(luma, (0, 0), deviation), dtype=np.uint8)
    return _Shot(luma, _found())


def _half_hidden(image: NDArray[np.uint8], strength: float, rng: np.random.Generator) -> _Shot:
    """Move the face out of the frame at a side or at the bottom."""
    luma, face = _placed(image), _found()
    edge, cut = int(rng.integers(3)), round(rng.uniform(*_CUT) * strength * _FACE_PX)
    beyond = (_FRAME_PX - _FACE_PX) // 2 + cut if cut else 0
    if edge == 0:
        return _Shot(luma[:, beyond:], replace(face, box=replace(face.box, x=face.box.x - beyond)))
    return _Shot(luma[:, : _FRAME_PX - beyond] if edge == 1 else luma[: _FRAME_PX - beyond], face)


_FILMS: Final[dict[str, _Film]] = {
    "tilted": _tilted,
    "turned": _turned,
    "blurred": _blurred,
    "half hidden": _half_hidden,
}
