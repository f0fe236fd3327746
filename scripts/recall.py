"""Measures which faces of the footage the scheduled search finds and announces, file by file, and false tracks.

Reference: media/faces.json beside the checkout (EMOTION_EDGE_DATA), boxes of 24 pixels and more, IoU 0.3. With the
scheduled search a face counts as found in a frame where a track or a detection of that frame lies on it, and as
announced where a confirmed track does; with the search of the whole frame (scale 1.1, 5 neighbours, 30 pixels) as found
where a box of that search does. A false track is a confirmed one that lies on no reference box of any size. Processor
time is that of the search alone, with the readings of weakly verified faces, without the classification of the others.

--changed does the same on the files without a readable face, mirrored, scaled and turned: ten minutes in all.
"""

import argparse
import functools
import itertools
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.config.schema import Config, DetectorConfig
from edge.levels import LADDER, Level
from edge.types import Box, Frame
from edge.vision.classification.classifier import Classifier
from edge.vision.detection.cascades import SEARCH_CASCADE, cascade_path, load_cascade
from edge.vision.detection.detector import Detector
from edge.vision.tracker import Track, Tracker

MIN_FACE_PX = 24
MIN_IOU = 0.3
FPS = 12.5
NO_READABLE_FACE = ("store-aisle-detection.mp4", "people-detection.mp4", "classroom.mp4")
SCALES = (0.8, 1.0, 1.2)
TURNS = (-30, -20, -10, -5, 0, 5, 10, 20, 30)
PLAIN_SCALE, PLAIN_NEIGHBOURS, PLAIN_MIN_PX = 1.1, 5, 30


@dataclass
class Count:
    """Faces found and announced, tracks on no face, and processor time per frame, milliseconds."""

    found: int = 0
    announced: int = 0
    false_tracks: set[int] = field(default_factory=set)
    spent_ms: list[float] = field(default_factory=list)

    def add(self, boxes: list[Box], reference: list[Box], began: float) -> None:
        """Add one frame; `began`: `time.process_time()` before its search."""
        self.spent_ms.append(1000 * (time.process_time() - began))
        wanted = [face for face in reference if face.width >= MIN_FACE_PX]
        self.found += sum(any(box.iou(face) >= MIN_IOU for box in boxes) for face in wanted)


@dataclass
class Result:
    """One file: its frames, its reference faces, and the counts of both searches."""

    name: str
    frames: int
    faces: int
    scheduled: Count
    plain: Count


def colour_frames(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Decode a video file; yields BGR, uint8 (height, width, 3), per frame."""
    capture = cv2.VideoCapture(str(path))
    while True:
        decoded, picture = capture.read()
        if not decoded:
            return
        yield np.asarray(picture, dtype=np.uint8)


def in_grey(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the luma of a BGR picture, uint8 (height, width)."""
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), dtype=np.uint8)


@functools.cache
def _classifier() -> Classifier:
    return Classifier.from_config(Config().model)


class Search:
    """Runs detector and tracker on a stream, and reads weakly verified faces, as the pipeline does."""

    def __init__(self, config: Config, level: Level) -> None:
        self._detector, self._tracker = Detector(config.detector), Tracker(config.tracker)
        self._classifier = _classifier()
        self._level = level
        self._number = 0

    def step(self, luma: NDArray[np.uint8], bgr: NDArray[np.uint8]) -> tuple[list[Track], list[Box]]:
        """Search the next frame, in grey and in colour; returns the tracks, and the boxes of the other detections."""
        seconds = self._number / FPS
        frame = Frame(self._number, seconds, luma, 0.0, 0.0)
        self._number += 1
        detections = self._detector.search(luma, seconds, self._tracker.predict(seconds), self._level, lambda: bgr)
        tracks, _ = self._tracker.update(detections, seconds)
        track = self._tracker.track_to_read()
        if track is not None:
            clarity = self._classifier.clarity(frame, track.detected_box, track.roll_degrees)
            self._tracker.add_reading(track, clarity, seconds)
        matched = [track.detection for track in tracks]
        return tracks, [one.box for one in detections if not any(one is other for other in matched)]


def compare(path: Path, reference: list[list[list[float]]], config: Config, level: Level = LADDER[0]) -> Result:
    """Search a file both ways.

    `reference`: for each frame a list of faces, each x, y, width, height, score.
    """
    plain = load_cascade(cascade_path("", SEARCH_CASCADE), "detector.cascade")
    search = Search(config, level)
    scheduled_count, plain_count = Count(), Count()
    faces = 0
    for number, picture in enumerate(colour_frames(path)):
        luma = in_grey(picture)
        expected = [Box(*box[:4]) for box in reference[number]]
        wanted = [face for face in expected if face.width >= MIN_FACE_PX]
        faces += len(wanted)
        began = time.process_time()
        tracks, unmatched = search.step(luma, picture)
        scheduled_count.add([track.box for track in tracks] + unmatched, expected, began)
        confirmed = {track.track_id: track.box for track in tracks if track.confirmed}
        scheduled_count.announced += sum(any(box.iou(face) >= MIN_IOU for box in confirmed.values()) for face in wanted)
        scheduled_count.false_tracks |= {key for key, box in confirmed.items() if not _is_true(box, expected)}
        began = time.process_time()
        smallest = (PLAIN_MIN_PX, PLAIN_MIN_PX)
        boxes = plain.detectMultiScale(luma, PLAIN_SCALE, PLAIN_NEIGHBOURS, minSize=smallest)
        plain_count.add([Box(*(float(value) for value in box)) for box in boxes], expected, began)
    return Result(path.name, len(plain_count.spent_ms), faces, scheduled_count, plain_count)


def _is_true(box: Box, expected: list[Box]) -> bool:
    return any(box.iou(face) >= MIN_IOU or box.contains(face.centre) for face in expected)


def search_changed(path: Path, reference: list[list[list[float]]], config: Config) -> tuple[int, list[str]]:
    """Search a file mirrored, scaled and turned; returns the number of frames and a line for each false track."""
    frames, false_tracks = 0, []
    pictures = list(colour_frames(path))
    height, width = pictures[0].shape[:2]
    for mirrored, scale, turn in itertools.product((False, True), SCALES, TURNS):
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), turn, scale)
        search, seen = Search(config, LADDER[0]), set()
        for number, picture in enumerate(pictures):
            side = np.ascontiguousarray(picture[:, ::-1]) if mirrored else picture
            warped = cv2.warpAffine(side, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
            changed = np.asarray(warped, dtype=np.uint8)
            tracks, _ = search.step(in_grey(changed), changed)
            frames += 1
            expected = []
            for x, y, side_x, side_y, _ in reference[number]:
                centre = np.array([width - x - side_x / 2 if mirrored else x + side_x / 2, y + side_y / 2, 1.0])
                x_now, y_now = matrix @ centre
                expected.append(Box(x_now - side_x / 2, y_now - side_y / 2, side_x, side_y))
            for track in tracks:
                if track.confirmed and track.track_id not in seen:
                    seen.add(track.track_id)
                    if not _is_true(track.box, expected):
                        what = f"mirrored {mirrored}, scale {scale}, turned {turn}"
                        false_tracks.append(f"{path.name}, {what}: frame {number}, {track.box}")
    return frames, false_tracks


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
    parser.add_argument("--changed", action="store_true", help="mirrored, scaled and turned files without a face")
    parser.add_argument("--kind", choices=["haar", "yunet", "mtcnn"], default="haar", help="detector.kind")
    parser.add_argument("--yunet-file", default="", help="detector.yunet_file")
    arguments = parser.parse_args()
    config = Config(detector=DetectorConfig(kind=arguments.kind, yunet_file=arguments.yunet_file))
    cv2.setNumThreads(1)  # as the daemon does
    media = arguments.data / "media"
    references = json.loads((media / "faces.json").read_text(encoding="utf-8"))
    if arguments.changed:
        total = 0
        for name in NO_READABLE_FACE:
            frames, lines = search_changed(media / name, references[name], config)
            total += frames
            print("\n".join([f"{name}: {frames} frames, {len(lines)} false tracks", *lines]), flush=True)
        print(f"{total / FPS / 60:.1f} minutes at {FPS} frames a second")
        return
    level = next(one for one in LADDER if one.name == arguments.level)
    print(f"{'':46}{'scheduled: found, announced, of faces; false tracks; ms':>56}{'whole frames: found; ms':>26}")
    for name, reference in references.items():
        result = compare(media / name, reference, config, level)
        scheduled, plain = result.scheduled, result.plain
        print(
            f"{name:46}{scheduled.found:6}{scheduled.announced:5}{result.faces:5}{len(scheduled.false_tracks):4}"
            f"{np.mean(scheduled.spent_ms):10.2f}{plain.found:36}{np.mean(plain.spent_ms):10.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
