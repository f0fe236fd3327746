"""Defines the payload of the topic `.../summary`: what the place saw in an hour and in a day."""

from typing import Annotated, Literal

from msgspec import Meta

from edge.messages.payloads import SCHEMA_VERSION, Payload, SignedShare, Timestamp

Seconds = Annotated[float, Meta(ge=0)]
LabelSeconds = Annotated[
    dict[str, Seconds | None],
    Meta(
        description="Seconds, times faces, by name. Null where fewer than `min_visits` visits showed it in this "
        "period, and where it could be computed from the others."
    ),
]


class PeriodSummary(Payload, frozen=True, kw_only=True):
    """What the place saw from `start` to `end`. Nothing in it belongs to one person."""

    start: Timestamp
    end: Timestamp
    local_start: Annotated[
        str,
        Meta(
            description="`start` by the sensor's local time, with its offset from UTC.",
            pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d$",
        ),
    ]
    complete: Annotated[bool, Meta(description="Whether the period is over.")]
    looked_seconds: Annotated[Seconds, Meta(description="Seconds in which the sensor had a picture.")]
    not_looked_seconds: Annotated[
        Seconds, Meta(description="Seconds in which the sensor ran without a picture: paused, or the camera away.")
    ]
    off_seconds: Annotated[
        Seconds, Meta(description="Seconds of the period so far in which the sensor did not run, or that were lost.")
    ]
    present_seconds: Annotated[Seconds, Meta(description="Seconds with somebody in view.")]
    visits: Annotated[int, Meta(ge=0, description="Faces that appeared. Who comes twice is two visits.")]
    visit_lengths: Annotated[
        dict[str, Annotated[int, Meta(ge=0)]],
        Meta(description="Visits that ended in the period, by how long they lasted."),
    ]
    emotion_seconds: LabelSeconds
    group_seconds: LabelSeconds
    valence: Annotated[
        SignedShare | None,
        Meta(description="Mean valence over time and faces; null for fewer than `min_visits` visits, or without any."),
    ]


class SummaryPayload(Payload, frozen=True, kw_only=True):
    """The running and the last complete hour and day, by the sensor's local time; topic `.../summary`."""

    schema: Literal[1] = SCHEMA_VERSION
    time: Timestamp
    min_visits: Annotated[int, Meta(ge=0, description="Visits below which a figure by emotion is withheld.")]
    hour: PeriodSummary
    day: PeriodSummary
    last_hour: Annotated[PeriodSummary | None, Meta(description="Null where the sensor did not run in it.")]
    last_day: Annotated[PeriodSummary | None, Meta(description="Null where the sensor did not run in it.")]
