"""Compares the scheduled search with a search of each whole frame, file by file.

Reference: media/faces.json beside the checkout (EMOTION_EDGE_DATA), boxes of 24 pixels and more, IoU 0.3. With the
scheduled search a face counts as found in a frame where a track or a detection of that frame lies on it; with the
search of the whole frame (scale 1.1, 5 neighbours, 30 pixels) where a box of that search does. For both the number
of boxes per frame that lie on no reference box of any size is given. Processor time is that of the search alone,
without the network.
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

MIN_FACE_PX = 24
MIN_IOU = 0.3
FPS = 12.5
PLAIN_SCALE, PLAIN_NEIGHBOURS, PLAIN_MIN_PX = 1.1, 5, 30


@dataclass
class Count:
    """Faces found, boxes on no face, and processor time per frame, milliseconds."""

    found: int = 0
    false_positives: int = 0
    spent_ms: list[float] = field(default_factory=list)

    def add(self, boxes: list[Box], reference: list[Box], began: float) -> None:
        """Add one frame; `began`: `time.process_time()` before its search."""
        self.spent_ms.append(1000 * (time.process_time() - began))
        wanted = [face for face in reference if face.width >= MIN_FACE_PX]
        self.found += sum(any(box.iou(face) >= MIN_IOU for box in boxes) for face in wanted)
        self.false_positives += sum(not any(box.iou(face) >= MIN_IOU for face in reference) for box in boxes)


@dataclass
class Result:
    """One file: its frames, its reference faces, and the counts of both searches."""

    name: str
    frames: int
    faces: int
    scheduled: Count
    plain: Count


def grey_frames(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Decode a video file; yields uint8 (height, width) per frame."""
    capture = cv2.VideoCapture(str(path))
    while True:
        decoded, picture = capture.read()
        if not decoded:
            return
        yield np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), dtype=np.uint8)


def compare(path: Path, reference: list[list[list[float]]], level: Level = LADDER[0]) -> Result:
    """Search a file both ways.

    `reference`: for each frame a list of faces, each x, y, width, height, score.
    """
    config = Config()
    plain = load_cascade(cascade_path("", SEARCH_CASCADE), "detector.cascade")
    detector, tracker = Detector(config.detector), Tracker(config.tracker)
    scheduled_count, plain_count = Count(), Count()
    faces = 0
    for number, luma in enumerate(grey_frames(path)):
        expected = [Box(*box[:4]) for box in reference[number]]
        faces += sum(face.width >= MIN_FACE_PX for face in expected)
        began, seconds = time.process_time(), number / FPS
        detections = detector.search(luma, seconds, tracker.predict(seconds), level)
        tracks, _ = tracker.update(detections, seconds)
        # A detection that belongs to a track counts as the track's box only.
        matched = [track.detection for track in tracks]
        unmatched = [one.box for one in detections if not any(one is other for other in matched)]
        scheduled_count.add([track.box for track in tracks] + unmatched, expected, began)
        began = time.process_time()
        smallest = (PLAIN_MIN_PX, PLAIN_MIN_PX)
        boxes = plain.detectMultiScale(luma, PLAIN_SCALE, PLAIN_NEIGHBOURS, minSize=smallest)
        plain_count.add([Box(*(float(value) for value in box)) for box in boxes], expected, began)
    return Result(path.name, len(plain_count.spent_ms), faces, scheduled_count, plain_count)


def main() -> None:
    """Print one line per file."""
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
    print(f"{'found of faces; boxes on no face; ms per frame':46}{'scheduled':>26}{'whole frames':>26}")
    for name, reference in json.loads((media / "faces.json").read_text(encoding="utf-8")).items():
        result = compare(media / name, reference, level)
        columns = []
        for count in (result.scheduled, result.plain):
            per_frame = count.false_positives / result.frames
            columns.append(f"{count.found:4}/{result.faces:<4}{per_frame:6.2f}{np.mean(count.spent_ms):8.2f}")
        print(f"{name:46}" + "".join(f"{column:>26}" for column in columns), flush=True)


if __name__ == "__main__":
    main()
