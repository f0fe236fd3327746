"""The payloads, as types that generate the JSON Schemas in `edge/messages/schemas`."""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

SCHEMA_VERSION: Final = 1

Share = Annotated[float, Meta(ge=0, le=1)]
Timestamp = Annotated[
    str, Meta(description="RFC 3339, UTC, milliseconds", pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
]


class Payload(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message; encoded by msgspec with keys in the order given here."""


class BoxShare(Payload, frozen=True, kw_only=True):
    """A box in shares of the frame's width and height, top left corner first."""

    x: Share
    y: Share
    width: Share
    height: Share


class FacePayload(Payload, frozen=True, kw_only=True):
    """One face in view."""

    track: Annotated[int, Meta(ge=1, description="Counts the faces of this boot; never used twice.")]
    box: BoxShare


class EventPayload(Payload, frozen=True, kw_only=True):
    """One thing that happened to one face; topic `.../event`."""

    schema: Literal[1] = SCHEMA_VERSION
    id: Annotated[str, Meta(description="Unique per event: boot_id, a colon, seq.")]
    boot_id: Annotated[str, Meta(description="Unique per start of the daemon.")]
    seq: Annotated[int, Meta(ge=1, description="Counts the events of this boot, without a gap.")]
    time: Timestamp
    source_seconds: Annotated[float, Meta(ge=0, description="Time of the frame in its source.")]
    type: Literal["face_appeared", "emotion_changed", "face_left"]
    face: FacePayload
    emotion: Annotated[str, Meta(description="A label of the model, or unknown.")]
    previous: Annotated[str | None, Meta(description="The emotion announced before.")]
    group: Annotated[str | None, Meta(description="Configured group of the emotion, if any.")]
    confidence: Share
    probabilities: dict[str, Share]
    groups: Annotated[dict[str, Share], Meta(description="Summed probability of each configured group.")]
    latency_ms: Annotated[float, Meta(ge=0, description="Frame captured to event handed to the connection.")]
    replayed: Annotated[bool, Meta(description="True where the event could not be sent when it happened.")]


class StateFace(Payload, frozen=True, kw_only=True):
    """A face as it is now."""

    track: Annotated[int, Meta(ge=1)]
    box: BoxShare
    emotion: str
    group: str | None
    confidence: Share
    probabilities: dict[str, Share]
    groups: dict[str, Share]


class StatePayload(Payload, frozen=True, kw_only=True):
    """Who is in view; topic `.../state`. Nobody: `faces` empty, `present` false, `emotion` and `confidence` null.

    While the sensor is paused it says that too, and means that it does not look.
    """

    schema: Literal[1] = SCHEMA_VERSION
    time: Timestamp
    paused: Annotated[bool, Meta(description="Whether it was asked not to look: then nobody is said to be there.")]
    present: bool
    emotion: Annotated[str | None, Meta(description="Of the largest face; null where nobody is in view.")]
    confidence: Annotated[Share | None, Meta(description="Of that emotion; null where nobody is in view.")]
    faces: list[StateFace]


class ModelInfo(Payload, frozen=True, kw_only=True):
    """Which network is in use."""

    name: str
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    labels: list[str]


class InfoPayload(Payload, frozen=True, kw_only=True):
    """What this sensor is; topic `.../info`."""

    schema: Literal[1] = SCHEMA_VERSION
    version: str
    device: str
    name: str
    boot_id: str
    model: ModelInfo
    groups: dict[str, list[str]]
    runtime: Annotated[str, Meta(description="Interpreter package and version, as in ai-edge-litert 2.3.0.")]
    source: str
    budget_latency_ms: float
    python: str
    opencv: str


class LatencyPercentiles(Payload, frozen=True, kw_only=True):
    """Capture to end of the line, over the frames since the last health message."""

    p50: float
    p95: float
    p99: float
    max: float


class BudgetStep(Payload, frozen=True, kw_only=True):
    """One step along the ladder of levels."""

    time: Timestamp
    from_level: str
    to_level: str
    reason: Annotated[
        Literal["start", "latency", "room", "throttled", "hot"],
        Meta(
            description="start: too slow when measured at the start; latency: too slow later; room: quick for a while; "
            "throttled, hot: the board says so."
        ),
    ]
    detail: Annotated[str, Meta(description="The reason for a person, with its figures.")]


class BudgetPayload(Payload, frozen=True, kw_only=True):
    """How much work a frame may cost at present."""

    state: Annotated[
        Literal["fixed", "measuring", "steady"],
        Meta(description="fixed: a file played as quickly as possible keeps the best level; measuring: at the start."),
    ]
    level: Annotated[str, Meta(description="Name of the level in force.")]
    level_index: Annotated[int, Meta(ge=0, description="Its place in `levels`, 0 the best.")]
    levels: Annotated[list[str], Meta(description="The ladder, from the best to the cheapest.")]
    priority: Annotated[
        Literal["realtime", "normal"], Meta(description="Whether frames go before the work of other programs.")
    ]
    reachable_ms: Annotated[
        float | None, Meta(description="p99 at the cheapest level where even that breaks the budget; else null.")
    ]
    steps: Annotated[list[BudgetStep], Meta(description="The last steps, oldest first.")]


class HealthPayload(Payload, frozen=True, kw_only=True):
    """How it is doing; topic `.../health`."""

    schema: Literal[1] = SCHEMA_VERSION
    time: Timestamp
    uptime_seconds: Annotated[float, Meta(ge=0)]
    source: Annotated[
        Literal["opening", "ok", "paused", "stalled", "lost", "ended"], Meta(description="State of the source.")
    ]
    source_error: str | None
    paused: Annotated[bool, Meta(description="Whether it was asked not to look; a camera is released then.")]
    source_reopened: Annotated[int, Meta(ge=0, description="Times the source was opened again.")]
    frames: Annotated[int, Meta(ge=0, description="Frames processed since start.")]
    frames_dropped: Annotated[
        int, Meta(ge=0, description="Frames not processed: a newer one replaced them, or they were late.")
    ]
    frames_late: Annotated[
        int, Meta(ge=0, description="Those of them that were older than the budget when their turn came.")
    ]
    fps: Annotated[float, Meta(ge=0)]
    faces: Annotated[int, Meta(ge=0)]
    latency_ms: LatencyPercentiles | None
    budget_latency_ms: float
    within_budget: Annotated[bool | None, Meta(description="p99 against the budget; null without frames.")]
    budget: BudgetPayload
    stage_ms: Annotated[dict[str, float], Meta(description="Median time of each stage.")]
    broker: Literal["connected", "disconnected", "none"]
    outbox_depth: Annotated[int, Meta(ge=0, description="Events not acknowledged yet.")]
    outbox_dropped: Annotated[int, Meta(ge=0, description="Events that a full outbox let go or the broker refused.")]
    outbox_durable: Annotated[
        bool | None, Meta(description="Whether waiting events outlive this process; null where no broker is set.")
    ]
    outbox_problem: Annotated[str | None, Meta(description="Why they do not, where that was not asked for.")]
    temperature_c: float | None
    throttled: Annotated[bool | None, Meta(description="Raspberry Pi firmware's word; null where it has none.")]


class ResponsePayload(Payload, frozen=True, kw_only=True):
    """What became of a request to `.../request/<name>`; topic `.../response/<name>`."""

    schema: Literal[1] = SCHEMA_VERSION
    time: Timestamp
    status: Literal["ok", "error"]
    error: Annotated[str | None, Meta(description="Why it was refused, in a sentence; null where it was not.")]
    transaction: Annotated[str | None, Meta(description="As the request had it; null where it had none.")]
    paused: Annotated[bool | None, Meta(description="Whether the sensor is paused now; null after an error.")]
    health: Annotated[HealthPayload | None, Meta(description="After a request for it; else null.")]
    config: Annotated[
        dict[str, dict[str, Any]] | None,
        Meta(
            description="By table and key, after a request for it, with *** for what is nobody's business; else null."
        ),
    ]


TOPIC_PAYLOADS: dict[str, type[Payload]] = {
    "event": EventPayload,
    "state": StatePayload,
    "info": InfoPayload,
    "health": HealthPayload,
    "response": ResponsePayload,
}
"""Payload type by last part of the topic (of a response, the part before); `status` is one plain word."""


def encode(payload: Payload) -> bytes:
    """Encode as UTF-8 JSON without spaces."""
    return msgspec.json.encode(payload)


def json_schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a topic's payload."""
    schema = msgspec.json.schema(TOPIC_PAYLOADS[name])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"emotion-edge {name}", **schema}
