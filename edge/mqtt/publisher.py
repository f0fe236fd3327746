"""Runs the publisher's thread: connects to the broker, publishes, and connects again after each loss."""

import contextlib
import logging
import math
import socket
import threading
import time
from collections.abc import Sequence
from typing import Final

from edge.errors import BrokerError
from edge.logs.outage import OutageLog
from edge.mqtt.broker_log import BrokerAcceptance, ConnectionLog, LimitsLog
from edge.mqtt.broker_return import BrokerReturn
from edge.mqtt.connector import Connector
from edge.mqtt.disconnect_review import DisconnectReview
from edge.mqtt.dispatcher import HandlerDispatcher, SubscriptionPolicy
from edge.mqtt.errors import ConnectFailedError
from edge.mqtt.handlers import MessageHandler
from edge.mqtt.publish_loop import STOPPED_ACK_SECONDS, PublishLoop, SensorOutput, ShutdownDeadline
from edge.mqtt.send_window import SendWindow
from edge.mqtt.settings import Timing
from edge.mqtt.types import ConnectionLostError
from edge.pacing import Backoff

_LOG: Final = logging.getLogger(__name__)

_SHUTDOWN_RETRY_SECONDS: Final = 0.5
"""Longest wait between two attempts to connect during a drain, which takes a few seconds in all."""

_SOON_SECONDS: Final = 1.0
"""Longest wait before a connection that will differ from the last one, or that decides which message the broker does
not take: others wait behind it."""

_BEAT_SECONDS: Final = 1.0
"""Interval at which the thread updates `beat_monotonic` while it waits between two attempts to connect."""


class Publisher:
    """Publishes `output` in a thread of its own.

    `handlers` publish and subscribe on the same connection. `backoff` has the waits between attempts to connect.
    """

    def __init__(
        self,
        connector: Connector,
        output: SensorOutput,
        handlers: Sequence[MessageHandler],
        backoff: Backoff,
        timing: Timing,
    ) -> None:
        self._connector = connector
        self._return = BrokerReturn(connector, connector.return_seconds)
        self._output = output
        self._outbox = output.outbox
        self._handlers = handlers
        self._backoff = backoff
        self._deadline = ShutdownDeadline()
        self._acceptance = BrokerAcceptance()
        self._connection_log = ConnectionLog(lambda: self._outbox.depth, OutageLog(timing.remind_seconds))
        self._limits_log = LimitsLog()
        self._ack_times = timing.ack
        self._review = DisconnectReview(connector.client_id, timing.settle_seconds)
        self._reconnect_soon = False
        self._subscription_policy = SubscriptionPolicy()
        self._beat_monotonic: float | None = None
        self._failure: Exception | None = None
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.settimeout(0)
        self._wake_writer.settimeout(0)
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    @property
    def failure(self) -> Exception | None:
        """Why the thread has ended and nothing is published any more; None where it has not failed."""
        return self._failure

    @property
    def messages_refused(self) -> int:
        """Messages other than events that the broker did not take."""
        return self._acceptance.messages_refused + self._subscription_policy.messages_refused

    @property
    def beat_monotonic(self) -> float | None:
        """When the thread last completed an iteration (`time.monotonic()`); None before the first."""
        return self._beat_monotonic

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wait_for_acceptance(self, timeout_seconds: float) -> None:
        """Wait until the broker has accepted or refused this sensor, or the first attempt to connect has failed."""
        self._acceptance.decided.wait(timeout_seconds)

    def wake(self) -> None:
        """Wake the thread, so that it publishes what was added."""
        # Full: enough wake-ups are pending. Closed: the thread has ended.
        with contextlib.suppress(OSError):
            self._wake_writer.send(b"\0")

    def stop(self, drain_seconds: float) -> None:
        """Publish what is left within `drain_seconds` (may be infinite), retain `stopped`, disconnect, end the thread.

        A later call, from any thread, can only shorten the time.
        """
        self._deadline.begin(drain_seconds)
        self.wake()
        if self._thread.ident is None:
            self._close_wake()
        else:
            # Somewhat longer than `stopped` may take. A thread that hangs in name resolution or TCP is left behind:
            # it ends with the process.
            left = self._deadline.seconds_left
            self._thread.join(None if math.isinf(left) else left + STOPPED_ACK_SECONDS + 1.0)

    def _close_wake(self) -> None:
        self._wake_reader.close()
        self._wake_writer.close()

    def _run(self) -> None:
        try:
            self._serve()
        except BrokerError as error:
            self._failure = error
        except Exception as error:  # noqa: BLE001 - a thread that ends without a trace would be worse
            _LOG.exception("the publisher failed on a bug")
            self._failure = error
        finally:
            self._outbox.connection_lost()
            self._acceptance.decided.set()
            self._close_wake()

    def _serve(self) -> None:
        while True:
            self._beat_monotonic = time.monotonic()
            self._reconnect_soon = False
            try:
                if self._connect_and_publish():
                    continue
            except ConnectFailedError as error:
                if error.permanent and not self._connection_log.ever_connected:
                    raise BrokerError(str(error)) from error
                self._connection_log.disconnected(str(error), cause=error.cause)
            except ConnectionLostError as error:
                reason = f"the connection to the broker at {self._connector.settings.broker} was lost: {error}"
                self._connection_log.disconnected(reason)
            else:
                return
            self._acceptance.decided.set()
            self._outbox.report_overflow()
            seconds = self._backoff.next_seconds()
            if self._reconnect_soon:
                seconds = min(seconds, _SOON_SECONDS)
            if not self._wait(seconds):
                return

    def _connect_and_publish(self) -> bool:
        """Connect, and publish until the end; returns whether another broker is to be used now."""
        with self._connector.connect(self._wake_reader, self._abort_connecting) as connection:
            name = f"the broker at {self._connector.settings.broker} with {connection.protocol.value}"
            self._connection_log.connected(name)
            self._return.connected()
            self._outbox.connection_made()
            self._output.retained.connection_made()
            self._limits_log.log(self._connector.losses(connection))
            window = SendWindow(connection, self._review.undeliverable, self._ack_times)
            dispatcher = HandlerDispatcher(connection, window, self._handlers, self.wake, self._subscription_policy)
            loop = PublishLoop(connection, window, self._output, dispatcher, self._acceptance.report)
            try:
                return loop.run(self._deadline, self._wake_reader, lambda: self._progress(name), self._leaves)
            except ConnectionLostError:
                self._reconnect_soon = self._review.connection_ended(
                    connection,
                    window,
                    self._connector.learned,
                    subscription_pending=dispatcher.subscription_pending,
                )
                raise
            finally:
                self._subscription_policy.connection_ended(
                    acknowledged=dispatcher.subscriptions_acknowledged,
                    pending=dispatcher.subscription_pending and not window.unacknowledged(),
                )
                self._outbox.connection_lost()
                self._backoff.attempt_ended(window.served_seconds)

    def _abort_connecting(self) -> bool:
        """Record that an attempt still makes progress, with one of several brokers; return whether it is to end."""
        self._beat_monotonic = time.monotonic()
        return self._nothing_to_connect_for()

    def _leaves(self) -> bool:
        """Return whether to leave the broker for an earlier one."""
        earlier = self._return.found()
        if earlier is None:
            return False
        _LOG.info("the broker at %s can be used again: going back to it", earlier.broker)
        return True

    def _progress(self, connection: str) -> None:
        """Record that the publish loop still runs on `connection`."""
        self._beat_monotonic = time.monotonic()
        self._connection_log.connected(connection)

    def _wait(self, seconds: float) -> bool:
        """Wait before the next attempt to connect; False where there is to be none."""
        if not self._deadline.begun.is_set():
            until = time.monotonic() + seconds
            while (left := until - time.monotonic()) > 0 and not self._deadline.begun.wait(min(left, _BEAT_SECONDS)):
                self._beat_monotonic = time.monotonic()
            # A shutdown connects at once: the wait may be longer than the drain.
            return not self._nothing_to_connect_for()
        # Not time.sleep, which fails in a test of a wrong clock (libfaketime).
        threading.Event().wait(min(seconds, _SHUTDOWN_RETRY_SECONDS, self._deadline.seconds_left))
        return not self._nothing_to_connect_for()

    def _nothing_to_connect_for(self) -> bool:
        """Return whether the shutdown has begun, and its time is up or no event waits."""
        return self._deadline.begun.is_set() and (self._deadline.expired or self._outbox.depth == 0)
