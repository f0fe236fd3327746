"""Hands requests of the page to the sensor, as if they had come from the broker; decides who may."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, ClassVar, Final, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from edge.messages.response import ResponsePayload
from edge.pacing import TokenBucket
from edge.preview.body import BodyRefusedError, drain, error_response, media_type, read_body

RequestName = Literal["set", "reset", "calibrate"]
SubmitRequest = Callable[[RequestName, Mapping[str, Any]], "Future[ResponsePayload]"]
"""Hands a request to the sensor, with the fields of its payload, as if it had come from the broker."""

_MAX_BYTES: Final = 65_536
"""Longest body, as of request/set."""
_PER_SECOND, _AT_ONCE = 1.0, 5
"""Rate limit: a person at the page stays below it, and each change is written to the SD card."""
ANSWER_SECONDS: Final = 10.0
"""The pipeline takes requests up between two frames, and five times a second without frames."""


class PageRequest(ABC):
    """Handles one kind of POST request of the page, whose body is JSON.

    `submit`: None where the sensor takes no requests. `has_token`: whether the page is open only to those with the
    token. Without one nothing is handed over: to look at the page is one thing, to change what the sensor does another.
    """

    refused: ClassVar[str]
    """How each sentence begins that refuses a request, as in `Not applied`."""
    unprotected: ClassVar[str]
    """Sentence for a page without a token."""
    late: ClassVar[str]
    """Sentence for an answer that does not come in time."""

    def __init__(
        self, submit: SubmitRequest | None, *, has_token: bool, answer_seconds: float = ANSWER_SECONDS
    ) -> None:
        self._submit = submit if has_token else None
        self._limit = TokenBucket(_PER_SECOND, _AT_ONCE)
        self._answer_seconds = answer_seconds

    @property
    def can_apply(self) -> bool:
        """Whether the page may ask for it, as far as the page is concerned."""
        return self._submit is not None

    @abstractmethod
    def read(self, body: bytes) -> tuple[RequestName, dict[str, Any]] | str:
        """Return name and fields of the request that a body stands for, or what is wrong with the body."""

    async def handle(self, request: Request) -> Response:
        """Answer a request of the page."""
        if media_type(request) != "application/json":
            await drain(request)
            return error_response(415, f"{self.refused}: JSON is expected, with Content-Type: application/json.")
        try:
            body = await read_body(request, _MAX_BYTES)
        except BodyRefusedError as error:
            return error_response(error.status, str(error))
        if self._submit is None:
            return error_response(403, self.unprotected)
        if not self._limit.take():
            return error_response(429, f"{self.refused}: too many changes at once. Try again in a second.")
        found = self.read(body)
        if isinstance(found, str):
            return error_response(400, f"{self.refused}: {found}.")
        response = asyncio.wrap_future(self._submit(*found))
        try:
            result = await asyncio.wait_for(response, self._answer_seconds)
        except TimeoutError:
            return error_response(504, self.late)
        if result.error is not None:
            return error_response(400, f"{self.refused}: {result.error}.")
        return Response(msgspec.json.encode({"error": None}), media_type="application/json")


def json_of(body: bytes) -> Any:  # noqa: ANN401 - whatever the body holds
    """Return the content of a body, None where it is not JSON."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
