"""Answers the authentication challenges of HTTP and RTSP: Basic (RFC 7617) and Digest (RFC 7616)."""

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import parse_keqv_list

_CHALLENGE: Final = re.compile(r"(?:^|,)\s*(basic|digest)\s+", re.IGNORECASE)
_PARAMETER: Final = re.compile(r"""([\w-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,]+)""")
_HASHES: Final[dict[str, Callable[[bytes], str]]] = {
    # MD5 is what cameras ask for; it protects nothing here that TLS would not.
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
}


def split_credentials(uri: str) -> tuple[str, tuple[str, str] | None]:
    """Return a URI without user name and password, and these two, decoded; None where there are none.

    Raises ValueError where the URI has no valid host and port. What Python says of them is not passed on: it repeats
    what stands in the place of the port, which may be a password whose host was forgotten.
    """
    try:
        parts = urlsplit(uri)
        _ = parts.port, (parts.hostname or "").encode("idna")
    except ValueError:
        raise ValueError("its host or its port is not valid") from None
    if not parts.hostname:
        raise ValueError("it names no host")
    info, _, address = parts.netloc.rpartition("@")
    bare = urlunsplit((parts.scheme, address, parts.path, parts.query, ""))
    if not info:
        return bare, None
    user, _, password = info.partition(":")
    return bare, (unquote(user), unquote(password))


class Authenticator:
    """Makes the `Authorization` header for one camera, from its last challenge. Digest is preferred to Basic."""

    def __init__(self, credentials: tuple[str, str] | None) -> None:
        self._credentials = credentials
        self._scheme: str | None = None
        self._challenge: dict[str, str] = {}
        self._count = 0

    def challenged(self, headers: Sequence[str]) -> bool:
        """Take the `WWW-Authenticate` headers of an answer; returns whether another attempt may succeed.

        It may not without credentials, with a scheme that is not known, or where the camera refused the last attempt;
        a Digest nonce that is merely out of date (`stale`) is no refusal.
        """
        if self._credentials is None:
            return False
        offered = _parse(headers)
        for scheme in ("digest", "basic"):
            if scheme not in offered:
                continue
            challenge = offered[scheme]
            if scheme == "digest" and _hash_name(challenge) not in _HASHES:
                continue
            refused = self._scheme == scheme and challenge.get("stale", "").lower() != "true"
            self._scheme, self._challenge, self._count = scheme, challenge, 0
            return not refused
        return False

    def header(self, method: str, uri: str) -> str | None:
        """Return the header for a request; None before the first challenge. `uri` as in the request line."""
        if self._credentials is None or self._scheme is None:
            return None
        user, password = self._credentials
        if self._scheme == "basic":
            return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        return self._digest(method, uri, user, password)

    def _digest(self, method: str, uri: str, user: str, password: str) -> str:
        challenge = self._challenge
        digest = _HASHES[_hash_name(challenge)]
        realm, nonce = challenge.get("realm", ""), challenge.get("nonce", "")
        self._count += 1
        count, client_nonce = f"{self._count:08x}", secrets.token_hex(8)
        first = digest(f"{user}:{realm}:{password}".encode())
        if challenge.get("algorithm", "").lower().endswith("-sess"):
            first = digest(f"{first}:{nonce}:{client_nonce}".encode())
        second = digest(f"{method}:{uri}".encode())
        fields = {"username": user, "realm": realm, "nonce": nonce, "uri": uri}
        quoted = "".join(f'{key}="{_escaped(value)}", ' for key, value in fields.items())
        if "auth" in [part.strip() for part in challenge.get("qop", "").split(",")]:
            response = digest(f"{first}:{nonce}:{count}:{client_nonce}:auth:{second}".encode())
            quoted += f'qop=auth, nc={count}, cnonce="{client_nonce}", '
        else:
            response = digest(f"{first}:{nonce}:{second}".encode())
        for key in ("algorithm", "opaque"):
            if key in challenge:
                quoted += f"{key}={challenge[key]}, " if key == "algorithm" else f'{key}="{_escaped(challenge[key])}", '
        return f'Digest {quoted}response="{response}"'


def _parse(headers: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the parameters of each known scheme; a header may offer several."""
    offered: dict[str, dict[str, str]] = {}
    for header in headers:
        found = list(_CHALLENGE.finditer(header))
        ends = [*(one.start() for one in found[1:]), len(header)]
        for one, end in zip(found, ends, strict=False):  # without a challenge there is an end, but no beginning
            text = header[one.end() : end]
            pairs = [f"{key.lower()}={value}" for key, value in _PARAMETER.findall(text)]
            offered.setdefault(one[1].lower(), parse_keqv_list(pairs))
        if not found and header.strip().lower() in {"basic", "digest"}:
            offered.setdefault(header.strip().lower(), {})
    return offered


def _hash_name(challenge: dict[str, str]) -> str:
    return challenge.get("algorithm", "MD5").upper().removesuffix("-SESS")


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
