"""Opens the store that an address names, and loads only what that needs."""

from edge.archive.store import Store
from edge.config.archive_schema import StoreAddress


def open_store(address: StoreAddress, *, make: bool = True) -> Store:
    """Return the store at `address`, not connected yet. Raises ArchiveError where a package is missing.

    `make`: whether to make the tables where there are none; else `Store.open` raises ArchiveError.
    """
    if address.path is not None:
        from edge.archive.sqlite_store import SqliteStore  # noqa: PLC0415 - only what is used is loaded

        return SqliteStore(address.path, make=make)
    from edge.archive.postgresql_store import PostgresqlStore  # noqa: PLC0415 - an extra

    return PostgresqlStore(address.url, make=make)
