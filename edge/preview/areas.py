"""Applies masks and zones that were drawn on the page, as settings; decides who may."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Final, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from edge.config.areas import AREA_TABLES
from edge.messages.response import ResponsePayload
from edge.pacing import TokenBucket
from edge.preview.body import BodyRefusedError, drain, error_response, media_type, read_body

SubmitRequest = Callable[[Literal["set", "reset"], Mapping[str, Any]], "Future[ResponsePayload]"]
"""Hands a request to the sensor, with the fields of its payload, as if it had come from the broker."""

_MAX_BYTES: Final = 65_536
"""Longest body, as of request/set."""
_PER_SECOND, _AT_ONCE = 1.0, 5
"""Rate limit: a person who draws stays below it, and each change is written to the SD card."""
_ANSWER_SECONDS: Final = 10.0
"""The pipeline takes requests up between two frames, and five times a second without frames."""
_WITHOUT_PROTECTION: Final = (
    "Not applied: this page has no token, so that every program on this machine could change masks. Set a token "
    "(preview.token_file), or put the text into the configuration file."
)


class AreaWriter:
    """Handles `POST /areas`: `{"set": {"masks": {...}}}` or `{"reset": ["masks", "zones"]}`.

    The corners are in shares of the camera's picture, as in the configuration. `submit`: None where the sensor takes no
    requests. `has_token`: whether the page is open only to those with the token. Without one it applies nothing: to
    look at the page is one thing, to remove a mask another.
    """

    def __init__(
        self,
        submit: SubmitRequest | None,
        *,
        has_token: bool,
        answer_seconds: float = _ANSWER_SECONDS,
    ) -> None:
        self._submit = submit if has_token else None
        self._limit = TokenBucket(_PER_SECOND, _AT_ONCE)
        self._answer_seconds = answer_seconds

    @property
    def can_apply(self) -> bool:
        """Whether the page may apply areas where the configuration allows it (`requests.settable`)."""
        return self._submit is not None

    async def handle(self, request: Request) -> Response:
        """Answer a request of the page."""
        if media_type(request) != "application/json":
            await drain(request)
            return error_response(415, "Not applied: JSON is expected, with Content-Type: application/json.")
        try:
            body = await read_body(request, _MAX_BYTES)
        except BodyRefusedError as error:
            return error_response(error.status, str(error))
        if self._submit is None:
            return error_response(403, _WITHOUT_PROTECTION)
        if not self._limit.take():
            return error_response(429, "Not applied: too many changes at once. Try again in a second.")
        found = _read(body)
        if isinstance(found, str):
            return error_response(400, f"Not applied: {found}.")
        response = asyncio.wrap_future(self._submit(*found))
        try:
            result = await asyncio.wait_for(response, self._answer_seconds)
        except TimeoutError:
            return error_response(504, "The sensor has not answered yet: look whether the areas come into force.")
        if result.error is not None:
            return error_response(400, f"Not applied: {result.error}.")
        return Response(msgspec.json.encode({"error": None}), media_type="application/json")


def _read(body: bytes) -> tuple[Literal["set", "reset"], dict[str, Any]] | str:
    """Return name and fields of the request that a body stands for, or what is wrong with the body."""
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "the body is not JSON"
    match content:
        case {"set": dict() as tables, **rest} if not rest and tables and set(tables) <= set(AREA_TABLES):
            return "set", {"settings": tables}
        case {"reset": list() as names, **rest} if not rest and names and all(name in AREA_TABLES for name in names):
            return "reset", {"keys": names}
    return 'the body must be {"set": {"masks": {...}, "zones": {...}}} or {"reset": ["masks", "zones"]}'
