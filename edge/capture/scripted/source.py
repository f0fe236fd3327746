"""The camera that ships with the package: an actor with no identity plays a script."""

from pathlib import Path

from edge.capture.scripted.renderer import ACTOR_PNG, Renderer, pose_at
from edge.capture.scripted.script import Script
from edge.capture.source import SourceOptions, frame_from_bgr
from edge.types import Frame


class ScriptedSource:
    """640x480 at the script's own rate; finite (unless it loops), so no frame is dropped.

    Width, height and fps of the options do not apply. `strip_path` is replaced in tests.
    """

    live = False

    def __init__(self, script: Script, options: SourceOptions, strip_path: Path = ACTOR_PNG) -> None:
        self.uri = script.uri
        self.script = script
        self._options = options
        self._strip_path = strip_path
        self._stage: Renderer | None = None
        self._number = 0

    def open(self) -> None:
        """Build the stage."""
        self._stage = Renderer(self.script.seed, self._strip_path)

    def read(self) -> Frame | None:
        """Draw the next frame; None at the end of the script."""
        if self._stage is None:
            message = "read() of a scripted source that is not open"
            raise RuntimeError(message)
        script, number = self.script, self._number
        if number >= script.frames and not script.loop:
            return None
        in_run = number % script.frames / script.fps
        pose = pose_at(script, in_run, again=number >= script.frames)
        luma = self._stage.draw(pose, number, script.fps)
        self._number += 1
        return frame_from_bgr(number, number / script.fps, luma, self._options)

    def close(self) -> None:
        """Let the stage go."""
        self._stage = None
