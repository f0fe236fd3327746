"""Who may look: the address, the names and the token. What a start without them is refused for."""

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

from edge.config.credentials import credential_exists
from edge.config.schema import PreviewConfig
from edge.errors import ConfigError
from edge.redact import quoted_file

TOKEN_VARIABLE: Final = "EMOTION_EDGE_PREVIEW_TOKEN"  # noqa: S105 - the name of the variable
CREDENTIAL_NAME: Final = "preview-token"

_SHORTEST: Final = 16
"""Characters. At a thousand guesses a second, half of all tokens of 16 hexadecimal digits take 300 million years,
so that nobody who has the right one need ever be locked out by those who guess."""
_LONGEST: Final = 256
_MAKE_ONE: Final = "make one with: openssl rand -hex 16"


@dataclass(frozen=True, slots=True)
class PreviewAccess:
    """`token` None: everybody who reaches the address may look. `names`: host names besides IP addresses."""

    names: frozenset[str]
    token: str | None = field(default=None, repr=False)

    def knows_host(self, host: str) -> bool:
        """Tell whether a Host header's value names this machine.

        A page from elsewhere that has its own name point here (DNS rebinding) names itself; it cannot
        make a browser send an address in place of its name.
        """
        match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?", host)
        if match is None:
            return False
        name = match[1].strip("[]").lower().removesuffix(".")
        return is_address(name) or name in self.names

    def is_token(self, offered: str) -> bool:
        """Compare in a time that does not tell how much of it is right."""
        return self.token is not None and hmac.compare_digest(_digest(offered), _digest(self.token))

    @property
    def cookie(self) -> str:
        """What a browser keeps instead of the token: made of it, and good for nothing but this page."""
        return hmac.new((self.token or "").encode(), b"emotion-edge preview cookie", hashlib.sha256).hexdigest()

    def is_cookie(self, offered: str) -> bool:
        """Compare a cookie as `is_token` does a token."""
        return self.token is not None and hmac.compare_digest(_digest(offered), _digest(self.cookie))


def _digest(text: str) -> bytes:
    # compare_digest returns early where lengths differ, and takes no text beyond ASCII.
    return hashlib.sha256(text.encode(errors="surrogateescape")).digest()


def is_address(name: str) -> bool:
    """Tell whether this is an IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Tell whether only this machine itself reaches that address."""
    return host == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback)


def preview_access(preview: PreviewConfig, environ: Mapping[str, str] = os.environ) -> PreviewAccess:
    """Return who may look. Raises ConfigError where an address is open to others and there is no token."""
    token = read_token(preview, environ)
    if token is None and not is_loopback(preview.host):
        raise ConfigError(
            f"preview.host is {preview.host!r}, which others can reach, and there is no token: put one into the file "
            f"that preview.token_file names, into ${TOKEN_VARIABLE} or into the credential {CREDENTIAL_NAME} "
            f"({_MAKE_ONE}), or leave preview.host at 127.0.0.1"
        )
    machine = socket.gethostname().lower()
    short = machine.partition(".")[0]
    named = {name.strip().lower().removesuffix(".") for name in preview.names.split(",")}
    for name in named - {""}:
        if not re.fullmatch(r"[a-z0-9._-]{1,253}", name):
            raise ConfigError(
                f"preview.names holds {name!r}, but must be host names separated by commas, without port and scheme"
            )
    return PreviewAccess(frozenset({"localhost", machine, short, f"{short}.local"} | named) - {""}, token)


def read_token(preview: PreviewConfig, environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the token: from the file, else the environment, else the service manager's credentials; None without.

    Raises ConfigError for a file that is missing or unreadable and for a token that is too short or too long.
    """
    folder = environ.get("CREDENTIALS_DIRECTORY")
    credential = Path(folder, CREDENTIAL_NAME) if folder else None
    if preview.token_file:
        origin = quoted_file("preview.token_file", preview.token_file)
        token = _content(Path(preview.token_file), origin)
    elif environ.get(TOKEN_VARIABLE):
        origin, token = f"${TOKEN_VARIABLE}", environ[TOKEN_VARIABLE]
    elif credential is not None and credential_exists(credential, f"credential {CREDENTIAL_NAME}"):
        origin = f"credential {CREDENTIAL_NAME}"
        token = _content(credential, origin)
    else:
        return None
    token = token.strip()
    if not _SHORTEST <= len(token) <= _LONGEST or not token.isascii() or not token.isprintable():
        raise ConfigError(
            f"{origin} holds {len(token)} characters, but the token must be {_SHORTEST} to {_LONGEST} printable ASCII "
            f"characters: {_MAKE_ONE}"
        )
    return token


def _content(file: Path, origin: str) -> str:
    try:
        with file.open(encoding="utf-8", errors="replace") as stream:
            return stream.read(2 * _LONGEST)
    except OSError as error:
        raise ConfigError(
            f"{origin} cannot be read ({error.strerror}): it must be a file that holds the token"
        ) from None
