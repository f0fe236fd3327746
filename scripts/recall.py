"""Compare what the scheduled search finds with what searching each frame whole finds, file by file.

Reference: media/faces.json beside the checkout (EMOTION_EDGE_DATA), boxes of 24 pixels and more, IoU 0.3. A
face counts as found in a frame where a track, or what the frame's own search found, lies on it; for the whole
search (scale 1.1, 5 neighbours, 30 pixels) what it finds in the frame. Both also give the boxes per frame that
lie on no reference box of any size. Processor time is that of the search alone, without the network.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.config.schema import Config
from edge.levels import LADDER, Level
from edge.types import Box
from edge.vision.detection.cascades import SEARCH_CASCADE, cascade_path, load_cascade
from edge.vision.detection.detector import Detector
from edge.vision.tracker import Tracker

SMALLEST_PX = 24
SAME_FACE = 0.3
FPS = 12.5
PLAIN_SCALE, PLAIN_NEIGHBOURS, PLAIN_SMALLEST_PX = 1.1, 5, 30


@dataclass
class Count:
    """Faces found, boxes on no face, and milliseconds of processor time per frame."""

    found: int = 0
    strangers: int = 0
    spent_ms: list[float] = field(default_factory=list)

    def take(self, boxes: list[Box], reference: list[Box], began: float) -> None:
        """Count one frame."""
        self.spent_ms.append(1000 * (time.process_time() - began))
        wanted = [face for face in reference if face.width >= SMALLEST_PX]
        self.found += sum(any(box.iou(face) >= SAME_FACE for box in boxes) for face in wanted)
        self.strangers += sum(not any(box.iou(face) >= SAME_FACE for face in reference) for box in boxes)


@dataclass
class Result:
    """One file: its frames, its reference faces, and what each search made of them."""

    name: str
    frames: int
    faces: int
    scheduled: Count
    plain: Count


def grey_frames(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Decode a file: uint8 (height, width) per frame."""
    capture = cv2.VideoCapture(str(path))
    while True:
        there, picture = capture.read()
        if not there:
            return
        yield np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), dtype=np.uint8)


def compare(path: Path, reference: list[list[list[float]]], level: Level = LADDER[0]) -> Result:
    """Search a file both ways, frame by frame; `reference`: x, y, width, height, score per face and frame."""
    config = Config()
    plain = load_cascade(cascade_path("", SEARCH_CASCADE), "detector.cascade")
    detector, tracker = Detector(config.detector), Tracker(config.tracker)
    scheduled_count, plain_count = Count(), Count()
    faces = 0
    for number, luma in enumerate(grey_frames(path)):
        expected = [Box(*box[:4]) for box in reference[number]]
        faces += sum(face.width >= SMALLEST_PX for face in expected)
        began, seconds = time.process_time(), number / FPS
        found = detector.search(luma, seconds, tracker.followed(seconds), level)
        tracks, _ = tracker.update(found, seconds)
        # What was found is where its track is, too: one box each.
        seen = [track.seen for track in tracks]
        loose = [one.box for one in found if not any(one is other for other in seen)]
        scheduled_count.take([track.box for track in tracks] + loose, expected, began)
        began = time.process_time()
        smallest = (PLAIN_SMALLEST_PX, PLAIN_SMALLEST_PX)
        boxes = plain.detectMultiScale(luma, PLAIN_SCALE, PLAIN_NEIGHBOURS, minSize=smallest)
        plain_count.take([Box(*(float(value) for value in box)) for box in boxes], expected, began)
    return Result(path.name, len(plain_count.spent_ms), faces, scheduled_count, plain_count)


def main() -> None:
    """Print a line for each file."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = os.environ.get("EMOTION_EDGE_DATA", str(Path(__file__).parents[1] / ".." / "shared"))
    parser.add_argument(
        "--data", type=Path, default=Path(default), help="folder that holds media/ (default: %(default)s)"
    )
    parser.add_argument(
        "--level", choices=[level.name for level in LADDER], default=LADDER[0].name, help="level of the budget's ladder"
    )
    arguments = parser.parse_args()
    cv2.setNumThreads(1)  # as the daemon does
    media = arguments.data / "media"
    level = next(one for one in LADDER if one.name == arguments.level)
    print(f"{'found of faces; boxes on none; ms a frame':46}{'scheduled':>26}{'each frame whole':>26}")
    for name, reference in json.loads((media / "faces.json").read_text(encoding="utf-8")).items():
        result = compare(media / name, reference, level)
        columns = [
            f"{count.found:4}/{result.faces:<4}{count.strangers / result.frames:6.2f}{np.mean(count.spent_ms):8.2f}"
            for count in (result.scheduled, result.plain)
        ]
        print(f"{name:46}" + "".join(f"{column:>26}" for column in columns), flush=True)


if __name__ == "__main__":
    main()
