"""`emotion-edge fleet`: shows every device that the broker knows, the worst first; exit code 1 where one is wrong."""

import argparse
import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TextIO

from edge.commands.fleet.collection import QUIET_SECONDS, Collection
from edge.commands.fleet.filters import Filter
from edge.commands.fleet.listener import Listener
from edge.commands.fleet.rows import Row
from edge.commands.fleet.terminal import can_be_screen, terminal_size
from edge.commands.fleet.watching import REDRAW_SECONDS, page, watch_lines, watch_screen, write_rows
from edge.commands.interrupt import interrupt_once
from edge.config.mqtt_schema import MqttConfig
from edge.config.schema import Config
from edge.errors import EXIT_INTERRUPTED, BrokerError, ConfigError
from edge.messages.text import printable
from edge.messages.topics import subscription
from edge.mqtt.connector import Connector
from edge.mqtt.settings import broker_settings, command_client_id, reconnect_backoff

_LOG: Final = logging.getLogger(__name__)

_LARGEST_BYTES: Final = 262_144
"""Longest message that a broker with MQTT 5 sends: an `info` with all masks and zones that there may be, which are also
settings, has a third of it."""
_POLL_SECONDS: Final = 0.05
_LINES_BESIDE: Final = 3
"""Lines of a terminal that the table cannot have: heading, totals, and the shell's next prompt."""


@dataclass(frozen=True, slots=True)
class Options:
    """What to show. `watch`: until the user ends it. `json`: one object per line. `filter`: which devices.

    `wait_seconds`: how long to listen at least before anything is shown. `terminal`: keys can be read and a screen be
    drawn. `quiet_seconds`: see QUIET_SECONDS. `redraw_seconds`: interval at which all devices are looked at again.
    """

    watch: bool = False
    json: bool = False
    filter: str = ""
    wait_seconds: float = 0.0
    terminal: bool = False
    quiet_seconds: float = QUIET_SECONDS
    redraw_seconds: float = REDRAW_SECONDS


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Show the fleet; returns the exit code."""
    interrupt_once()
    options = Options(
        watch=arguments.watch,
        json=arguments.json,
        filter=arguments.filter,
        wait_seconds=float(arguments.wait),
        terminal=not arguments.json and can_be_screen(sys.stdin, sys.stdout),
    )
    return show_fleet(config.mqtt, options, sys.stdout)


def show_fleet(mqtt: MqttConfig, options: Options, stream: TextIO, stop: Callable[[], bool] = lambda: False) -> int:
    """Show what the broker knows of its devices; returns 1 where one of those that are shown is wrong, else 0.

    With `watch` until `stop()` or interrupted. Raises ConfigError, and BrokerError where the broker cannot be reached,
    refuses, or knows no device that the filter names.
    """
    if not mqtt.url:
        raise ConfigError("mqtt.url is empty: name the broker of the fleet, as in --mqtt mqtt://HOST")
    connector = Connector(broker_settings(mqtt), command_client_id(mqtt, "fleet"), largest_bytes=_LARGEST_BYTES)
    collection = Collection(
        mqtt.base_topic,
        time.monotonic(),
        least_seconds=options.wait_seconds,
        quiet_seconds=options.quiet_seconds,
    )
    chosen = Filter.parse(options.filter)
    events = [subscription(mqtt.base_topic, "event")] if options.watch else []
    backoff = reconnect_backoff(mqtt.reconnect_max_seconds)
    with Listener(connector, mqtt.base_topic, collection, backoff, events) as listener:
        if not options.watch:
            try:
                every = _collect(listener, chosen, mqtt.base_topic)
            except KeyboardInterrupt:
                return EXIT_INTERRUPTED
        elif options.terminal:
            rows = watch_screen(listener, chosen, options.redraw_seconds)
        else:
            rows = watch_lines(listener, chosen, stream, stop, json=options.json, redraw_seconds=options.redraw_seconds)
    if not options.watch:
        rows = _show(every, chosen, str(listener.broker), options, stream)
    return int(any(row.wrong for row in rows))


def _collect(listener: Listener, chosen: Filter, base: str) -> list[Row]:
    """Return the rows of all devices, once all that the broker keeps has arrived."""
    every: list[Row] | None = None
    while every is None:
        time.sleep(_POLL_SECONDS)
        with listener.lock:
            if listener.complete:
                every = _rows_of(listener)
    if not any(chosen.names(row.name) for row in every):
        raise _nobody(listener, chosen, base, known=len(every))
    return every


def _rows_of(listener: Listener) -> list[Row]:
    """Return the rows of all devices; says so where they may not be all."""
    if listener.lost:
        raise BrokerError(listener.lost.removesuffix("; reconnecting"))
    if not listener.all_arrived:
        _LOG.warning(
            "the broker was still sending what it keeps: devices or figures may be missing; --wait 120 listens longer"
        )
    return listener.rows()


def _show(every: list[Row], chosen: Filter, title: str, options: Options, stream: TextIO) -> list[Row]:
    """Print the devices, or page through them where the terminal is too low; returns those that were chosen."""
    rows = chosen.apply(every)
    if not options.terminal:
        write_rows(rows, len(every), stream, json=options.json)
        return rows
    width, height = terminal_size(stream)
    if len(rows) + _LINES_BESIDE > height:
        return page(every, chosen, title)
    write_rows(rows, len(every), stream, json=False, width=width)
    return rows


def _nobody(listener: Listener, chosen: Filter, base: str, *, known: int) -> BrokerError:
    if known:
        patterns = " or ".join(f"'{printable(pattern)}'" for pattern in chosen.patterns)
        return BrokerError(
            f"the broker at {listener.broker} knows no device {patterns}, but {known} others: a pattern must fit the "
            "whole id, and * stands for any text"
        )
    return BrokerError(
        f"the broker at {listener.broker} has nothing on {printable(base)}/+/status: no sensor has published to it, "
        "their mqtt.base_topic is another, or this user may not read these topics; a broker that keeps no retained "
        "messages needs --wait 30"
    )
