"""Renders the frames of the emulated device's camera, with the project's own scripted source."""

import sys
from pathlib import Path

import cv2

from edge.capture.scripted.script import parse_script
from edge.capture.scripted.source import ScriptedSource
from edge.capture.source import SourceOptions

FPS = 1
"""Frames per second, as in guest/actor.service. An emulated processor reads no more, and showing them costs it time."""

EMOTIONS = ("happy", "sad", "surprise")
SEGMENTS = ",".join([*(f"{emotion}=15" for emotion in EMOTIONS), "none=20"])
"""Long segments, for the same reason: at about one frame a second each emotion needs several classified frames."""


def portrait(file: Path) -> None:
    """Write an image of the actor's first emotion, in colour, as libcamera's virtual camera expects it."""
    source = ScriptedSource(parse_script(f"scripted:{EMOTIONS[0]}=1?seed=1&fps={FPS}"), SourceOptions())
    source.open()
    frame = source.read()
    source.close()
    assert frame is not None
    cv2.imwrite(str(file), cv2.cvtColor(frame.luma, cv2.COLOR_GRAY2BGR))


def render(target: Path) -> int:
    """Write one run of the script as raw grey frames; returns their number."""
    script = parse_script(f"scripted:{SEGMENTS}?seed=1&fps={FPS}")
    source = ScriptedSource(script, SourceOptions())
    source.open()
    with target.open("wb") as stream:
        while (frame := source.read()) is not None:
            stream.write(frame.luma.tobytes())
    source.close()
    return script.frames


if __name__ == "__main__":
    render(Path(sys.argv[1]) / "frames.raw")
    portrait(Path(sys.argv[1]) / "face.jpg")
