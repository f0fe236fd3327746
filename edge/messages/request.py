"""Defines the payloads of the topics `.../request/<name>`, for those who send them.

The sensor checks a request by hand (`edge.control.protocol`), because its answer says in one sentence what is wrong.
An empty payload is one with every default, where a request has no field that it needs.
"""

from typing import Annotated, Any, Final, Literal, get_args

import msgspec
from msgspec import Meta, Struct

Name = Literal["pause", "resume", "health", "config", "set", "reset", "calibrate"]
NAMES: Final[tuple[Name, ...]] = get_args(Name)
UNKNOWN: Final = "unknown"
"""Last level of the response topic for any other name: a client must not make the sensor create topics."""
MAX_TRANSACTION_LENGTH: Final = 128
"""Longest transaction, characters: a UUID has 36."""

Transaction = Annotated[
    Annotated[str, Meta(max_length=MAX_TRANSACTION_LENGTH)] | msgspec.UnsetType,
    Meta(description="Any text; the answer repeats it."),
]


class RequestPayload(Struct, kw_only=True, forbid_unknown_fields=True):
    """A request without parameters."""

    transaction: Transaction = msgspec.UNSET


class PauseRequest(RequestPayload, kw_only=True):
    """Pauses capture, or resumes it."""

    paused: Annotated[bool, Meta(description="false resumes capture.")] = True


class SetRequest(RequestPayload, kw_only=True):
    """Changes keys of the configuration that requests.settable names."""

    settings: Annotated[
        dict[str, Any],
        Meta(min_length=1, description="Values by dotted key, or by the name of a table that is set whole."),
    ]


class ResetRequest(RequestPayload, kw_only=True):
    """Undoes what `set` has changed."""

    keys: Annotated[
        Annotated[list[str], Meta(min_length=1)] | msgspec.UnsetType,
        Meta(description="Keys to undo; without it all."),
    ] = msgspec.UNSET


class CalibrateRequest(RequestPayload, kw_only=True):
    """Looks at a calm face for five seconds, or forgets it."""

    reset: Annotated[bool, Meta(description="true forgets the calm face.")] = False


REQUEST_PAYLOADS: Final[dict[Name, type[RequestPayload]]] = {
    "pause": PauseRequest,
    "resume": RequestPayload,
    "health": RequestPayload,
    "config": RequestPayload,
    "set": SetRequest,
    "reset": ResetRequest,
    "calibrate": CalibrateRequest,
}
"""Type of the payload of each request."""
