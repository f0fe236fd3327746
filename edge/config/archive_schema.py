"""Declares the configuration keys of `emotion-edge archive`, and parses the address of its database."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec import Meta

from edge.config.section import Section
from edge.errors import ConfigError
from edge.redact import quoted
from edge.system.files import expanded


class ArchiveConfig(Section, frozen=True, kw_only=True):
    """Where `emotion-edge archive` keeps what all sensors of a broker publish (docs/archive.md). No sensor uses it."""

    store: Annotated[
        str,
        Meta(
            description="Database: postgresql://USER@HOST/NAME without a password, sqlite:///PATH, or the path of an "
            'SQLite file. Empty: the file "archive.sqlite3" in the state folder.',
            examples=["postgresql://archive@db.local/emotions"],
            extra={"file": True},
        ),
    ] = ""
    name: Annotated[
        str,
        Meta(
            pattern="^[A-Za-z0-9_-]{1,64}$",
            description="Name of this archiver, of which the client id at the broker is made. Each of several "
            "archivers needs a name of its own, and must keep it.",
        ),
    ] = "1"
    group: Annotated[
        str,
        Meta(
            pattern="^[A-Za-z0-9_-]{0,64}$",
            description="Name of a shared subscription: each of the archivers with this group gets a part of the "
            "messages. Empty: this one gets all.",
            examples=["archive"],
        ),
    ] = ""
    keep_days: Annotated[
        int, Meta(ge=0, le=36_600, description="Days after which what was received is deleted. 0: never.")
    ] = 0
    sample_seconds: Annotated[
        float,
        Meta(
            ge=0,
            le=86_400,
            description="Seconds between two kept states, and two kept healths, of one sensor; a state is kept as well "
            "where somebody comes or the last one leaves. 0: all are kept.",
        ),
    ] = 10.0


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """Address of a database: the path of an SQLite file, or the URL of PostgreSQL."""

    path: Path | None = None
    url: str = ""

    def __str__(self) -> str:
        """Return the address for messages; it holds no password."""
        if self.path is not None:
            return str(self.path)
        parts = urlsplit(self.url)
        return f"PostgreSQL at {parts.hostname or 'this machine'}, {parts.path.removeprefix('/') or 'default database'}"


_POSTGRESQL: Final = ("postgresql", "postgres")
_CONNINFO: Final = re.compile(r"\s*(host|hostaddr|port|dbname|user|password|passfile|service|sslmode)\s*=")
"""How the other form of libpq's addresses begins, which may hold a password."""
_SECRETS: Final = {"password", "sslpassword", "oauth_client_secret"}
"""Parameters of libpq that hold a secret."""


def check_archive(archive: ArchiveConfig) -> None:
    """Raise ConfigError where the address of the database cannot be used."""
    if archive.store:
        parse_store(archive.store)


def parse_store(text: str, default: Path | None = None) -> StoreAddress:
    """Parse `archive.store` or `--store`. `default`: file for an empty one.

    Raises ConfigError, which does not repeat an address that holds a password.
    """
    if not text:
        if default is None:
            raise ConfigError(
                'archive.store is empty, and with mqtt.outbox_directory = "none" there is no folder for a file: name a '
                "database in archive.store (--store)"
            )
        return StoreAddress(default)
    scheme, separator, rest = text.partition("://")
    if not separator:
        if _CONNINFO.match(text):
            raise ConfigError(
                "archive.store (--store) names a database by keys such as host= and dbname=, but must be "
                "postgresql://HOST/NAME; a file of such a name is ./NAME"
            )
        return StoreAddress(expanded(text))
    if scheme == "sqlite":
        # As everywhere: three slashes before a relative path, four before an absolute one.
        path = unquote(rest[1:])
        if not rest.startswith("/") or not path:
            raise ConfigError(f"archive.store (--store) is {quoted(text)}, but must be sqlite:///PATH")
        return StoreAddress(expanded(path))
    if scheme not in _POSTGRESQL:
        raise ConfigError(
            f"archive.store (--store) is {quoted(text)}, but must be postgresql://USER@HOST/NAME, sqlite:///PATH or "
            "the path of a file"
        )
    _refuse_password(text)
    return StoreAddress(url=text)


def _refuse_password(url: str) -> None:
    # Not by urlsplit: a password may hold a slash, which ends the authority there.
    user = url.partition("://")[2].partition("?")[0].rpartition("@")[0]
    names = {name.lower() for name, _ in parse_qsl(url.partition("?")[2], keep_blank_values=True)}
    if ":" in user or names & _SECRETS:
        raise ConfigError(
            "archive.store (--store) must hold no password, which others could read there: set PGPASSWORD, or use "
            "~/.pgpass or a service file of PostgreSQL (PGPASSFILE, PGSERVICEFILE)"
        )
