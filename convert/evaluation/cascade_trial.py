"""Judges cascades side by side: faces found, phantoms, time, and whether one is better than OpenCV's default.

Each picture is searched as the device searches a still picture with an upright face: the same reduction, sizes, step
and number of neighbours. A search that the device spreads over frames, and the second one for tilted faces, are not
part of this: they are the same whatever the cascade. A box verified by OpenCV's second cascade is what a device with
`[detector] cascade = FILE` announces.
"""

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from convert.errors import ConvertError, reason_of
from convert.evaluation.cascade_frames import Condition, Faces, FootageFrame, set_into_frame
from convert.evaluation.face_frames import SAME_FACE_IOU, one_thread
from convert.metrics import Z_95, Interval, wilson_interval
from convert.progress import Tick
from edge.config.schema import DetectorConfig
from edge.types import Box, Luma
from edge.vision.detection.cascades import (
    SEARCH_CASCADE,
    VERIFICATION_CASCADE,
    cascade_path,
    load_cascade,
    search_whole_frame,
)
from edge.vision.detection.verification import STREAM_VERIFICATION, FaceVerifier

EQUAL_RECALL: Final = 0.02
"""Difference of recall within which two cascades count as equal: two faces in a hundred."""
EQUAL_PHANTOMS: Final = 0.05
"""The same for phantoms a frame: one in twenty frames, a tenth of what OpenCV's default shows on footage of a shop."""


@dataclass(frozen=True)
class Cascade:
    """A loaded cascade. `window`: width and height, pixels. `stages`, `features`: None where the file does not say."""

    name: str
    path: Path
    classifier: cv2.CascadeClassifier
    kind: str
    window: tuple[int, int]
    stages: int | None
    features: int | None


@dataclass
class Tally:
    """What one cascade did.

    `found`, `verified`: for each condition, for each face, whether it was found, and verified too. `near_faces`: boxes
    beside the faces, in all frames with faces. `phantoms`, `verified_phantoms`: boxes in the footage by block of
    frames. `seconds`: processor time of the search alone.
    """

    found: dict[Condition, list[bool]] = field(default_factory=dict)
    verified: dict[Condition, list[bool]] = field(default_factory=dict)
    near_faces: int = 0
    near_faces_verified: int = 0
    phantoms: dict[int, int] = field(default_factory=dict)
    verified_phantoms: dict[int, int] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True)
class Comparison:
    """Difference of a cascade from OpenCV's default, with its 95 % interval, and what that says.

    `verdict`: "better", "worse", "equal" (the interval lies within what counts as equal) or "undecided".
    """

    difference: float
    interval: Interval
    verdict: str


@dataclass(frozen=True)
class Trial:
    """All tallies; the first cascade is the reference. `block_frames`: frames of the footage by block.

    `shown`: frames of the footage in which the reference's boxes were verified: where they are many, it has faces.
    """

    cascades: Sequence[Cascade]
    tallies: Sequence[Tally]
    faces: Faces
    conditions: Sequence[Condition]
    block_frames: dict[int, int]
    shown: int

    @property
    def footage_frames(self) -> int:
        """Return the number of frames of the footage that were searched."""
        return sum(self.block_frames.values())


def open_cascades(files: Sequence[Path]) -> list[Cascade]:
    """Load OpenCV's default and second cascade and the given ones, in this order.

    Raises CascadeError, which names the file, where one is missing or not a cascade.
    """
    shipped = [("default", cascade_path("", SEARCH_CASCADE)), ("alt", cascade_path("", VERIFICATION_CASCADE))]
    names = [path.name for path in files]
    given = [(path.name if names.count(path.name) == 1 else str(path), path) for path in files]
    return [_open(name, path) for name, path in (*shipped, *given)]


def _open(name: str, path: Path) -> Cascade:
    classifier = load_cascade(path, "the cascade")
    width, height = classifier.getOriginalWindowSize()
    stages, features = _stages_and_features(path)
    kind = {0: "Haar", 1: "LBP"}.get(classifier.getFeatureType(), "other")
    return Cascade(name, path, classifier, kind, (int(width), int(height)), stages, features)


def _stages_and_features(path: Path) -> tuple[int | None, int | None]:
    """Return the numbers of stages and of features that a file holds.

    The older form, of opencv_haartraining, lists no features of the whole: each node of its trees has one.
    """
    try:
        storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_READ)
        top = storage.getFirstTopLevelNode()
        stages, features = top.getNode("stages"), top.getNode("features")
        if not features.empty():
            return stages.size(), features.size()
        trees = [stages.at(at).getNode("trees") for at in range(stages.size())]
        nodes = sum(each.at(at).size() for each in trees for at in range(each.size()))
    except (cv2.error, SystemError):
        return None, None
    return stages.size() or None, nodes or None


def judge(
    cascades: Sequence[Cascade],
    faces: Faces,
    conditions: Sequence[Condition],
    footage: Iterable[FootageFrame],
    tick: Tick,
) -> Trial:
    """Search all frames with each cascade in turn, so that other load on the machine meets all alike.

    Raises ConvertError where OpenCV cannot run a cascade, and CascadeError where its second cascade is missing.
    """
    searcher = _Searcher(DetectorConfig())
    tallies = [Tally() for _ in cascades]
    with one_thread():
        total = len(faces.images) * len(conditions)
        for row, image in enumerate(faces.images):
            for at, condition in enumerate(conditions):
                tick(row * len(conditions) + at, total)
                frame, place = set_into_frame(image, row, condition)
                for cascade, tally in zip(cascades, tallies, strict=True):
                    _count_face(tally, condition, searcher.search(cascade, frame, tally), place)
        block_frames: dict[int, int] = {}
        shown = 0
        for one in footage:
            block_frames[one.block] = block_frames.get(one.block, 0) + 1
            for number, (cascade, tally) in enumerate(zip(cascades, tallies, strict=True)):
                boxes = searcher.search(cascade, one.luma, tally)
                verified = sum(was_verified for _, was_verified in boxes)
                tally.phantoms[one.block] = tally.phantoms.get(one.block, 0) + len(boxes)
                tally.verified_phantoms[one.block] = tally.verified_phantoms.get(one.block, 0) + verified
                shown += number == 0 and verified > 0
    return Trial(cascades, tallies, faces, conditions, block_frames, shown)


class _Searcher:
    """Searches a picture, measures the time, and verifies what was found."""

    def __init__(self, config: DetectorConfig) -> None:
        self._config = config
        self._verifier = FaceVerifier(config.confirm_cascade)

    def search(self, cascade: Cascade, luma: Luma, tally: Tally) -> list[tuple[Box, bool]]:
        began = time.process_time()
        try:
            found = search_whole_frame(cascade.classifier, luma, self._config, self._config.neighbours)
        except cv2.error as error:
            msg = f"the cascade {cascade.path} loads, but OpenCV cannot search with it: {reason_of(error)}"
            raise ConvertError(msg) from error
        tally.seconds += time.process_time() - began
        return [(box, self._verifier.verify(luma, box, STREAM_VERIFICATION)) for box, _ in found]


def _count_face(tally: Tally, condition: Condition, boxes: Sequence[tuple[Box, bool]], place: Box) -> None:
    on_face = [verified for box, verified in boxes if box.iou(place) > SAME_FACE_IOU]
    beside = [verified for box, verified in boxes if box.iou(place) <= SAME_FACE_IOU]
    tally.found.setdefault(condition, []).append(bool(on_face))
    tally.verified.setdefault(condition, []).append(any(on_face))
    tally.near_faces += len(beside)
    tally.near_faces_verified += sum(beside)


def recall(flags: Sequence[bool]) -> tuple[float, Interval]:
    """Return a share and Wilson's 95 % interval of it."""
    return sum(flags) / len(flags), wilson_interval(sum(flags), len(flags))


def overall_recall(by_condition: dict[Condition, list[bool]]) -> tuple[float, Interval]:
    """Return the mean recall over the conditions. Its interval counts faces, not frames: one face is in several."""
    shares = np.mean(list(by_condition.values()), axis=0)
    return float(shares.mean()), wilson_interval(round(float(shares.sum())), len(shares))


def compare_recall(trial: Trial, at: int) -> Comparison:
    """Compare the recall of the cascade at a place with the reference's, paired by face."""
    ours, theirs = (np.mean(list(trial.tallies[each].found.values()), axis=0) for each in (at, 0))
    return _comparison((ours - theirs).tolist(), EQUAL_RECALL, more_is_better=True)


def compare_phantoms(trial: Trial, at: int) -> Comparison | None:
    """Compare the phantoms a frame of the footage, paired by block of frames; None without footage."""
    if not trial.block_frames:
        return None
    ours, theirs = trial.tallies[at].phantoms, trial.tallies[0].phantoms
    differences = [(ours[block] - theirs[block]) / frames for block, frames in trial.block_frames.items()]
    return _comparison(differences, EQUAL_PHANTOMS, more_is_better=False)


def _comparison(differences: Sequence[float], equal: float, *, more_is_better: bool) -> Comparison:
    """Return the mean of paired differences with an interval that holds where all are 0 too.

    One imagined pair in favour of each is added to the observed ones (Agresti and Min 2005, adjusted Wald interval).
    """
    count = len(differences) + 2
    mean = sum(differences) / count
    variance = (sum(one * one for one in differences) + 1) / count - mean**2
    half = Z_95 * math.sqrt(variance / count)
    low, high = mean - half, mean + half
    if -equal <= low and high <= equal:
        verdict = "equal"
    elif low > 0 or high < 0:
        verdict = "better" if (low > 0) == more_is_better else "worse"
    else:
        verdict = "undecided"
    return Comparison(sum(differences) / len(differences), (low, high), verdict)


def verdict_of(recall_verdict: str, phantom_verdict: str | None) -> str:
    """Return what both comparisons say together: "better", "worse", "equal", "undecided", or "mixed"."""
    both = {recall_verdict, phantom_verdict or recall_verdict}
    if both == {"better", "worse"}:
        return "mixed"
    for decided in ("better", "worse"):
        if decided in both:
            return decided if "undecided" not in both else "undecided"
    return "undecided" if "undecided" in both else "equal"
