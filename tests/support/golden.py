"""Compares the events of fixed inputs with the files in `tests/golden`, which hold what they must be.

    PYTHONPATH=tests python -m support.golden            compares, and prints each difference; 1 if there is one
    PYTHONPATH=tests python -m support.golden --write    writes the files anew, after an intended change

Inputs: the scripted actor, two actors side by side, and every clip of the footage, all with `--fast`. Compared is
everything but boot id, times and latency. `made_with.json` names the software that the files were written with.
Other versions decode and round differently, so that the footage proves nothing with them.
"""

import functools
import json
import platform
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2

from edge.capture.open import create_source
from edge.capture.source import SourceOptions
from edge.vision.classification.classifier import Classifier
from edge.vision.classification.manifest import find_model
from support.footage import FOLDER as FOOTAGE_FOLDER
from support.program import comparable, events_of

FOLDER = Path(__file__).parents[1] / "golden"
MADE_WITH = FOLDER / "made_with.json"

SCRIPTS = {
    "seven_emotions": "scripted:sad=3,neutral=3,fear=3,happy=3,disgust=3,surprise=3,angry=3,none=3?seed=7",
    "default_script": "scripted:",
}
TWO_FACES = "two_faces"
LEFT_SCRIPT = "scripted:happy=4,sad=4,none=2?seed=3"
RIGHT_SCRIPT = "scripted:none=2,surprise=4,neutral=4?seed=5"
FPS = 15
CLIPS = (
    "classroom",
    "face-demographics-walking",
    "face-demographics-walking-and-pause",
    "head-pose-face-detection-female",
    "head-pose-face-detection-female-and-male",
    "head-pose-face-detection-male",
    "people-detection",
    "store-aisle-detection",
)
NAMES = (*SCRIPTS, TWO_FACES, *CLIPS)

TOLERANCE = 0.1
"""Tolerance of boxes and probabilities with other software, whose kernels round differently."""


ROLL_TOLERANCE_DEGREES = 15.0
"""Tolerance of `roll_degrees` with other software: one step of the search for it."""

MEDIA_FOLDER = FOOTAGE_FOLDER / "media"


def software(model: str = "normal") -> dict[str, str]:
    """Return the software that images and probabilities depend on, besides this project."""
    return {
        "interpreter": str(Classifier(find_model(model)).runtime),
        "opencv": cv2.__version__,
        "machine": platform.machine(),
    }


@functools.cache
def is_golden_software() -> bool:
    """Return whether this is the software that the golden files were written with."""
    return software() == json.loads(MADE_WITH.read_text(encoding="utf-8"))


def golden_file(name: str) -> Path:
    """Return the file of the expected events of an input, one JSON object a line."""
    return FOLDER / f"{name}.jsonl"


def expected(name: str) -> list[dict[str, Any]]:
    """Return the expected events of an input."""
    return [json.loads(line) for line in golden_file(name).read_text(encoding="utf-8").splitlines()]


def events(name: str) -> list[dict[str, Any]]:
    """Run the program on an input; return its events without what differs between two runs."""
    if name in SCRIPTS:
        return _run(SCRIPTS[name])
    if name == TWO_FACES:
        with tempfile.TemporaryDirectory() as folder:
            _draw_two_faces(Path(folder))
            return _run(folder, EMOTION_EDGE_SOURCE_FPS=str(FPS))
    return _run(str(MEDIA_FOLDER / f"{name}.mp4"))


@functools.cache
def known_events(name: str) -> list[dict[str, Any]]:
    """Return the events of an input without a run where possible, for tests of what these events mean.

    With the golden software these are the golden events: `tests/e2e/test_golden_events.py` proves that a run gives
    the same. With other software the program runs, once.
    """
    return expected(name) if is_golden_software() else events(name)


def differences(wanted: object, found: object, tolerance: float, place: str = "") -> Iterator[str]:
    """Yield a line for each value that differs; numbers may differ by `tolerance`, all else not at all.

    With a tolerance, `roll_degrees` may differ by its own.

    A field that is only in `found` was added to the payload since, which the contract allows: it is not compared.
    """
    if isinstance(wanted, dict) and isinstance(found, dict) and wanted.keys() <= found.keys():
        for key, value in wanted.items():
            allowed = ROLL_TOLERANCE_DEGREES if tolerance and key == "roll_degrees" else tolerance
            yield from differences(value, found[key], allowed, f"{place}.{key}")
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for number, value in enumerate(wanted):
            yield from differences(value, found[number], tolerance, f"{place}[{number}]")
    elif isinstance(wanted, float) and isinstance(found, float):
        if abs(wanted - found) > tolerance:
            yield f"{place}: expected {wanted}, got {found}"
    elif wanted != found:
        yield f"{place}: expected {wanted}, got {found}"


def _run(source: str, **settings: str) -> list[dict[str, Any]]:
    return comparable(events_of("--fast", "--source", source, **settings))


def _draw_two_faces(folder: Path) -> None:
    """Write the frames of two scripts side by side, as lossless images of 1280x480."""
    left, right = (create_source(f"{script}&fps={FPS}", SourceOptions()) for script in (LEFT_SCRIPT, RIGHT_SCRIPT))
    left.open()
    right.open()
    number = 0
    while (one := left.read()) is not None and (other := right.read()) is not None:
        cv2.imwrite(str(folder / f"{number:04d}.png"), cv2.hconcat([one.luma, other.luma]))
        number += 1


def _main(arguments: list[str]) -> int:
    if arguments == ["--write"]:
        FOLDER.mkdir(exist_ok=True)
        MADE_WITH.write_text(json.dumps(software(), indent=2) + "\n", encoding="utf-8")
        for name in NAMES:
            lines = [json.dumps(event) for event in events(name)]
            golden_file(name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return 0
    different = 0
    for name in NAMES:
        lines = list(differences(expected(name), events(name), 0.0, name))
        sys.stdout.write("".join(f"{line}\n" for line in lines) or f"{name}: equal\n")
        different += bool(lines)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
