"""Runs the archive: subscribes, hands batches to the writer, and acknowledges what is on the disk.

A message is acknowledged only once its transaction is committed. What a kill takes away was not acknowledged, so the
broker delivers it again, and a repeat changes nothing.
"""

import contextlib
import logging
import socket
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from edge.archive.batch import Collector
from edge.archive.intake import Intake
from edge.archive.subscription import Subscription
from edge.archive.writer import Writer
from edge.config.credentials import BrokerAddress
from edge.errors import BrokerError
from edge.logs.outage import LogDeduplicator, OutageLog, OutageNotice, format_duration
from edge.mqtt.connection import Connection
from edge.mqtt.connector import Connector
from edge.mqtt.errors import ConnectFailedError
from edge.mqtt.reason_codes import SESSION_TAKEN_OVER
from edge.mqtt.suspicion import TakeoverSuspicion
from edge.mqtt.types import ConnectionLostError, Session
from edge.pacing import Backoff
from edge.system.sd_notify import Notifier

_LOG: Final = logging.getLogger(__name__)

SESSION: Final = Session(expiry_seconds=7 * 24 * 3600, receive_maximum=2000)
"""The broker keeps the session for a week. Two batches are under way at once: one that is written, one that arrives."""
LONGEST_PACKET_BYTES: Final = 1024 * 1024
"""Longest packet that a broker with MQTT 5 sends. What is longer than `LONGEST_PAYLOAD_BYTES` counts as malformed."""
_MOST_WAITING: Final = 2 * SESSION.receive_maximum
"""Messages in memory from which on nothing is read until some are written. mosquitto 2.0.11 does not keep to the
maximum: once a backlog waits, each acknowledgement makes it send as many messages as the maximum. Some brokers with
MQTT 3.1.1 have no limit at all."""
_FINISH_SECONDS: Final = 10.0
"""Longest time that a stop takes to write and acknowledge what has arrived."""
_LOOP_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 0.2


class Ticket(NamedTuple):
    """What acknowledges a message: its id, on the connection on which it arrived."""

    connection: int
    mid: int


class Waker:
    """Interrupts the wait for the network, from another thread or a signal handler."""

    def __init__(self) -> None:
        self.socket, self._sender = socket.socketpair()
        self.socket.settimeout(0)
        self._sender.settimeout(0)

    def wake(self) -> None:
        """End the wait."""
        with contextlib.suppress(OSError):  # a full buffer wakes as well
            self._sender.send(b"\0")

    def close(self) -> None:
        """Close both ends."""
        self.socket.close()
        self._sender.close()


class Archiver:
    """Archives what `subscription` brings over connections of `connector`, until told to stop."""

    def __init__(  # noqa: PLR0913 - its parts
        self,
        connector: Connector,
        subscription: Subscription,
        intake: Intake,
        writer: Writer,
        waker: Waker,
        backoff: Backoff,
        notifier: Notifier,
    ) -> None:
        self._connector = connector
        self._subscription = subscription
        self._intake = intake
        self._writer = writer
        self._waker = waker
        self._backoff = backoff
        self._notifier = notifier
        self._collector: Collector[Ticket] = Collector()
        self._outage = OutageLog()
        self._takeovers = TakeoverSuspicion()
        self._logged = LogDeduplicator()
        self._connections = 0
        self._broker: BrokerAddress | None = None
        self._notify_at = 0.0
        self.messages = 0
        """Messages received since the start."""

    @property
    def malformed(self) -> int:
        """Messages that were kept out because they are not what their topic promises."""
        return self._intake.malformed

    def run(self, stop: Callable[[], bool]) -> None:
        """Archive until `stop()`. Raises BrokerError where no broker can be used, and what has ended the writer."""
        while not stop():
            began = time.monotonic()
            try:
                with self._connector.connect(self._waker.socket, stop) as connection:
                    began = time.monotonic()
                    try:
                        self._connected(connection)
                        self._serve(connection, stop)
                    except ConnectionLostError:
                        self._review(connection, time.monotonic() - began)
                        raise
                    connection.close()
                    return
            except ConnectFailedError as error:
                if stop():
                    return
                if error.permanent and not self._connections:
                    raise BrokerError(str(error)) from error
                self._lost(str(error))
            except ConnectionLostError as error:
                self._lost(f"the connection to the broker is lost: {error}")
            self._backoff.attempt_ended(time.monotonic() - began)
            self._wait(self._backoff.next_seconds(), stop)

    def _connected(self, connection: Connection) -> None:
        broker = self._connector.settings.broker
        self._subscription.subscribe(connection, broker)
        first = not self._connections
        self._connections += 1
        same, self._broker = broker == self._broker, broker
        if connection.session_present and same:
            # They come again; without this, each connection would add as many while the database is away.
            self._collector.forget()
        if not connection.session_present:
            _LOG.log(
                logging.INFO if first else logging.WARNING,
                "the broker at %s has no session of %s: what was published while this archiver was away is not in the "
                "archive",
                broker,
                self._connector.client_id,
            )
        if first:
            _LOG.info("connected to the broker at %s as %s", broker, self._connector.client_id)
        elif self._outage.available(time.monotonic()) is OutageNotice.BACK:
            _LOG.info("connected to the broker at %s again after %s", broker, format_duration(self._outage.seconds))

    def _review(self, connection: Connection, lasted_seconds: float) -> None:
        """Log where a connection has probably ended because of another archiver, at most once an hour."""
        code = connection.disconnect_code
        alike = self._takeovers.connection_ended(
            lasted_seconds, by_broker=connection.ended_by_broker, explained=code is not None
        )
        sentence = (
            f"another client has probably connected as {self._connector.client_id}, which ends this connection: each "
            "archiver needs an archive.name (--name) of its own"
        )
        if (alike or code == SESSION_TAKEN_OVER) and self._logged.new(sentence, time.monotonic()):
            _LOG.warning("%s", sentence)

    def _lost(self, reason: str) -> None:
        notice = self._outage.failed(reason, time.monotonic())
        if notice is OutageNotice.STILL:
            _LOG.warning("there is no connection to the broker since %s", format_duration(self._outage.seconds))
        elif notice is not None:
            _LOG.warning("%s; trying again", reason)

    def _serve(self, connection: Connection, stop: Callable[[], bool]) -> None:
        """Receive, write and acknowledge until `stop()`, then what has arrived by then. Raises ConnectionLostError."""
        finish_at = None
        while True:
            now = time.monotonic()
            if finish_at is None and stop():
                finish_at = now + _FINISH_SECONDS
            done = self._writer.idle and not self._collector.waiting
            if finish_at is not None and (done or self._writer.away or now >= finish_at):
                self._acknowledge(connection)
                return
            due = self._collector.seconds_to_due(now) if self._writer.idle else None
            try:
                connection.poll(
                    _LOOP_SECONDS if due is None else min(due, _LOOP_SECONDS),
                    self._waker.socket,
                    receive=self._collector.waiting < _MOST_WAITING,
                )
            except ConnectionLostError:
                # A broker that has lost its sessions as well would not deliver these again.
                self._take(connection, finishing=finish_at is not None)
                raise
            self._take(connection, finishing=finish_at is not None)
            self._acknowledge(connection)
            self._pump()
            self._subscription.tend(connection, time.monotonic())

    def _take(self, connection: Connection, *, finishing: bool) -> None:
        received = connection.take_received()
        if finishing:
            return  # not acknowledged, so the broker keeps them for the next start
        now = time.monotonic()
        self.messages += len(received)
        for message in received:
            ticket = None if message.mid is None else Ticket(self._connections, message.mid)
            records = self._intake.records(message, now)
            if records or ticket is not None:
                self._collector.add(records, ticket, now)

    def _acknowledge(self, connection: Connection) -> None:
        current = self._connections
        for batch in self._writer.take_done():
            # Ids of an earlier connection mean other messages now, or none.
            connection.acknowledge(ticket.mid for ticket in batch.tickets if ticket.connection == current)

    def _pump(self) -> None:
        """Hand over the next batch where one is due, and report to the service manager."""
        if self._writer.failure is not None:
            raise self._writer.failure
        now = time.monotonic()
        if self._writer.idle and self._collector.seconds_to_due(now) == 0:
            self._writer.submit(self._collector.take(now))
        if now < self._notify_at:
            return
        self._notify_at = now + _LOOP_SECONDS
        self._notifier.alive()
        stored = self._writer.stored
        state = "the database is away; " if self._writer.away else ""
        self._notifier.status(f"{state}{stored.events} event(s) stored, {self._intake.malformed} malformed")

    def _wait(self, seconds: float, stop: Callable[[], bool]) -> None:
        """Wait for the next attempt to connect."""
        until = time.monotonic() + seconds
        while not stop() and time.monotonic() < until:
            self._pump()
            self._writer.take_done()  # of a connection that is gone
            time.sleep(_RETRY_SECONDS)
