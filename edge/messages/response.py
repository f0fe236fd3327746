"""Defines the payload of the topic `.../response/<name>`: what became of a request."""

from typing import Annotated, Any, Literal

from msgspec import Meta

from edge.messages.calm_face import CalmFaceInfo
from edge.messages.payloads import SCHEMA_VERSION, HealthPayload, Payload, Settings, Timestamp


class ResponsePayload(Payload, frozen=True, kw_only=True):
    """Result of a request to `.../request/<name>`; topic `.../response/<name>`."""

    schema: Literal[1] = SCHEMA_VERSION
    time: Timestamp
    status: Literal["ok", "error"]
    error: Annotated[str | None, Meta(description="Why the request was refused, in one sentence; else null.")]
    transaction: Annotated[str | None, Meta(description="The transaction of the request; null where it had none.")]
    paused: Annotated[bool | None, Meta(description="Whether the sensor is paused now; null after an error.")]
    health: Annotated[HealthPayload | None, Meta(description="Health, after a request for it; else null.")]
    config: Annotated[
        dict[str, dict[str, Any]] | None,
        Meta(description="Configuration by table and key, with *** for secrets, after a request for it; else null."),
    ]
    settings: Annotated[
        Settings | None, Meta(description="As in info, after the requests set, reset and config; else null.")
    ] = None
    calm_face: Annotated[CalmFaceInfo | None, Meta(description="As in info, after calibrate; else null.")] = None
