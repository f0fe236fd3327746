"""Renders scripted scenes with the actor of the package, and records them through the real detector and tracker."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from convert.data.corruptions import CORRUPTIONS
from convert.event_tuning.ground_truth import TrueExpression, ground_truth
from convert.event_tuning.replay import RecordedFace, RecordedFrame, RecordedTrack, record_tracks
from edge.capture.scripted.renderer import HEIGHT_PX, WIDTH_PX, Renderer, pose_at
from edge.capture.scripted.script import parse_script
from edge.config.schema import DetectorConfig, TrackerConfig
from edge.types import Box, Frame
from edge.vision.classification.classifier import Classifier
from edge.vision.classification.readability import is_blurred, obstacle_of_place
from edge.vision.detection.detector import Detector
from edge.vision.tracker import Track, Tracker

FPS: Final = 25.0
_SLOW: Final = "neutral=3.5,happy=3.5,sad=3.5,surprise=3.5,neutral=3"
_OTHERS: Final = "angry=3.5,fear=3.5,happy=3,disgust=3.5,neutral=3"
_QUICK: Final = "neutral=1.6,happy=1.6,sad=1.6,surprise=1.6,angry=1.6,neutral=1.6,happy=1.6,fear=1.6,neutral=1.6"
_FLICKERS: Final = "neutral=2.5,happy=0.2,neutral=2,surprise=0.3,neutral=2,sad=0.2,neutral=2,angry=0.3,neutral=2"
_BETWEEN: Final = "happy=2.5,sad=0.2,happy=2,surprise=0.3,sad=3,neutral=0.2,happy=3,fear=0.3,neutral=2.5"
_FACE_PX: Final = 200
"""Side of the actor's face at scale 1."""
_CENTRE_Y: Final = 205.0
_SWING_SECONDS: Final = 4.0


@dataclass(frozen=True)
class Scene:
    """The actors and the camera of one scene.

    `scripts`: one actor each, side by side. `scale`: size of an actor; 1 is a face of 200 pixels. `swing_px`:
    amplitude of the camera's swing, with a period of four seconds. `corruption`: corruption of the whole frame
    and its strength (of motion blur: relative to the size of the face). `jitter`: standard deviation of the
    noise on place and size of each detected box, share of its side. `tilt_degrees`: from which angle to which
    the actors tilt their heads, as in a script.
    """

    name: str
    scripts: tuple[str, ...]
    scale: float = 1.0
    swing_px: float = 0.0
    corruption: tuple[str, float] = ("none", 0.0)
    jitter: float = 0.0
    tilt_degrees: tuple[float, float] = (0.0, 0.0)


SCENES: Final = (
    Scene("slow", (_SLOW,)),
    Scene("others", (_OTHERS,)),
    Scene("quick", (_QUICK,)),
    Scene("flickers", (_FLICKERS,)),
    Scene("flickers between", (_BETWEEN,)),
    Scene("two actors", (_SLOW, _BETWEEN), scale=0.5),
    Scene("small", (_OTHERS,), scale=0.35),
    Scene("moving", (_SLOW,), scale=0.6, swing_px=120.0),
    Scene("low light", (_OTHERS,), corruption=("low_light", 0.7), scale=0.6),
    Scene("motion blur", (_SLOW,), corruption=("motion_blur", 0.4), scale=0.6),
    Scene("grain, shaky box", (_QUICK,), corruption=("sensor_noise", 0.8), jitter=0.04, scale=0.6),
    Scene("jpeg, shaky box", (_FLICKERS,), corruption=("jpeg", 0.6), jitter=0.04, scale=0.6),
    Scene("tilted", (_OTHERS,), scale=0.6, tilt_degrees=(30.0, 30.0)),
    Scene("tilting", (_SLOW,), scale=0.6, tilt_degrees=(-45.0, 45.0)),
)


def render_frames(scene: Scene) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Render a scene: (seconds, uint8 (480, 640)) at 25 frames per second."""
    first, second = scene.tilt_degrees
    options = f"fps={FPS:g}&tilt={first:g}..{second:g}"
    scripts = [parse_script(f"scripted:{text}?{options}") for text in scene.scripts]
    stages = [Renderer(number + 1) for number in range(len(scripts))]
    rng = np.random.default_rng(len(scene.name))
    for number in range(max(script.frames for script in scripts)):
        seconds = number / FPS
        swing = scene.swing_px * float(np.sin(2 * np.pi * seconds / _SWING_SECONDS))
        shots = [
            _film(
                stage.draw(
                    pose_at(script, min(seconds, script.duration_seconds)), number, FPS, script.tilt_at(seconds)
                ),
                scene.scale,
                WIDTH_PX // len(scripts),
                swing,
            )
            for stage, script in zip(stages, scripts, strict=True)
        ]
        frame = np.concatenate(shots, axis=1)
        name, strength = scene.corruption
        if name == "motion_blur":
            strength *= rng.random() * _FACE_PX * scene.scale / HEIGHT_PX
        if name in CORRUPTIONS:
            frame = CORRUPTIONS[name](frame, strength, rng)
        yield seconds, frame


def _film(image: NDArray[np.uint8], scale: float, width: int, shift_px: float) -> NDArray[np.uint8]:
    """Scale and move the actor's image into (480, width); its edge pixels continue the wall."""
    size = (round(WIDTH_PX * scale), round(HEIGHT_PX * scale))
    reduced = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    matrix = np.array([[1.0, 0.0, width / 2 + shift_px - size[0] / 2], [0.0, 1.0, HEIGHT_PX / 2 - scale * _CENTRE_Y]])
    shot = cv2.warpAffine(reduced, matrix, (width, HEIGHT_PX), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(shot, dtype=np.uint8)


def _jittered(box: Box, jitter: float, rng: np.random.Generator) -> Box:
    dx, dy, larger = rng.standard_normal(3) * jitter * box.width
    return Box(box.x + dx - larger / 2, box.y + dy - larger / 2, box.width + larger, box.height + larger)


def truth_at(scene: Scene) -> Callable[[float], tuple[TrueExpression, ...]]:
    """Return a function from a face's x in the frame, pixels, to its ground truth."""
    truths = [
        ground_truth(
            [
                (segment.emotion, segment.end_seconds - segment.start_seconds)
                for segment in parse_script(f"scripted:{text}").segments
            ]
        )
        for text in scene.scripts
    ]
    return lambda x: truths[min(len(truths) - 1, max(0, int(x * len(truths) / WIDTH_PX)))]


def record_scene(
    scene: Scene, frames: Iterable[tuple[float, NDArray[np.uint8]]], classifier: Classifier
) -> list[RecordedTrack]:
    """Detect, track and classify the faces of a scene in these frames, with the default settings.

    `frames`: as `render_frames` gives them, or every n-th of them. Raises CascadeError where OpenCV's cascades are
    missing.
    """
    return record_tracks(scene.name, _record_frames(scene, frames, classifier), truth_at(scene), len(classifier.labels))


def _record_frames(
    scene: Scene, frames: Iterable[tuple[float, NDArray[np.uint8]]], classifier: Classifier
) -> Iterator[RecordedFrame]:
    detector, tracker = Detector(DetectorConfig()), Tracker(TrackerConfig())
    rng = np.random.default_rng(1000 + len(scene.name))
    for number, (seconds, image) in enumerate(frames):
        colour = np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), np.uint8) if classifier.wants_colour else None
        frame = Frame(number, seconds, image, 0.0, 0.0, colour)
        tracks, _ = tracker.update(detector.search(image, seconds, tracker.predict(seconds)), seconds)
        yield RecordedFrame(seconds, tuple(_recorded(track, frame, classifier, scene.jitter, rng) for track in tracks))


def _recorded(
    track: Track, frame: Frame, classifier: Classifier, jitter: float, rng: np.random.Generator
) -> RecordedFace:
    face, x = track.detection, track.box.centre[0]
    if face is None:
        return RecordedFace(track.id, track.confirmed, x, None, readable=False)
    box = _jittered(face.box, jitter, rng) if jitter else face.box
    (prediction,) = classifier.classify(frame, [box], [face.roll_degrees])
    readable = obstacle_of_place(face, frame.luma.shape) is None and not is_blurred(frame.luma, face)
    return RecordedFace(track.id, track.confirmed, x, prediction, readable=readable)
