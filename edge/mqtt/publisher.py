"""The MQTT sink: keeps events until the broker has acknowledged them, and a connection alive.

Calls from the pipeline only put something down and wake the publisher's thread, the only one that
ever touches a connection.
"""

import contextlib
import logging
import math
import socket
import threading
import time
from collections.abc import Sequence
from typing import Final

from edge.config.schema import MqttConfig
from edge.config.state_dir import outbox_file
from edge.errors import BrokerError
from edge.messages.payloads import EventPayload, HealthPayload, InfoPayload, StatePayload, encode
from edge.messages.topics import OFFLINE, Kind, Topics
from edge.mqtt.broker_log import BrokerAcceptance
from edge.mqtt.correspondence import HandlerDispatcher, SubscriptionPolicy
from edge.mqtt.dialler import Connector
from edge.mqtt.errors import ConnectFailedError
from edge.mqtt.handlers import MessageHandler
from edge.mqtt.outbox.outbox import Outbox
from edge.mqtt.outbox.store import Store
from edge.mqtt.outbox.writer import OutboxWriter
from edge.mqtt.publish_loop import STOPPED_ACK_SECONDS, PublishLoop, ShutdownDeadline
from edge.mqtt.settings import broker_settings, reconnect_backoff
from edge.mqtt.silence import ConnectionLog
from edge.mqtt.types import ConnectionGoneError, OutgoingMessage
from edge.sinks.base import PublishedCallback, SinkStatus

_LOG: Final = logging.getLogger(__name__)

_START_SECONDS: Final = 6.0
"""How long `start` waits to hear whether the broker wants us: one second over the patience for TCP."""

_LARGEST_BYTES: Final = 65_536
"""Longest message that is sent to us: far more than anybody has reason to, and little for a small board."""

_CLOSING_RETRY_SECONDS: Final = 0.5
"""Longest wait between two tries to connect while a drain runs, which lasts a few seconds in all."""


_BEAT_SECONDS: Final = 1.0
"""How often a wait between two tries to connect is interrupted, to show that nothing hangs."""


class MqttSink:
    """Publishes to the broker that `mqtt` describes, as `device`. Thread-safe.

    The client id is made of the device id alone, without anything random: when a device comes back
    after losing its power, the broker drops the dead connection at once and publishes its will before
    the new `online`. With a new id each time the will would come when the keepalive of the dead
    connection ends, and mark a living sensor as offline for good.

    An event is accepted once the broker has acknowledged it or the disk holds it. `event` waits for
    neither: with a connection the broker's answer comes within milliseconds, without one the keeper's
    thread writes at once.

    Raises ConfigError (from the constructor) for a configuration that cannot be used.
    """

    def __init__(
        self,
        mqtt: MqttConfig,
        device: str,
        correspondents: Sequence[MessageHandler] = (),
        published: PublishedCallback | None = None,
    ) -> None:
        """`correspondents` share the connection; `published` is called with each event that was published."""
        self._topics = Topics(mqtt.base_topic, device)
        will = OutgoingMessage(self._topics.status, OFFLINE.encode(), 1, retain=True)
        self._dialler = Connector(broker_settings(mqtt), f"emotion-edge-{device}", will, largest_bytes=_LARGEST_BYTES)
        self._backoff = reconnect_backoff(mqtt.reconnect_max_seconds)
        self._mqtt = mqtt
        self._pending = Outbox(mqtt, published)
        self._file = outbox_file(mqtt, device)
        self._keeper = OutboxWriter(self._pending, Store(self._file)) if self._file else None
        self._ending = ShutdownDeadline()
        self._verdict = BrokerAcceptance()
        self._told_kept = False
        self._silence = ConnectionLog(lambda: self._pending.depth)
        self._beat_monotonic: float | None = None
        self._correspondents = correspondents
        self._patience = SubscriptionPolicy()
        self._failure: Exception | None = None
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.settimeout(0)
        self._wake_writer.settimeout(0)
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def status(self) -> SinkStatus:
        """Return the state of the connection, the outbox and the publisher's thread now."""
        problem = self._keeper.problem if self._keeper else None
        return SinkStatus(
            broker="connected" if self._pending.connected else "disconnected",
            outbox_depth=self._pending.depth,
            outbox_dropped=self._pending.dropped,
            outbox_durable=self._keeper is not None and problem is None,
            outbox_problem=problem,
            failure=self._failure,
            beat_monotonic=self._beat_monotonic,
        )

    @property
    def accepted_seq(self) -> int:
        """Each event of this run up to this number is acknowledged (or dropped) or on disk."""
        return self._pending.accepted_seq

    def start(self) -> None:
        """Take over what waits on disk and connect, waiting some seconds for the outcome.

        A broker that is not there yet is tried on. Raises ConfigError where another sensor uses the same
        outbox, and BrokerError for what trying again would not cure, as long as the broker has never
        accepted this sensor: unknown host, refused credentials, an untrusted certificate. Where that
        shows only later, it becomes the `failure`.
        """
        if self._keeper is not None:
            self._keeper.start()
        self._thread.start()
        self._verdict.known.wait(_START_SECONDS)
        if self._failure is not None:
            raise self._failure

    def event(self, payload: EventPayload, captured_monotonic: float) -> None:
        """Take an event for delivery. Raises ValueError where its `seq` does not grow."""
        self._pending.add(payload, captured_monotonic)
        self._report_overflow()
        self._wake()

    def info(self, payload: InfoPayload) -> None:
        """Retain what this sensor is."""
        self._retain("info", encode(payload))

    def state(self, payload: StatePayload) -> None:
        """Retain who is in view."""
        self._retain("state", encode(payload))

    def health(self, payload: HealthPayload) -> None:
        """Retain how the sensor is doing."""
        self._retain("health", encode(payload))

    def drained(self) -> bool:
        """True where every event is acknowledged, or gone for good."""
        return self._pending.depth == 0

    def close(self, drain_seconds: float) -> bool:
        """Deliver what is left within `drain_seconds` (may be infinite), retain `stopped`, disconnect.

        A broker that is away is tried again until then, as long as an event waits. True if nothing is
        lost: what is not acknowledged is on disk, for the next start. A second call, from any thread, can
        only shorten the time of the first.
        """
        self._ending.begin(drain_seconds)
        self._wake()
        if self._thread.ident is None:
            self._close_wake()
        else:
            # A little more than the good-bye may take: a thread that hangs in the resolver or in TCP is
            # left behind, it ends with the process.
            left = self._ending.seconds_left
            self._thread.join(None if math.isinf(left) else left + STOPPED_ACK_SECONDS + 1.0)
        return self._keep()

    def abort(self) -> bool:
        """End without a good-bye, for a process that is about to fail; True if nothing is lost."""
        return self._keep()

    def _keep(self) -> bool:
        """Put on disk what is not acknowledged; True if nothing is left that would be lost."""
        if self._keeper is None:
            return self.drained()
        kept = self._keeper.finish()
        depth = self._pending.depth
        if kept and depth and not self._told_kept:
            self._told_kept = True
            _LOG.warning(
                "%d event(s) are not acknowledged yet; they are kept in %s for the next start", depth, self._file
            )
        return kept

    def _retain(self, kind: Kind, payload: bytes) -> None:
        self._pending.retain(kind, payload)
        self._wake()

    def _wake(self) -> None:
        # Full: the thread has wake-ups enough before it. Closed: it has ended.
        with contextlib.suppress(OSError):
            self._wake_writer.send(b"\0")

    def _close_wake(self) -> None:
        self._wake_reader.close()
        self._wake_writer.close()

    def _run(self) -> None:
        try:
            self._serve()
        except BrokerError as error:
            self._failure = error
        except Exception as error:  # noqa: BLE001 - a thread that dies unseen would be worse
            _LOG.exception("the publisher died")
            self._failure = error
        finally:
            self._pending.connection_lost()
            self._verdict.known.set()
            self._close_wake()

    def _serve(self) -> None:
        while True:
            self._beat_monotonic = time.monotonic()
            try:
                self._connect_and_talk()
            except ConnectFailedError as error:
                if error.permanent and not self._verdict.accepted:
                    raise BrokerError(str(error)) from error
                self._silence.report(str(error), news=error.permanent)
            except ConnectionGoneError as error:
                broker = self._dialler.access.broker
                self._silence.report(f"the connection to the broker at {broker} is gone: {error}", news=False)
            else:
                return
            self._verdict.known.set()
            self._report_overflow()
            if not self._pause(self._backoff.next_seconds()):
                return

    def _connect_and_talk(self) -> None:
        with self._dialler.connect(self._wake_reader, self._pointless) as connection:
            began = time.monotonic()
            name = f"the broker at {self._dialler.access.broker} with {connection.protocol.value}"
            self._silence.broken(name)
            self._pending.connection_made()
            correspondence = HandlerDispatcher(connection, self._correspondents, self._wake, self._patience)
            conversation = PublishLoop(connection, self._topics, self._pending, correspondence, self._verdict.answered)
            try:
                conversation.run(self._ending, self._wake_reader, lambda: self._turn(name))
            finally:
                self._patience.ended(correspondence)
                self._pending.connection_lost()
                self._backoff.attempt_ended(time.monotonic() - began)

    def _turn(self, connection: str) -> None:
        """The conversation goes on: once a second, and at each thing that happens in it."""
        self._beat_monotonic = time.monotonic()
        self._silence.broken(connection)

    def _report_overflow(self) -> None:
        """Log, once per absence of the broker, that the oldest events go."""
        if self._pending.overflow_began():
            _LOG.error(
                "the outbox is full: more than %d events wait, or one for over %g hours; from now on the oldest go",
                self._mqtt.outbox_max_events,
                self._mqtt.outbox_max_age_hours,
            )

    def _pause(self, seconds: float) -> bool:
        """Wait before the next try to connect; False where there is none to be made."""
        if not self._ending.begun.is_set():
            until = time.monotonic() + seconds
            while (left := until - time.monotonic()) > 0 and not self._ending.begun.wait(min(left, _BEAT_SECONDS)):
                self._beat_monotonic = time.monotonic()
            # One that is told to end tries at once: the wait may be longer than the drain.
            return not self._pointless()
        time.sleep(min(seconds, _CLOSING_RETRY_SECONDS, self._ending.seconds_left))
        return not self._pointless()

    def _pointless(self) -> bool:
        """Whether there is nothing to connect for: we are to end, and it is too late or nothing waits."""
        return self._ending.begun.is_set() and (self._ending.over or self.drained())
