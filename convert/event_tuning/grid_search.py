"""Replays recorded sequences over a grid of settings, and chooses the defaults of `[events]` from it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final

from convert.data.fer2013 import LABELS
from convert.errors import ConvertError
from convert.event_tuning import faces, scenes
from convert.event_tuning.ground_truth import Score, judge
from convert.event_tuning.replay import Followed, MakeExpression, replay, smoothed
from convert.event_tuning.rival import GeometricExpression
from edge.classifier import Classifier
from edge.config import EventsConfig
from edge.events import Expression

RATES: Final = ((1, 25.0), (2, 12.5), (5, 5.0))
"""Every n-th frame, and the frames a second that this gives."""
CHOSEN_AT: Final = (25.0, 12.5)
"""Rates that the choice rests on. At 5 the same setting must only hold up."""
KINDS: Final = ("faces", "scenes")

SMOOTHINGS: Final = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6)
DWELLS: Final = (0.3, 0.5, 0.6, 0.7, 0.8, 1.0)
MARGINS: Final = (0.0, 0.1, 0.2, 0.4)
LEAST_DWELL: Final = 0.5
"""No label may last for less than half a second, and that is what the dwell guarantees (`edge.events`)."""
LATEST_SECONDS: Final = 1.5
"""By then 95 % of a scene's rightly announced changes must have been told. Asked of the scenes alone: in the
faces' sequences the longest delays are the model's, which takes another emotion for the one that is shown."""
FLAT: Final = 0.01
"""Difference in F1 that is not worth a delay: with 330 changes its standard error is 0.015."""

Recorded = Mapping[tuple[str, float], Sequence[Followed]]
"""Followed faces by kind and frames a second."""
Scores = Mapping[tuple[str, float], Score]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Study:
    """What a grid of settings gave on recorded sequences.

    `labels` in the model's order. `grid`: the scores of every setting; `rival`: with logarithms averaged.
    """

    model: str
    labels: tuple[str, ...]
    unknown_below: float
    recorded: Recorded
    grid: Mapping[EventsConfig, Scores]
    rival: Mapping[EventsConfig, Scores]

    @property
    def chosen(self) -> EventsConfig:
        """The setting that the rule chooses."""
        return choose(self.grid)


def record(classifier: Classifier, data: Path, say: Say, people: int) -> Recorded:
    """Run the model over all sequences, once.

    Raises ConvertError for a model without the seven labels that the data has, and for unusable data.
    """
    if set(classifier.labels) != set(LABELS):
        msg = f"model {classifier.path} reads {', '.join(classifier.labels)}: events are studied on {', '.join(LABELS)}"
        raise ConvertError(msg)
    split, rows = faces.pools(data)
    whole = []
    for number in range(people):
        whole.append(faces.person(number, classifier, split, rows, faces.SECONDS))
        if (number + 1) % 10 == 0:
            say(f"{number + 1} of {people} people read")
    recorded: dict[tuple[str, float], list[Followed]] = {
        ("faces", rate): [faces.at_rate(face, every) for face in whole] for every, rate in RATES
    }
    for number, scene in enumerate(scenes.SCENES):
        seen = scenes.seen_in(scene, classifier)
        say(f"scene {number + 1} of {len(scenes.SCENES)} filmed: {scene.name}")
        for every, rate in RATES:
            found = scenes.followed_in(scene, seen, every, len(classifier.labels))
            recorded.setdefault(("scenes", rate), []).extend(found)
    return recorded


def score(
    followed: Sequence[Followed],
    labels: Sequence[str],
    config: EventsConfig,
    unknown_below: float,
    make: MakeExpression = Expression,
) -> Score:
    """Judge what a setting announces of these faces, pooled."""
    total = Score()
    for face in followed:
        total += judge(face.truth, replay(face, labels, config, unknown_below, make), face.end_seconds)
    return total


def search(
    recorded: Recorded,
    labels: Sequence[str],
    unknown_below: float,
    say: Say,
    make: MakeExpression = Expression,
) -> dict[EventsConfig, Scores]:
    """Score every setting on every kind and rate."""
    grid: dict[EventsConfig, dict[tuple[str, float], Score]] = {}
    for smoothing in SMOOTHINGS:
        for key, followed in recorded.items():
            # Smoothed once for all dwells and margins, which is most of the work.
            ready = [smoothed(face, labels, smoothing, make) for face in followed]
            for dwell, margin in product(DWELLS, MARGINS):
                setting = EventsConfig(smoothing_seconds=smoothing, dwell_seconds=dwell, margin=margin)
                plain = EventsConfig(smoothing_seconds=0.0, dwell_seconds=dwell, margin=margin)
                grid.setdefault(setting, {})[key] = score(ready, labels, plain, unknown_below)
        say(f"smoothing {smoothing:g} s replayed")
    return dict(grid)


def study(classifier: Classifier, data: Path, say: Say, people: int) -> Study:
    """Record, and search the grid with both ways of smoothing. Raises ConvertError."""
    recorded = record(classifier, data, say, people)
    unknown_below = classifier.manifest.thresholds.unknown_below
    grid = search(recorded, classifier.labels, unknown_below, say)
    say("again, with logarithms averaged")
    rival = search(recorded, classifier.labels, unknown_below, say, GeometricExpression)
    return Study(classifier.manifest.name, classifier.labels, unknown_below, recorded, grid, rival)


def mean(scores: Scores, kind: str, figure: Callable[[Score], float]) -> float:
    """Average a figure over the rates that the choice rests on."""
    return sum(figure(scores[kind, rate]) for rate in CHOSEN_AT) / len(CHOSEN_AT)


def f1(scores: Scores, kind: str = "faces") -> float:
    """F1 so averaged."""
    return mean(scores, kind, lambda one: one.f1)


def delay(scores: Scores, share: float) -> float:
    """Delay on faces, seconds, within which `share` of the right announcements came, so averaged."""
    return mean(scores, "faces", lambda one: one.delay(share))


def allowed(grid: Mapping[EventsConfig, Scores]) -> dict[EventsConfig, Scores]:
    """Return the settings that keep the promises.

    Half a second at least for any label; 95 % of a scene's changes within a second and a half; and the
    scenes' F1 within a point of the best, which for a model that reads the actor means all and nothing else.
    """
    kept = {
        setting: scores
        for setting, scores in grid.items()
        if setting.dwell_seconds >= LEAST_DWELL
        and all(scores["scenes", rate].delay(0.95) <= LATEST_SECONDS for rate in CHOSEN_AT)
    }
    best = max((f1(scores, "scenes") for scores in kept.values()), default=0.0)
    return {setting: scores for setting, scores in kept.items() if f1(scores, "scenes") >= best - FLAT}


def near_best(grid: Mapping[EventsConfig, Scores]) -> list[EventsConfig]:
    """Return the settings allowed whose F1 on faces is within a point of the best, best first."""
    good = allowed(grid)
    best = max((f1(scores) for scores in good.values()), default=0.0)
    near = [setting for setting, scores in good.items() if f1(scores) >= best - FLAT]
    return sorted(near, key=lambda setting: -f1(good[setting]))


def choose(grid: Mapping[EventsConfig, Scores]) -> EventsConfig:
    """Choose the defaults: of the settings near the best, the one that has told 95 % of the changes soonest.

    Equal ones, to 10 ms, go by F1. Raises ConvertError where no setting keeps the promises.
    """
    near = near_best(grid)
    if not near:
        msg = f"no setting announces 95 % of the scenes' changes within {LATEST_SECONDS:g} s: the actor is misread"
        raise ConvertError(msg)
    return min(near, key=lambda setting: (round(delay(grid[setting], 0.95), 2), -f1(grid[setting])))
