"""`emotion-edge archive`: keeps what all sensors of a broker publish, reports gaps, and exports."""

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from edge.archive.archiver import LONGEST_PACKET_BYTES, SESSION, Archiver, Waker
from edge.archive.export import check_export, export_events, parse_time
from edge.archive.gaps import find_gaps
from edge.archive.intake import Intake
from edge.archive.open import open_store
from edge.archive.store import Store, StoreAwayError
from edge.archive.subscription import Subscription
from edge.archive.writer import Writer
from edge.commands.common import write_line
from edge.commands.interrupt import interrupt_once
from edge.config.archive_schema import StoreAddress, parse_store
from edge.config.schema import Config
from edge.config.state_dir import archive_file
from edge.errors import ArchiveError, ConfigError
from edge.messages.text import printable
from edge.mqtt.connector import Connector
from edge.mqtt.settings import broker_settings, reconnect_backoff
from edge.system.sd_notify import Notifier

_LOG: Final = logging.getLogger(__name__)

_JOIN_SECONDS: Final = 5.0
"""Longest wait for the end of a transaction at a stop; what it holds is not acknowledged."""


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Archive until a signal, or report gaps, or export; returns the exit code. Raises EdgeError."""
    if not arguments.export and (arguments.since or arguments.until):
        raise ConfigError("--since and --until belong to --export FILE")
    address = store_address(config)
    if arguments.gaps or arguments.export:
        interrupt_once()  # an export that SIGTERM ends leaves nothing behind
    if arguments.gaps:
        return _reading(address, report_gaps)
    if arguments.export:
        since = parse_time(arguments.since, "--since") if arguments.since else None
        until = parse_time(arguments.until, "--until") if arguments.until else None
        if since and until and since >= until:
            raise ConfigError(f"--since {arguments.since} must be before --until {arguments.until}")
        path: Path = arguments.export
        check_export(path)
        count = _reading(address, lambda store: export_events(store, path, since, until))
        write_line(sys.stdout, f"{count} event(s) written to {path}")
        return 0
    stopped = threading.Event()
    waker = Waker()

    def stop(*_: object) -> None:
        stopped.set()
        waker.wake()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    archive(config, address, waker, stopped.is_set)
    return 0


def store_address(config: Config) -> StoreAddress:
    """Return the address of the configured database. Raises ConfigError."""
    default = None if config.archive.store else archive_file(config.mqtt)
    return parse_store(config.archive.store, default)


def archive(config: Config, address: StoreAddress, waker: Waker, stop: Callable[[], bool]) -> None:
    """Archive until `stop()`, whose change `waker` must announce. Raises ConfigError, ArchiveError and BrokerError."""
    mqtt, settings = config.mqtt, config.archive
    if not mqtt.url:
        raise ConfigError("mqtt.url is empty: name the broker whose sensors are archived, as in --mqtt mqtt://HOST")
    brokers = broker_settings(mqtt)
    writer = Writer(_open(address), settings.keep_days, waker.wake)
    client_id = f"{mqtt.client_id or 'emotion-edge'}-archive-{settings.name}"
    archiver = Archiver(
        Connector(brokers, client_id, largest_bytes=LONGEST_PACKET_BYTES, session=SESSION),
        Subscription(mqtt.base_topic, settings.group),
        Intake(mqtt.base_topic, settings.sample_seconds),
        writer,
        waker,
        reconnect_backoff(mqtt.reconnect_max_seconds),
        notifier := Notifier(),
    )
    writer.start()
    _LOG.info("archiving into %s", address)
    notifier.ready()
    try:
        archiver.run(stop)
    finally:
        notifier.stopping()
        writer.stop()
        writer.join(_JOIN_SECONDS)
        notifier.close()
    _LOG.info(
        "%d event(s) stored, %d came again, %d message(s) kept out as malformed; what was not acknowledged waits at "
        "the broker",
        writer.stored.events,
        writer.stored.repeated,
        archiver.malformed + writer.rejected,
    )


def report_gaps(store: Store) -> int:
    """Print what is missing in the archive, a line for each gap and their number; returns the exit code."""
    gaps = missing = 0
    for gap in find_gaps(store.holes(), store.ends()):
        gaps += 1
        missing += gap.missing
        write_line(sys.stdout, printable(str(gap)))
    write_line(sys.stdout, f"{missing} event(s) missing, in {gaps} gap(s)" if gaps else "no event is missing")
    return 1 if gaps else 0


def _open(address: StoreAddress) -> Store:
    """Return the store; the folder of the default file is made. Raises ArchiveError."""
    if address.path is not None and address.path.name == "archive.sqlite3" and not address.path.parent.exists():
        try:
            address.path.parent.mkdir(mode=0o700, parents=True)
        except OSError as error:
            raise ArchiveError(f"{address.path.parent} cannot be made ({error.strerror})") from error
    return open_store(address)


def _reading(address: StoreAddress, read: Callable[[Store], int]) -> int:
    """Read from the store, which must be there. Raises ArchiveError."""
    if address.path is not None and not address.path.exists():
        raise ArchiveError(f"there is no archive in {address.path}: emotion-edge archive makes it; --store names one")
    store = open_store(address, make=False)
    try:
        store.open()
        return read(store)
    except StoreAwayError as error:
        raise ArchiveError(f"the database cannot be used: {error}") from error
    finally:
        store.close()
