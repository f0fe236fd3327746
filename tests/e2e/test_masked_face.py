"""A masked face appears nowhere, however the camera hangs: from its picture through pipeline, payloads and program."""

import cv2
import numpy as np
import pytest

from edge.capture.capture import Capture
from edge.capture.masks import Masks
from edge.capture.open import create_source
from edge.capture.reconnect import ReconnectPolicy
from edge.capture.source import SourceOptions, frame_from_bgr
from edge.config.areas import in_frame
from edge.config.schema import Config, SourceConfig
from edge.messages.payload_builder import PayloadBuilder
from edge.vision.classification.classifier import Classifier
from edge.vision.detection.detector import Detector
from edge.vision.pipeline import Pipeline
from support.program import run

FACE = [(0.22, 0.08), (0.78, 0.08), (0.78, 0.85), (0.22, 0.85)]
"""Around the actor's face, in the upright picture of 640x480 pixels."""
TURNS = {0: None, 90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}
"""How a camera sees the upright world whose frames `rotate` turns back."""
SCRIPT = "scripted:happy=0.4?seed=5"


@pytest.fixture(scope="module")
def classifier():
    return Classifier.from_config(Config().model)


@pytest.fixture(scope="module")
def world():
    """Frames of the actor, as the camera would see them upright."""
    source = create_source(SCRIPT, SourceOptions())
    source.open()
    frames = []
    while (frame := source.read()) is not None:
        frames.append(frame.luma)
    source.close()
    return frames


def as_camera_sees(picture, rotate, flip):
    """Return what a camera gives that `rotate` and `flip` make upright again: both undone, the last one first."""
    if flip != "none":
        picture = cv2.flip(picture, {"horizontal": 1, "vertical": 0}[flip])
    return picture if TURNS[rotate] is None else cv2.rotate(picture, TURNS[rotate])


def corners_in_camera(rotate, flip):
    """Return the corners of FACE in the camera's picture, found by turning a picture with that area."""
    drawn = np.zeros((480, 640), np.uint8)
    left, top = (round(share * size) for share, size in zip(FACE[0], (640, 480), strict=True))
    right, bottom = (round(share * size) for share, size in zip(FACE[2], (640, 480), strict=True))
    drawn[top:bottom, left:right] = 255
    turned = as_camera_sees(drawn, rotate, flip)
    x, y, width, height = cv2.boundingRect(turned)
    (rows, columns), (x2, y2) = turned.shape, (x + width, y + height)
    return [(a / columns, b / rows) for a, b in ((x, y), (x2, y), (x2, y2), (x, y2))]


class Camera:
    """Gives the world as a camera that hangs turned or mirrored."""

    live = False
    uri = "camera"

    def __init__(self, world, options):
        self.options, self.source = options, iter(world)

    def open(self):
        self.number = 0

    def read(self):
        picture = next(self.source, None)
        if picture is None:
            return None
        seen = as_camera_sees(picture, self.options.config.rotate, self.options.config.flip)
        frame = frame_from_bgr(self.number, self.number / 25, seen.copy(), self.options)
        self.number += 1
        return frame

    def close(self):
        pass


def seen_through(world, classifier, config, masks):
    """Return the last frame, the events, and the last state of a run."""
    capture = Capture(
        lambda: Camera(world, SourceOptions(config.source)),
        fast=True,
        policy=ReconnectPolicy(5.0),
        masks=Masks(masks, config.source),
    )
    pipeline = Pipeline(config, Detector(config.detector), classifier)
    builder = PayloadBuilder("boot", classifier.labels, {})
    builder.set_zones(in_frame(config.zones, config.source))
    events, frame, faces = [], None, ()
    capture.start()
    try:
        while not capture.ended:
            taken = capture.next(60)
            if taken is not None:
                frame, result = taken, pipeline.step(taken)
                events += [builder.event(event) for event in result.events]
                faces = result.faces
    finally:
        capture.stop()
    return frame, events, builder.state(faces, frame, 0.0)


@pytest.mark.parametrize("rotate", TURNS)
@pytest.mark.parametrize("flip", ["none", "horizontal", "vertical"])
def test_mask_hides_and_zone_names_the_same_face_however_the_camera_hangs(world, classifier, rotate, flip):
    corners = corners_in_camera(rotate, flip)
    source = SourceConfig(rotate=rotate, flip=flip)
    frame, events, state = seen_through(world, classifier, Config(source=source, zones={"here": corners}), [])
    assert frame.luma.shape == (480, 640)
    assert [(event.type, event.face.zones) for event in events] == [("face_appeared", ["here"])]
    assert (state.zones["here"].faces, [face.zones for face in state.faces]) == (1, [["here"]])
    frame, events, state = seen_through(world, classifier, Config(source=source), [corners])
    assert not frame.luma[45:400, 145:495].any()
    assert frame.luma[:36].all()
    assert (events, state.faces) == ([], [])


def test_masked_face_is_in_no_event_and_no_line_of_the_log(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text(f"[masks]\nface = {[list(corner) for corner in FACE]}\n", encoding="utf-8")
    source = "scripted:happy=1,sad=1?seed=5"
    result = run("run", "--config", config, "--source", source, "--fast", "--log-level", "debug")
    assert (result.returncode, result.stdout) == (0, "")
    assert "masks hide 44 % of the picture" in result.stderr
    assert result.stderr.endswith("the source has ended: 30 frames, 0 events\n")
    told = result.stderr.replace(source, "")
    assert not [label for label in ("happy", "sad", "neutral", "face 1", "appeared") if label in told]
