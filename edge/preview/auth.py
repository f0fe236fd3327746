"""Decides who may open the page: checks address, host names and token of the configuration."""

import hashlib
import hmac
import ipaddress
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from edge.config.credentials import find_credential
from edge.config.schema import PreviewConfig
from edge.errors import ConfigError
from edge.redact import quoted_file

TOKEN_VARIABLE: Final = "EMOTION_EDGE_PREVIEW_TOKEN"  # noqa: S105 - the name of the variable
CREDENTIAL_NAME: Final = "preview-token"

_MIN_TOKEN_LENGTH: Final = 16
"""Smallest length of a token, in characters. At a thousand guesses a second it takes 300 million years to try half of
all tokens of 16 hexadecimal digits. Wrong guesses are therefore not throttled; that would lock out the owner."""
_MAX_TOKEN_LENGTH: Final = 256
_HOW_TO_MAKE: Final = "make one with: openssl rand -hex 16"


@dataclass(frozen=True, slots=True)
class PreviewAccess:
    """Who may open the page.

    `names`: host names of this machine, lower case, allowed besides IP addresses. `token`: what a request must
    carry; None: everyone who reaches the address may open the page.
    """

    names: frozenset[str]
    token: str | None = field(default=None, repr=False)

    def allows_host(self, host: str) -> bool:
        """Return whether a Host header's value names this machine.

        This stops DNS rebinding: a foreign page whose own name resolves to this machine sends that name, and cannot
        make a browser send an address instead.
        """
        match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?", host)
        if match is None:
            return False
        name = match[1].strip("[]").lower().removesuffix(".")
        return _is_ip_address(name) or name in self.names

    def is_token(self, offered: str) -> bool:
        """Return whether this is the token. The time that it takes does not depend on how much of it is right."""
        return self.token is not None and hmac.compare_digest(_digest(offered), _digest(self.token))

    @property
    def cookie(self) -> str:
        """Cookie value that a browser keeps instead of the token: derived from it, valid for this page alone."""
        return hmac.new((self.token or "").encode(), b"emotion-edge preview cookie", hashlib.sha256).hexdigest()

    @property
    def cookie_suffix(self) -> str:
        """End of the cookie's name, 8 hexadecimal digits of its value: the same for all pages with one token."""
        return self.cookie[:8]

    def is_cookie(self, offered: str) -> bool:
        """Return whether this is the cookie, as `is_token` does."""
        return self.token is not None and hmac.compare_digest(_digest(offered), _digest(self.cookie))


def _digest(text: str) -> bytes:
    # compare_digest returns early if the lengths differ, and accepts no text beyond ASCII.
    return hashlib.sha256(text.encode(errors="surrogateescape")).digest()


def _is_ip_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Return whether an address can be reached from this machine alone."""
    return host == "localhost" or (_is_ip_address(host) and ipaddress.ip_address(host).is_loopback)


def preview_access(preview: PreviewConfig, environ: Mapping[str, str] = os.environ) -> PreviewAccess:
    """Return who may open the page.

    Raises ConfigError if other machines can reach the address and there is no token, if a name of `preview.names`
    is not a host name, and as `read_token` does.
    """
    token = read_token(preview, environ)
    if token is None and not is_loopback(preview.host):
        raise ConfigError(
            f"preview.host is {preview.host!r}, which other machines can reach, and there is no token: put one into "
            f"the file that preview.token_file names, into ${TOKEN_VARIABLE} or into the credential {CREDENTIAL_NAME} "
            f"({_HOW_TO_MAKE}), or leave preview.host at 127.0.0.1"
        )
    machine = socket.gethostname().lower()
    short = machine.partition(".")[0]
    configured = {name.strip().lower().removesuffix(".") for name in preview.names.split(",")}
    for name in configured - {""}:
        if not re.fullmatch(r"[a-z0-9._-]{1,253}", name):
            raise ConfigError(
                f"preview.names holds {name!r}, but must be host names separated by commas, without port and scheme"
            )
    return PreviewAccess(frozenset({"localhost", machine, short, f"{short}.local"} | configured) - {""}, token)


def read_token(preview: PreviewConfig, environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the token: from the file, else the environment, else the service manager's credentials; None if unset.

    Of the credentials an instance's own comes before the one that all instances share. Raises ConfigError for a file
    that is missing or unreadable, and for a token that is too short, too long or not printable ASCII.
    """
    if preview.token_file:
        origin = quoted_file("preview.token_file", preview.token_file)
        token = _read_file(Path(preview.token_file), origin)
    elif environ.get(TOKEN_VARIABLE):
        origin, token = f"${TOKEN_VARIABLE}", environ[TOKEN_VARIABLE]
    else:
        credential = find_credential(CREDENTIAL_NAME, environ)
        if credential is None:
            return None
        origin = f"credential {credential.name}"
        token = _read_file(credential, origin)
    token = token.strip()
    if not _MIN_TOKEN_LENGTH <= len(token) <= _MAX_TOKEN_LENGTH or not token.isascii() or not token.isprintable():
        raise ConfigError(
            f"{origin} holds {len(token)} characters, but the token must be {_MIN_TOKEN_LENGTH} to "
            f"{_MAX_TOKEN_LENGTH} printable ASCII characters: {_HOW_TO_MAKE}"
        )
    return token


def _read_file(file: Path, origin: str) -> str:
    try:
        with file.open(encoding="utf-8", errors="replace") as stream:
            # Enough to tell that a token is too long.
            return stream.read(2 * _MAX_TOKEN_LENGTH)
    except OSError as error:
        raise ConfigError(
            f"{origin} cannot be read ({error.strerror}): it must be a file that holds the token"
        ) from None
