"""Defines what `info` says of the fleet's document: which one was accepted, and how far a sensor has come with it."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Step = Literal["none", "refused", "fetching", "checking", "switched", "kept", "went_back", "failed"]
"""Where a sensor stands with the document that it has accepted."""


class DesiredInfo(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a sensor makes of the documents on `.../fleet/desired` (docs/desired.md)."""

    document: Annotated[str | None, Meta(description="Name of the accepted document; null where none was.")] = None
    counter: Annotated[int, Meta(ge=0, description="Its counter, the highest that was accepted; 0 where none was.")] = 0
    step: Annotated[
        Step,
        Meta(
            description="none: no document yet; refused: none was accepted, and one was refused; fetching: the "
            "model is on its way; checking: it is tried beside the running one; switched: it runs, on trial; kept: the "
            "trial is over, or there was nothing to change; went_back: what ran before runs again; failed: nothing was "
            "changed."
        ),
    ] = "none"
    reason: Annotated[
        str | None, Meta(description="Why it is at this step, a sentence; null where there is nothing to say.")
    ] = None
    since: Annotated[str | None, Meta(description="When it reached this step, RFC 3339, UTC; null at none.")] = None
    assigned: Annotated[
        bool, Meta(description="Whether the document names this sensor; where not, its own configuration holds.")
    ] = False
    refused: Annotated[
        int, Meta(ge=0, description="Documents that were refused since the start: not signed, replayed, not readable.")
    ] = 0
    refused_reason: Annotated[str | None, Meta(description="Why the last of them was refused; null without one.")] = (
        None
    )
    refused_sha256: Annotated[
        str | None, Meta(description="SHA-256 of the payload of the last one that was refused; null without one.")
    ] = None
