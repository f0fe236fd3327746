"""Measures what a calm face changes of the events, over dead bands and bounds of what it subtracts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from convert.event_tuning.calm_faces import MISREAD_AS, CalmPeople, CalmPerson
from convert.event_tuning.face_sequences import subsampled
from convert.event_tuning.grid_search import RATES, score_setting
from convert.event_tuning.ground_truth import EventScore
from convert.event_tuning.replay import RecordedTrack
from edge.config.schema import EventsConfig
from edge.vision.calm_face import BOUND, DEAD_BAND, CalmShift, log_odds, offsets_of
from edge.vision.classification.manifest import Manifest

Setting = tuple[float, float]
"""Dead band and bound, in log-odds."""
CHOSEN: Final[Setting] = (DEAD_BAND, BOUND)
SWEEP: Final[tuple[Setting, ...]] = (
    *((DEAD_BAND, bound) for bound in (0.3, 0.4, 0.6, 0.7, 1.0)),
    *((band, BOUND) for band in (1.0, 1.5, 3.0)),
)
RATES_SHOWN: Final = RATES[:2]
"""25 and 12.5 frames a second, on which the defaults of `[events]` were chosen as well."""
_VISITORS: Final = 3
"""Calm faces of misread people under which each ordinary person is read."""
_STEPS: Final = (1, 14, 27)
"""Distances of their numbers: different ones, of both kinds and in all conditions."""
GROUPS: Final = {
    "misread": "people whose neutral face is misread",
    **{kind: f"of these, taken for {kind}" for kind in MISREAD_AS},
    "ordinary": "ordinary people with their own calm face",
    "visitors": "ordinary people where a misread person calibrated",
}


@dataclass(frozen=True)
class CalmRow:
    """Scores of one group of people at one rate, without and with a calm face."""

    group: str
    fps: float
    setting: Setting
    without: EventScore
    calibrated: EventScore


class CalmTrial:
    """Replays the events of calm people under different settings. Raises ConvertError for what is no such model.

    `manifest`: of the model, with its neutral reading.
    """

    def __init__(self, people: CalmPeople, manifest: Manifest, reference: Sequence[float]) -> None:
        self._labels, self._unknown_below = manifest.labels, manifest.thresholds.unknown_below
        self.model = manifest.name
        self._scores: dict[tuple[int, int, bytes | None], EventScore] = {}
        self.people = people
        self._neutral = manifest.labels.index("neutral")
        self._reference = np.asarray(reference) - reference[self._neutral]

    def rows(self, setting: Setting) -> Iterator[CalmRow]:
        """Yield the scores of each group at each rate."""
        for every, fps in RATES_SHOWN:
            for group, pairs in self._groups.items():
                before, after = EventScore(), EventScore()
                for person, calm in pairs:
                    before += self._score(person.track, every, None)
                    shift = self._shift(calm, setting)
                    after += self._score(person.track, every, shift if shift.log_odds.any() else None)
                yield CalmRow(group, fps, setting, before, after)

    @cached_property
    def _groups(self) -> dict[str, list[tuple[CalmPerson, CalmPerson]]]:
        """People of each group, each with the person whose calm face is in force."""
        ordinary, misread = self.people.ordinary, self.people.misread
        visits = [
            (person, misread[(number * 5 + step) % len(misread)])
            for number, person in enumerate(ordinary)
            for step in _STEPS[:_VISITORS]
        ]
        own = [(person, person) for person in misread]
        by_kind = {kind: [pair for pair in own if pair[0].kind == kind] for kind in MISREAD_AS}
        return {"misread": own, **by_kind, "ordinary": [(each, each) for each in ordinary], "visitors": visits}

    def _shift(self, person: CalmPerson, setting: Setting) -> CalmShift:
        mean = log_odds(person.calm, self._neutral).mean(axis=0)
        return CalmShift(offsets_of(mean, self._reference, *setting), self._neutral)

    def _score(self, track: RecordedTrack, every: int, shift: CalmShift | None) -> EventScore:
        """Return the score of every n-th frame of a track; computed once, as groups and settings share it."""
        key = id(track), every, None if shift is None else shift.log_odds.tobytes()
        if key not in self._scores:
            seen = subsampled(track, every)
            seen = seen if shift is None else _shifted(seen, shift)
            self._scores[key] = score_setting([seen], self._labels, EventsConfig(), self._unknown_below)
        return self._scores[key]


def _shifted(track: RecordedTrack, shift: CalmShift) -> RecordedTrack:
    """Return the track as it is read under a calm face."""
    predictions: NDArray[np.float32] = track.predictions.copy()
    for row in np.flatnonzero(track.read):
        predictions[row] = shift.apply(track.predictions[row])
    return replace(track, predictions=predictions)


def calm_text(trial: CalmTrial, rows: Sequence[CalmRow]) -> str:
    """Return the scores as text: the settings in force first, then the sweep."""
    people, pictures = trial.people, trial.people.pictures
    misread = " and ".join(f"{count} taken for {kind}" for kind, count in pictures.items())
    lines = [
        f"model {trial.model}; {len(people.ordinary)} ordinary people (PublicTest) and {len(people.misread)} misread "
        f"ones (neutral faces of PublicTest and Training: {misread}); the defaults of [events]",
        "events, F1 (precision, recall) in per cent, without and with a calm face",
    ]
    for setting in dict.fromkeys([CHOSEN, *(row.setting for row in rows)]):
        chosen = ", in force" if setting == CHOSEN else ""
        lines.append(f"\ndead band {setting[0]:g}, bound {setting[1]:g}{chosen}")
        lines += [
            f"{GROUPS[row.group]:50s} {row.fps:4g} fps  {_shown(row.without)}  {_shown(row.calibrated)}  "
            f"{100 * (row.calibrated.f1 - row.without.f1):+.1f}"
            for row in rows
            if row.setting == setting
        ]
    return "\n".join(lines) + "\n"


def _shown(score: EventScore) -> str:
    return f"{100 * score.f1:.1f} ({100 * score.precision:.1f}, {100 * score.recall:.1f})"


def calm_data(trial: CalmTrial, rows: Sequence[CalmRow]) -> dict[str, Any]:
    """Return the scores as data for JSON."""

    def values(score: EventScore) -> dict[str, float | int]:
        return {
            "f1": round(score.f1, 4),
            "precision": round(score.precision, 4),
            "recall": round(score.recall, 4),
            "changes": score.changes,
        }

    return {
        "model": trial.model,
        "pictures": trial.people.pictures,
        "rows": [
            {
                "group": row.group,
                "fps": row.fps,
                "dead_band": row.setting[0],
                "bound": row.setting[1],
                "without": values(row.without),
                "with": values(row.calibrated),
            }
            for row in rows
        ],
    }
