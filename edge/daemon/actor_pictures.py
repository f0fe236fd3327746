"""Draws the pictures on which model and cascades are tried: the built-in actor, in one pose with seven expressions.

Drawing takes 0.2 s on one x86-64 core. It is done once in a process.
"""

from functools import cache
from typing import Final

from edge.capture.scripted.renderer import Pose, Renderer
from edge.capture.scripted.script import EMOTIONS
from edge.types import Box, Luma

TEST_FACE: Final = Box(202.0, 110.0, 199.0, 199.0)
"""Where the face is in each of them: the mean of what the detector finds in the seven."""
_SEED: Final = 1
_FULL: Final = 256
_FPS: Final = 15.0


@cache
def actor_pictures() -> dict[str, Luma]:
    """Return a picture, uint8 (480, 640), for each expression. Raises SourceError without the actor's image."""
    renderer = Renderer(_SEED)
    return {emotion: renderer.draw(Pose(emotion, emotion, _FULL, _FULL), 0, _FPS) for emotion in EMOTIONS}
