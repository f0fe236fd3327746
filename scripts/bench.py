"""Time each stage of the line on this machine, on the bundled scripted faces.

Frames are made beforehand, so that only the line is timed; one frame at a time on one thread, as the
daemon runs it. The first frames are not counted: caches fill and the interpreter settles.
"""

import argparse
import os
import platform
import sys
import time

import cv2
import numpy as np

from edge.board import board_name
from edge.classifier import Classifier
from edge.config import Config
from edge.detector import Detector
from edge.errors import EdgeError, SourceError
from edge.pipeline import Pipeline
from edge.records import Frame
from edge.sources import SourceOptions, make_source

WARM_UP_FRAMES = 20
EVERY = 3
"""Every third frame: consecutive ones are nearly the same picture, and the script is walked through."""


def frames(source_uri: str, count: int) -> list[Frame]:
    """Return `count` frames of a source."""
    source = make_source(source_uri, SourceOptions.from_config(Config().source))
    source.open()
    kept: list[Frame] = []
    number = 0
    try:
        while len(kept) < count and (frame := source.read()) is not None:
            if number % EVERY == 0:
                kept.append(frame)
            number += 1
    finally:
        source.close()
    return kept


def processor() -> str:
    """Return the processor's name, as far as the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123 - read line by line
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.machine()


def main() -> None:
    """Print one line about the machine and one for each stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", default="scripted:", help="where the frames come from (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=200, help="how many are timed (default: %(default)s)")
    arguments = parser.parse_args()

    cv2.setNumThreads(1)  # as the daemon does
    config = Config()
    classifier = Classifier.from_config(config.model)
    pipeline = Pipeline(config, Detector(config.detector), classifier)
    taken = frames(arguments.source, WARM_UP_FRAMES + arguments.frames)
    if len(taken) <= WARM_UP_FRAMES:
        raise SourceError(f"{arguments.source} has {len(taken)} frames to time, and needs over {WARM_UP_FRAMES}")

    spent_ms: dict[str, list[float]] = {}
    with_face = 0
    for index, frame in enumerate(taken):
        began = time.perf_counter()
        result = pipeline.step(frame)
        whole_ms = 1000 * (time.perf_counter() - began)
        if index < WARM_UP_FRAMES:
            continue
        with_face += bool(result.faces)
        for stage, ms in {**result.stage_ms, "whole line": whole_ms}.items():
            # Where nobody is, nothing is classified.
            if stage != "classify" or result.faces:
                spent_ms.setdefault(stage, []).append(ms)

    print(f"{board_name() or 'no board'}: {processor()}, {os.cpu_count()} processors, {platform.machine()}")
    print(f"Python {platform.python_version()}, numpy {np.__version__}, OpenCV {cv2.__version__}, {classifier.runtime}")
    height, width = taken[0].luma.shape
    counted = len(taken) - WARM_UP_FRAMES
    print(f"{arguments.source} {width}x{height}, {counted} frames, {with_face} of them with a face")
    print(f"{'stage, ms a frame':20}{'median':>9}{'p95':>9}{'p99':>9}")
    for stage, values in spent_ms.items():
        print(f"{stage:20}" + "".join(f"{value:9.2f}" for value in np.percentile(values, (50, 95, 99))))


if __name__ == "__main__":
    try:
        main()
    except EdgeError as error:
        sys.exit(f"bench: {error}")
