"""Asks an RTSP camera why it gives no stream: FFmpeg does not tell OpenCV."""

import socket
import ssl
from io import BufferedRWPair
from typing import Final
from urllib.parse import urlsplit

from edge.capture.web.auth import Authenticator, split_credentials
from edge.capture.web.client import refusal, unverified_context
from edge.redact import redacted

_PORTS: Final = {"rtsp": 554, "rtsps": 322}  # RFC 7826, 19.2 and 22.5
_MAX_LINES: Final = 100
_MAX_LINE_BYTES: Final = 65_536
_MAX_ATTEMPTS: Final = 3  # without credentials, with them, and with a new nonce
_OK: Final = range(200, 400)


def rtsp_refusal(uri: str, timeout_seconds: float) -> str | None:
    """Ask for the description of a stream; returns one sentence where the camera refuses it or cannot be reached.

    None where the camera describes the stream, or does not speak RTSP: then the reason is another one.
    """
    shown = redacted(uri)
    try:
        bare, credentials = split_credentials(uri)
    except ValueError as error:
        return f"The address {shown} cannot be used: {error}"
    authenticator = Authenticator(credentials)
    parts = urlsplit(bare)
    address = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    try:
        with socket.create_connection(address, timeout_seconds) as plain, _secured(plain, parts.scheme) as connection:
            stream = connection.makefile("rwb")
            for number in range(1, _MAX_ATTEMPTS + 1):
                answer = _describe(stream, bare, number, authenticator)
                if answer is None:
                    return None
                status, reason, challenges = answer
                if status in _OK:
                    return None
                if status != 401 or not authenticator.challenged(challenges):  # noqa: PLR2004 - unauthorized
                    text = f"{status} {reason}".strip()
                    return refusal(shown, status, text, has_credentials=credentials is not None)
    except OSError as error:
        reason = "no answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
        return f"No video stream at {shown}: {reason}: host, port and credentials must be those of the camera"
    return None


def _secured(plain: socket.socket, scheme: str) -> socket.socket:
    if scheme != "rtsps":
        return plain
    context: ssl.SSLContext = unverified_context()
    return context.wrap_socket(plain)


def _describe(
    stream: BufferedRWPair, uri: str, number: int, authenticator: Authenticator
) -> tuple[int, str, list[str]] | None:
    """Send one request; returns status, reason and challenges, or None where the answer is not RTSP."""
    lines = [f"DESCRIBE {uri} RTSP/1.0", f"CSeq: {number}", "User-Agent: emotion-edge", "Accept: application/sdp"]
    authorization = authenticator.header("DESCRIBE", uri)
    if authorization is not None:
        lines.append(f"Authorization: {authorization}")
    stream.write("\r\n".join([*lines, "", ""]).encode())
    stream.flush()
    version, _, rest = stream.readline(_MAX_LINE_BYTES).decode("latin-1").strip().partition(" ")
    status, _, reason = rest.partition(" ")
    if not version.startswith("RTSP/") or not status.isdecimal():
        return None
    challenges, length = [], 0
    for _ in range(_MAX_LINES):
        line = stream.readline(_MAX_LINE_BYTES).decode("latin-1").strip()
        if not line:
            break
        name, _, value = line.partition(":")
        if name.lower() == "www-authenticate":
            challenges.append(value.strip())
        if name.lower() == "content-length" and value.strip().isdecimal():
            length = min(int(value), _MAX_LINE_BYTES)
    stream.read(length)
    return int(status), reason, challenges
