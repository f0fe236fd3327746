"""Reads the payload of the fleet's topic and the document in it. Pure; nothing here trusts what it reads."""

import hashlib
from typing import Final

import msgspec

from edge.desired.errors import RefusedError
from edge.messages.desired import MAX_PAYLOAD_BYTES, DesiredDocument, DesiredPayload, Plan

_MAX_BEFORE: Final = 8
"""Plans behind each other: one for each roll-out that was stopped on the way. `fleet apply` makes no more."""


def payload_sha256(payload: bytes) -> str:
    """Return the sum by which a payload is told from others, before anything in it is read."""
    return hashlib.sha256(payload).hexdigest()


def check_length(payload: bytes) -> None:
    """Raise RefusedError where a payload is too long to be looked at."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise RefusedError(f"it has {len(payload)} bytes, and at most {MAX_PAYLOAD_BYTES} are read")


def read_payload(payload: bytes) -> tuple[bytes, str]:
    """Return the signed bytes and their signature. Raises RefusedError where the payload is none of a document."""
    check_length(payload)
    try:
        parts = msgspec.json.decode(payload, type=DesiredPayload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedError(f"it is no payload of a document ({error})") from None
    try:
        return parts.document.encode(), parts.signature
    except UnicodeEncodeError:  # a lone surrogate, written as an escape
        raise RefusedError("it is no payload of a document (its text cannot be encoded)") from None


def read_document(content: bytes, base: str) -> DesiredDocument:
    """Read the signed bytes, once their signature is known to be good. `base`: `mqtt.base_topic` of this sensor.

    Raises RefusedError where they are no document, or one of another fleet.
    """
    try:
        document = msgspec.json.decode(content, type=DesiredDocument)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedError(f"its signed content is no document that this version reads ({error})") from None
    if document.base != base:
        raise RefusedError(f"it was signed for the fleet {document.base!r}, and mqtt.base_topic is {base!r}")
    if plans_of(document.plan) > _MAX_BEFORE:
        raise RefusedError(f"it has more than {_MAX_BEFORE} plans behind each other")
    return document


def plans_of(plan: Plan) -> int:
    """Return how many plans stand behind each other, this one included."""
    count, behind = 1, plan.before
    while behind is not None:
        count, behind = count + 1, behind.before
    return count
