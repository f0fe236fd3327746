"""Renders what the actor plays in the emulated device, with the project's own scripted source."""

import sys
from pathlib import Path

from edge.sources.base import SourceOptions
from edge.sources.script import parse_script
from edge.sources.scripted import ScriptedSource

FPS = 3
"""As guest/actor.service says. An emulated processor reads fewer than this."""

EMOTIONS = ("happy", "sad", "surprise")
PARTS = ",".join([*(f"{emotion}=20" for emotion in EMOTIONS), "none=15"])
"""Long parts, for the same reason: several readings of each are wanted, at half a frame a second."""


def render(target: Path) -> int:
    """Write one run of the script as raw grey frames; returns how many."""
    script = parse_script(f"scripted:{PARTS}?seed=1&fps={FPS}")
    source = ScriptedSource(script, SourceOptions())
    source.open()
    with target.open("wb") as stream:
        while (frame := source.read()) is not None:
            stream.write(frame.luma.tobytes())
    source.close()
    return script.frames


if __name__ == "__main__":
    render(Path(sys.argv[1]))
