"""Reads request bodies within limits of size and time; says why one is not accepted."""

import asyncio
from typing import Final

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

_BODY_SECONDS: Final = 60.0
"""Time for a body to arrive: enough for 16 MB over a slow radio link."""
_DRAIN_SECONDS: Final = 5.0
_DRAIN_BYTES: Final = 64_000_000


class BodyRefusedError(Exception):
    """A request's body is not accepted. `status`: the HTTP status; the message is one sentence for a person."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def error_response(status: int, sentence: str) -> Response:
    """Return the answer that says in one sentence, as `error` in JSON, why a request is not accepted."""
    return Response(msgspec.json.encode({"error": sentence}), status, media_type="application/json")


def media_type(request: Request) -> str:
    """Return the type of a body, without its parameters, in small letters; "" where the request states none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def check_length(request: Request, limit: int) -> None:
    """Raise BodyRefusedError if the request declares a body of more than `limit` bytes."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        if int(declared) <= _DRAIN_BYTES:
            await drain(request)
        raise _too_long(limit)


def _too_long(limit: int) -> BodyRefusedError:
    return BodyRefusedError(413, f"Not read: the file is larger than {limit / 1e6:g} MB, which is the limit.")


async def read_body(request: Request, limit: int) -> bytes:
    """Return the body, at most `limit` bytes.

    Raises BodyRefusedError if it is longer, if it takes more than a minute, or if the client disconnects.
    """
    await check_length(request, limit)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    parts.clear()
                    break
                parts.append(part)
    except TimeoutError:
        raise BodyRefusedError(408, "Not read: the picture took more than a minute to arrive.") from None
    except ClientDisconnect:
        raise BodyRefusedError(400, "The client disconnected.") from None
    if size > limit:
        await drain(request)
        raise _too_long(limit)
    return b"".join(parts)


async def drain(request: Request) -> None:
    """Receive the rest of a body and discard it, within limits.

    A browser reads an answer only after it has sent the whole request.
    """
    size = 0
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            while size < _DRAIN_BYTES:
                message = await request.receive()
                if message["type"] != "http.request" or not message.get("more_body"):
                    return
                size += len(message.get("body", b""))
    except TimeoutError:
        return
