"""Renders what the actor plays in the emulated device, with the project's own scripted source."""

import itertools
import sys
from pathlib import Path

import cv2

from edge.sources.base import SourceOptions
from edge.sources.script import parse_script
from edge.sources.scripted import ScriptedSource

FPS = 1
"""As guest/actor.service says. An emulated processor reads no more than this, and showing them costs it, too."""

EMOTIONS = ("happy", "sad", "surprise")
PARTS = ",".join([*(f"{emotion}=15" for emotion in EMOTIONS), "none=20"])
"""Long parts, for the same reason: several readings of each are wanted, at about one frame a second."""


STILLS = 4


def stills(folder: Path) -> None:
    """Write some pictures of the actor's first emotion as JPEG files, for a camera that shows files."""
    source = ScriptedSource(parse_script(f"scripted:{EMOTIONS[0]}={STILLS}?seed=1&fps={FPS}"), SourceOptions())
    source.open()
    folder.mkdir()
    for frame in itertools.islice(iter(source.read, None), STILLS):
        # As its name says: libcamera takes them in this order. In colour, as it expects them.
        cv2.imwrite(str(folder / f"{frame.number}.jpg"), cv2.cvtColor(frame.luma, cv2.COLOR_GRAY2BGR))
    source.close()


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
    render(Path(sys.argv[1]) / "frames.raw")
    stills(Path(sys.argv[1]) / "faces")
