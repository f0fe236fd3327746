"""Defines what `info` and the answer to the request `calibrate` say of the calm face of a place."""

from typing import Annotated

from msgspec import Meta, Struct


class CalmFaceInfo(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether a calm face is kept, and whether one can be."""

    possible: Annotated[
        bool,
        Meta(description="Whether the model can be shown one: it has a neutral label and a mean neutral reading."),
    ] = False
    since: Annotated[
        str | None,
        Meta(description="When the calm face in force was shown, RFC 3339, UTC; null where none is in force."),
    ] = None
