"""Defines the MQTT payloads. The JSON Schemas in `edge/messages/schemas` are generated from these types."""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from edge.messages.calm_face import CalmFaceInfo
from edge.messages.desired_info import DesiredInfo
from edge.messages.previous_boot import PreviousBoot

SCHEMA_VERSION: Final = 1

Share = Annotated[float, Meta(ge=0, le=1)]
Emotion = Annotated[
    str,
    Meta(
        description='Label of the face: one of the model, or "unknown". It is held until another label has led by '
        "events.margin for events.dwell_seconds."
    ),
]
EmotionGroup = Annotated[str | None, Meta(description="Configured group of `emotion`; null where there is none.")]
Confidence = Annotated[
    Share,
    Meta(
        description="Probability of `emotion` when it last led. Where `emotion` is unknown: the highest probability "
        "when that was last below the threshold."
    ),
]
Leader = Annotated[
    str | None,
    Meta(
        description="Label with the highest of `probabilities`, whatever the threshold; null as long as the face was "
        "not read, and in events of an earlier version."
    ),
]
LeaderGroup = Annotated[str | None, Meta(description="Configured group of `leader`; null where there is none.")]
LeaderConfidence = Annotated[
    Share | None, Meta(description="Probability of `leader`: the highest of `probabilities`; null without a leader.")
]
Probabilities = Annotated[
    dict[str, Share],
    Meta(description="Probability of each label of the model, as of the last reading of the face; all equal before."),
]
Groups = Annotated[dict[str, Share], Meta(description="Sum of `probabilities` in each configured group.")]
SignedShare = Annotated[float, Meta(ge=-1, le=1)]
Valence = Annotated[
    SignedShare | None,
    Meta(
        description="How pleasant the expression looks, from -1 to 1: the mean of the labels' weights ([valence]), "
        "weighted with `probabilities`. Null as long as the face was not read, where a label of the model has no "
        "weight, and in events of an earlier version."
    ),
]
RollDegrees = Annotated[
    Annotated[float, Meta(ge=-180, le=180)] | None,
    Meta(
        description="Angle by which the head is tilted in the picture, in degrees: positive is clockwise, 0 about "
        "upright; null in events of an earlier version."
    ),
]
ZoneNames = Annotated[
    list[str],
    Meta(
        description="Zones in which the centre of the face lies, in the order of the configuration; empty in events of "
        "an earlier version."
    ),
]
Areas = dict[str, list[tuple[Share, Share]]]
Timestamp = Annotated[
    str, Meta(description="RFC 3339, UTC, milliseconds", pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
]


class Payload(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all payloads. Keys are encoded in the order of the fields."""


class BoxShare(Payload, frozen=True, kw_only=True):
    """A box as shares of the frame's width and height; x and y are its top left corner."""

    x: Share
    y: Share
    width: Share
    height: Share


class FacePayload(Payload, frozen=True, kw_only=True):
    """The face that an event is about."""

    track: Annotated[int, Meta(ge=1, description="Number of the face since the start of the daemon; never used twice.")]
    box: BoxShare
    roll_degrees: RollDegrees = None
    zones: ZoneNames = []


class EventPayload(Payload, frozen=True, kw_only=True):
    """Something that happened to one face; topic `.../event`."""

    schema: Literal[1] = SCHEMA_VERSION
    id: Annotated[str, Meta(description="Unique identifier of the event: boot_id, a colon, seq.")]
    boot_id: Annotated[str, Meta(description="Unique identifier of this start of the daemon.")]
    seq: Annotated[int, Meta(ge=1, description="Number of the event since the start of the daemon, without a gap.")]
    time: Timestamp
    source_seconds: Annotated[
        float, Meta(ge=0, description="Time of the frame since the first frame of its source, in seconds.")
    ]
    type: Literal["face_appeared", "emotion_changed", "face_left"]
    face: FacePayload
    emotion: Emotion
    previous: Annotated[str | None, Meta(description="`emotion` before an emotion_changed; null in other events.")]
    group: EmotionGroup
    confidence: Confidence
    leader: Leader = None
    leader_group: LeaderGroup = None
    leader_confidence: LeaderConfidence = None
    probabilities: Probabilities
    groups: Groups
    valence: Valence = None
    latency_ms: Annotated[
        float,
        Meta(ge=0, description="Time from the frame's capture to the event's hand-over to the connection."),
    ]
    replayed: Annotated[bool, Meta(description="Whether the event could not be sent when it happened.")]
    # These, `leader` and `valence` have defaults for events of older versions.
    time_corrected: Annotated[
        bool,
        Meta(description="Whether `time` was corrected because the clock was set after the frame was captured."),
    ] = False
    clock_synchronised: Annotated[
        bool,
        Meta(
            description="Whether a time service is known to have set the clock that `time` is by; where false, `time` "
            "may be off by years."
        ),
    ] = False


class StateFace(Payload, frozen=True, kw_only=True):
    """A face in view, as it is now."""

    track: Annotated[int, Meta(ge=1)]
    box: BoxShare
    roll_degrees: RollDegrees = None
    zones: ZoneNames = []
    emotion: Emotion
    group: EmotionGroup
    confidence: Confidence
    leader: Leader = None
    leader_group: LeaderGroup = None
    leader_confidence: LeaderConfidence = None
    probabilities: Probabilities
    groups: Groups
    valence: Valence = None


class ZoneState(Payload, frozen=True, kw_only=True):
    """Faces in view whose centre lies in one zone."""

    present: Annotated[bool, Meta(description="Whether there is one; false also while that is not known.")]
    faces: Annotated[int, Meta(ge=0, description="How many there are.")]
    emotion: Annotated[str | None, Meta(description="Emotion of the largest of them; null without one.")]
    confidence: Annotated[Share | None, Meta(description="`confidence` of that face; null without one.")]
    valence: Annotated[
        SignedShare | None, Meta(description="Valence of that face; null without one, or where it has none.")
    ]


class StatePayload(Payload, frozen=True, kw_only=True):
    """Faces in view; topic `.../state`. Without any: `faces` empty, `present` false, all about an emotion null."""

    schema: Literal[1] = SCHEMA_VERSION
    time: Timestamp
    paused: Annotated[bool, Meta(description="Whether capture is paused: no frame, and no face is reported.")]
    present: Annotated[
        bool,
        Meta(description="Whether a face is in view; false also while that is not known (paused, or the camera away)."),
    ]
    emotion: Annotated[str | None, Meta(description="Emotion of the largest face; null without a face in view.")]
    confidence: Annotated[Share | None, Meta(description="`confidence` of that face; null without a face in view.")]
    leader: Annotated[
        str | None, Meta(description="Leader of the largest face; null without a face in view, or without a leader.")
    ] = None
    leader_confidence: Annotated[
        Share | None, Meta(description="Probability of that leader; null without a leader.")
    ] = None
    valence: Annotated[
        SignedShare | None,
        Meta(description="Valence of the largest face; null without a face in view, or where that face has none."),
    ] = None
    faces: list[StateFace]
    zones: Annotated[dict[str, ZoneState], Meta(description="Each configured zone, by name.")] = {}


class ModelInfo(Payload, frozen=True, kw_only=True):
    """The model in use."""

    name: str
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    labels: list[str]


class Setting(Payload, frozen=True, kw_only=True):
    """A key of the configuration that a request may set."""

    value: Annotated[Any, Meta(description="Value in force; null where the key is unset.")]
    set: Annotated[bool, Meta(description="Whether a request has set it; false: the value of the configuration.")]


Settings = Annotated[
    dict[str, Setting],
    Meta(
        description="Keys that requests may set (requests.settable): by dotted key, or by the name of a table that is "
        "set as a whole, with its areas as the configuration has them."
    ),
]


class InfoPayload(Payload, frozen=True, kw_only=True):
    """Identity and set-up of this sensor; topic `.../info`."""

    schema: Literal[1] = SCHEMA_VERSION
    version: str
    device: str
    name: str
    boot_id: str
    model: ModelInfo
    groups: dict[str, list[str]]
    zones: Annotated[
        Areas,
        Meta(description="Zones by name: the corners of each, [x, y] in shares of the frame, as boxes are given."),
    ] = {}
    masks: Annotated[Areas, Meta(description="Masks by name, as zones are given: there the sensor sees nothing.")] = {}
    valence: Annotated[
        dict[str, SignedShare] | None,
        Meta(description="Weight of each label for `valence`; null where a label has none, and `valence` is null too."),
    ] = None
    summary: Annotated[bool, Meta(description="Whether this sensor publishes `.../summary`.")] = False
    runtime: Annotated[str, Meta(description="Interpreter package and version, as in ai-edge-litert 2.3.0.")]
    source: str
    budget_latency_ms: float
    health_interval_seconds: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(description="Seconds between two messages of `.../health`; null in messages of earlier versions."),
    ] = None
    python: str
    opencv: str
    settings: Settings = {}
    calm_face: CalmFaceInfo = CalmFaceInfo()
    settings_ignored: Annotated[
        list[str],
        Meta(description="Why settings that requests have made are not in force, a sentence each; empty: all are."),
    ] = []
    desired: Annotated[
        DesiredInfo | None,
        Meta(description="What this sensor makes of the fleet's document; null where [desired] is off."),
    ] = None
    previous_boots: Annotated[
        list[PreviousBoot],
        Meta(description="The boots before this one, the last one first. At most five; empty where none is known."),
    ] = []


class LatencyPercentiles(Payload, frozen=True, kw_only=True):
    """Time from capture to the end of the pipeline, over the frames since the last health message."""

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
            description="start: too slow when measured at the start; latency: too slow later; room: fast for a while; "
            "throttled: the firmware limits the clock; hot: the processor is hot."
        ),
    ]
    detail: Annotated[str, Meta(description="The reason with its figures, for people.")]


class BudgetPayload(Payload, frozen=True, kw_only=True):
    """How much work a frame may cost at present."""

    state: Annotated[
        Literal["fixed", "measuring", "steady"],
        Meta(
            description="fixed: a file played with --fast stays at the best level; measuring: the start; steady: later."
        ),
    ]
    level: Annotated[str, Meta(description="Name of the level in force.")]
    level_index: Annotated[int, Meta(ge=0, description="Index of that level in `levels`; 0 is the best.")]
    levels: Annotated[list[str], Meta(description="All levels, from the best to the cheapest.")]
    priority: Annotated[
        Literal["realtime", "normal"], Meta(description="Whether the sensor is scheduled before other programs.")
    ]
    reachable_ms: Annotated[
        float | None,
        Meta(description="99th percentile at the cheapest level, where even that breaks the budget; else null."),
    ]
    steps: Annotated[list[BudgetStep], Meta(description="The last steps, oldest first.")]


class HealthPayload(Payload, frozen=True, kw_only=True):
    """Health of the sensor; topic `.../health`."""

    schema: Literal[1] = SCHEMA_VERSION
    time: Timestamp
    uptime_seconds: Annotated[float, Meta(ge=0)]
    source: Annotated[
        Literal["opening", "ok", "paused", "stalled", "lost", "ended"], Meta(description="State of the source.")
    ]
    source_error: str | None
    paused: Annotated[bool, Meta(description="Whether the sensor is paused; its camera is released then.")]
    source_reopened: Annotated[int, Meta(ge=0, description="Number of times the source was opened again.")]
    frames: Annotated[int, Meta(ge=0, description="Frames processed since the start.")]
    frames_dropped: Annotated[
        int, Meta(ge=0, description="Frames not processed: replaced by a newer frame, or too late.")
    ]
    frames_late: Annotated[
        int, Meta(ge=0, description="Dropped frames that were older than the budget before any work on them.")
    ]
    fps: Annotated[float, Meta(ge=0, description="Frames processed per second since the last health message.")]
    source_fps: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(
            description="Frames per second that the source gives, from the times of its latest frames; null before the "
            "second one, and while it gives none."
        ),
    ]
    source_stall_seconds: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(
            description="Seconds without a frame after which the camera counts as stalled: source.stall_seconds, or "
            "three frames of a slow camera; null for a file."
        ),
    ]
    faces: Annotated[int, Meta(ge=0, description="Faces in view in the last frame.")]
    latency_ms: LatencyPercentiles | None
    budget_latency_ms: float
    within_budget: Annotated[
        bool | None, Meta(description="Whether the 99th percentile is within the budget; null without frames.")
    ]
    budget: BudgetPayload
    stage_ms: Annotated[
        dict[str, float],
        Meta(description="Median time of each stage, over all frames, also those in which no face was classified."),
    ]
    broker: Literal["connected", "disconnected", "none"]
    outbox_depth: Annotated[int, Meta(ge=0, description="Events that the broker has not acknowledged yet.")]
    outbox_dropped: Annotated[
        int,
        Meta(
            ge=0,
            description="Events lost: deleted from a full outbox, refused by the broker, or in an outbox file that was "
            "destroyed.",
        ),
    ]
    messages_refused: Annotated[
        int,
        Meta(ge=0, description="Other messages that the broker did not take since the start: too long, or refused."),
    ]
    outbox_durable: Annotated[
        bool | None, Meta(description="Whether waiting events survive a restart; null without a broker.")
    ]
    outbox_problem: Annotated[
        str | None,
        Meta(
            description="Why waiting events do not survive a restart although the configuration demands it; else null."
        ),
    ]
    temperature_c: float | None
    throttled: Annotated[bool | None, Meta(description="Whether the Pi's firmware limits the clock; null on others.")]


def encode(payload: Payload) -> bytes:
    """Encode a payload as UTF-8 JSON without spaces."""
    return msgspec.json.encode(payload)
