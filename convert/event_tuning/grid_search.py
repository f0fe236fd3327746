"""Replays recorded tracks over a grid of `[events]` settings, and chooses the defaults."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final

from convert.data.fer2013 import LABELS
from convert.errors import ConvertError
from convert.event_tuning import face_sequences
from convert.event_tuning.ground_truth import EventScore, score_announcements
from convert.event_tuning.hard_people import record_hard_person
from convert.event_tuning.replay import RecordedTrack, replay, smoothed
from convert.event_tuning.scenes import SCENES, Scene, record_scene, render_frames
from convert.progress import PrintLine
from edge.config.schema import EventsConfig
from edge.vision.classification.classifier import Classifier

RATES: Final = ((1, 25.0), (2, 12.5), (5, 5.0))
"""Every n-th frame, and the resulting frames per second."""
CHOSEN_AT: Final = (25.0, 12.5)
"""Rates on which the choice is based. At 5 frames per second the same setting must only not fail."""
KINDS: Final = ("faces", "scenes", "hard")
"""Kinds of sequences: people who can be read, the actor, and people who cannot always be read. The choice rests on the
first two."""
_HARD_SHARE: Final = 2
"""One hard person for so many others."""

MIN_DWELL_SECONDS: Final = 0.5
"""No label may last for less than half a second, and the dwell guarantees that (`edge.vision.expression`)."""
MAX_DELAY_SECONDS: Final = 1.5
"""Within this time 95 % of a scene's correctly announced changes must be announced. Required of the scenes alone:
in the face sequences the longest delays are the model's, which predicts another emotion than the true one."""
WANTED_PRECISION: Final = 0.92
"""At the highest rate, on people. A false change is worse than a late one: it switches something, and back."""
TOLERANCE: Final = 0.01
"""Difference in F1 that does not justify a delay: with 330 changes its standard error is 0.015."""

Condition = tuple[str, float]
"""Kind of sequence (`KINDS`) and frames per second."""
Recordings = Mapping[Condition, Sequence[RecordedTrack]]
ScoresByCondition = Mapping[Condition, EventScore]


@dataclass(frozen=True)
class Grid:
    """The values whose combinations are searched: smoothing and dwell in seconds, margin as probability."""

    smoothings: tuple[float, ...] = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6)
    dwells: tuple[float, ...] = (0.3, 0.5, 0.6, 0.7, 0.8, 1.0)
    margins: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4)


@dataclass(frozen=True)
class Workload:
    """What is recorded: `people` face sequences of `seconds` each, half as many of hard people, and the scenes."""

    people: int
    seconds: float = face_sequences.SECONDS
    scenes: Sequence[Scene] = SCENES


@dataclass(frozen=True)
class GridSearch:
    """The scores of a grid of settings on recorded tracks; `labels` in the model's order."""

    model: str
    labels: tuple[str, ...]
    unknown_below: float
    recordings: Recordings
    grid: Grid
    scores: Mapping[EventsConfig, ScoresByCondition]

    @property
    def chosen(self) -> EventsConfig:
        """The setting that `choose` takes."""
        return choose(self.scores)


def record(classifier: Classifier, data: Path, print_line: PrintLine, workload: Workload) -> Recordings:
    """Run the model over all sequences once.

    Raises ConvertError for a model without the data's seven labels and for unusable data.
    """
    if set(classifier.labels) != set(LABELS):
        msg = (
            f"model {classifier.path} has labels {', '.join(classifier.labels)}; "
            f"events can only be tuned for {', '.join(LABELS)}"
        )
        raise ConvertError(msg)
    faces = face_sequences.agreed_faces(data)
    hard = -(-workload.people // _HARD_SHARE)
    makers = {"faces": (face_sequences.record_person, workload.people), "hard": (record_hard_person, hard)}
    recordings: dict[Condition, list[RecordedTrack]] = {}
    for kind, (record_one, count) in makers.items():
        for number in range(count):
            track = record_one(number, classifier, faces, workload.seconds)
            for every, rate in RATES:
                recordings.setdefault((kind, rate), []).append(face_sequences.subsampled(track, every))
            if (number + 1) % 10 == 0:
                print_line(f"{number + 1} of {count} {'hard ' if kind == 'hard' else ''}people recorded")
    for number, scene in enumerate(workload.scenes):
        frames = list(render_frames(scene))
        for every, rate in RATES:
            recordings.setdefault(("scenes", rate), []).extend(record_scene(scene, frames[::every], classifier))
        print_line(f"scene {number + 1} of {len(workload.scenes)} recorded: {scene.name}")
    return recordings


def score_setting(
    tracks: Sequence[RecordedTrack], labels: Sequence[str], config: EventsConfig, unknown_below: float
) -> EventScore:
    """Score the announcements of a setting, summed over the tracks."""
    total = EventScore()
    for track in tracks:
        total += score_announcements(track.truth, replay(track, labels, config, unknown_below), track.end_seconds)
    return total


def search(
    recordings: Recordings, labels: Sequence[str], unknown_below: float, print_line: PrintLine, grid: Grid
) -> dict[EventsConfig, ScoresByCondition]:
    """Score every setting of the grid on every kind and rate."""
    scores: dict[EventsConfig, dict[Condition, EventScore]] = {}
    for smoothing in grid.smoothings:
        for condition, tracks in recordings.items():
            # Smoothed once for all dwells and margins: smoothing is most of the work.
            ready = [smoothed(track, labels, smoothing) for track in tracks]
            for dwell, margin in product(grid.dwells, grid.margins):
                setting = EventsConfig(smoothing_seconds=smoothing, dwell_seconds=dwell, margin=margin)
                unsmoothed = EventsConfig(smoothing_seconds=0.0, dwell_seconds=dwell, margin=margin)
                scores.setdefault(setting, {})[condition] = score_setting(ready, labels, unsmoothed, unknown_below)
        print_line(f"smoothing {smoothing:g} s replayed")
    return dict(scores)


def search_grid(
    classifier: Classifier, data: Path, print_line: PrintLine, workload: Workload, grid: Grid | None = None
) -> GridSearch:
    """Record the sequences and search the grid. Raises ConvertError as `record` does."""
    grid = grid or Grid()
    recordings = record(classifier, data, print_line, workload)
    unknown_below = classifier.manifest.thresholds.unknown_below
    scores = search(recordings, classifier.labels, unknown_below, print_line, grid)
    return GridSearch(classifier.manifest.name, classifier.labels, unknown_below, recordings, grid, scores)


def _mean(scores: ScoresByCondition, metric: Callable[[EventScore], float]) -> float:
    """Return the mean of a metric of face sequences over the rates on which the choice is based."""
    return sum(metric(scores["faces", rate]) for rate in CHOSEN_AT) / len(CHOSEN_AT)


def mean_f1(scores: ScoresByCondition) -> float:
    """Return the mean F1 of face sequences over the rates on which the choice is based."""
    return _mean(scores, lambda score: score.f1)


def lowest_scene_f1(scores: ScoresByCondition) -> float:
    """Return the lowest F1 of scenes of the rates on which the choice is based."""
    return min(scores["scenes", rate].f1 for rate in CHOSEN_AT)


def mean_delay(scores: ScoresByCondition, share: float) -> float:
    """Return the mean delay on face sequences, seconds, that `share` of the correct announcements do not exceed."""
    return _mean(scores, lambda score: score.delay(share))


def eligible(grid: Mapping[EventsConfig, ScoresByCondition]) -> dict[EventsConfig, ScoresByCondition]:
    """Return the settings that meet the requirements.

    They are: a dwell of half a second at least; 95 % of a scene's changes announced within 1.5 s; and at each rate an
    F1 on scenes within a point of the best, which for a model that classifies the actor correctly means every change
    and no false one.
    """
    kept = {
        setting: scores
        for setting, scores in grid.items()
        if setting.dwell_seconds >= MIN_DWELL_SECONDS
        and all(scores["scenes", rate].delay(0.95) <= MAX_DELAY_SECONDS for rate in CHOSEN_AT)
    }
    lowest = max((lowest_scene_f1(scores) for scores in kept.values()), default=0.0) - TOLERANCE
    return {setting: scores for setting, scores in kept.items() if lowest_scene_f1(scores) >= lowest}


def near_best(grid: Mapping[EventsConfig, ScoresByCondition]) -> list[EventsConfig]:
    """Return the eligible settings whose F1 on face sequences is within a point of the best, best first."""
    kept = eligible(grid)
    best = max((mean_f1(scores) for scores in kept.values()), default=0.0)
    near = [setting for setting, scores in kept.items() if mean_f1(scores) >= best - TOLERANCE]
    return sorted(near, key=lambda setting: -mean_f1(kept[setting]))


def choose(grid: Mapping[EventsConfig, ScoresByCondition]) -> EventsConfig:
    """Choose the defaults: of the settings near the best, the one that announces 95 % of the changes soonest.

    Where some of them have `WANTED_PRECISION`, only these count. Of settings with the same delay, to 10 ms, the one
    with the highest F1. Raises ConvertError where no setting is eligible.
    """
    near = near_best(grid)
    if not near:
        msg = (
            f"no setting announces 95 % of the scenes' changes within {MAX_DELAY_SECONDS:g} s: "
            f"the model misclassifies the actor"
        )
        raise ConvertError(msg)
    precise = [setting for setting in near if grid[setting]["faces", CHOSEN_AT[0]].precision >= WANTED_PRECISION]
    return min(
        precise or near, key=lambda setting: (round(mean_delay(grid[setting], 0.95), 2), -mean_f1(grid[setting]))
    )
