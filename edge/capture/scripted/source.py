"""A source that needs no camera: an actor without an identity plays a script."""

from pathlib import Path

from edge.capture.scripted.renderer import Renderer, pose_at
from edge.capture.scripted.script import Script
from edge.capture.scripted.sprite import ACTOR_PNG
from edge.capture.source import SourceOptions, frame_from_bgr
from edge.types import Frame


class ScriptedSource:
    """Frames of 640x480 pixels at the script's rate; finite (unless the script loops), so no frame is dropped.

    Width, height and fps of the options do not apply. `strip_path` is the image of the actor's faces.
    """

    live = False

    def __init__(self, script: Script, options: SourceOptions, strip_path: Path = ACTOR_PNG) -> None:
        self.uri = script.uri
        self.script = script
        self._options = options
        self._strip_path = strip_path
        self._renderer: Renderer | None = None
        self._number = 0

    def open(self) -> None:
        """Prepare the renderer."""
        self._renderer = Renderer(self.script.seed, self._strip_path)

    def read(self) -> Frame | None:
        """Draw the next frame; returns None at the end of the script."""
        if self._renderer is None:
            message = "read() of a scripted source that is not open"
            raise RuntimeError(message)
        script, number = self.script, self._number
        if number >= script.frames and not script.loop:
            return None
        run_seconds = number % script.frames / script.fps
        pose = pose_at(script, run_seconds, repeated=number >= script.frames)
        luma = self._renderer.draw(pose, number, script.fps, script.tilt_at(number / script.fps))
        self._number += 1
        return frame_from_bgr(number, number / script.fps, luma, self._options)

    def close(self) -> None:
        """Release the renderer."""
        self._renderer = None
