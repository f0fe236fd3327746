"""Runs one variant of the benchmark inside the emulator, with a mark before and after each frame.

    python work.py line|plain|floor SOURCE FRAMES

Prints the number of faces found in each counted frame as JSON. A mark is a call of `getppid`, which `count.c`
reports on standard error.
"""

import json
import os
import sys
from pathlib import Path

import cv2

from edge.capture.open import create_source
from edge.capture.source import SourceOptions
from edge.commands.bench.measure import WARM_UP_FRAMES
from edge.commands.bench.variants import NetworkOnlyVariant, PipelineVariant, PlainLoopVariant, Variant
from edge.config.schema import Config
from edge.sinks.jsonlines import JsonLinesSink
from edge.vision.classification.classifier import Classifier


def main(name: str, uri: str, frames: int) -> None:
    """Warm up as the benchmark does, then run and mark the counted frames."""
    cv2.setNumThreads(1)
    config = Config()
    classifier = Classifier.from_config(config.model)
    variant: Variant
    with Path(os.devnull).open("w", encoding="utf-8") as devnull:
        if name == "line":
            variant = PipelineVariant(config, classifier, JsonLinesSink(devnull))
        else:
            variant = PlainLoopVariant(config, classifier) if name == "plain" else NetworkOnlyVariant(classifier)
        source = create_source(uri, SourceOptions(config.source, colour=classifier.wants_colour))
        source.open()
        faces = []
        for number in range(WARM_UP_FRAMES + frames):
            frame = source.read()
            if frame is None:
                break
            if number < WARM_UP_FRAMES:
                variant.work(frame)
                continue
            os.getppid()
            work = variant.work(frame)
            os.getppid()
            faces.append(work.faces)
    sys.stdout.write(json.dumps(faces) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
