"""Opens and runs one connection to a broker, from TCP to DISCONNECT.

A `Connection` is opened once and never reconnects. With one paho client per connection only the outbox decides what is
sent again: no event is given to the same client twice, and a restart of the process is handled like any other lost
connection.

The owner of the connection calls `poll`; there is no thread.
"""

import contextlib
import math
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from typing import Any, Final, Literal, Self

from edge.mqtt.broker_limits import BrokerLimits, publish_bytes, subscribe_bytes
from edge.mqtt.diagnosis import diagnose_closed, diagnose_transport
from edge.mqtt.errors import connack_timed_out, connection_refused
from edge.mqtt.paho_client import PahoClient
from edge.mqtt.reason_codes import WILDCARDS_NOT_SUPPORTED, reason_name
from edge.mqtt.settings import BrokerSettings
from edge.mqtt.types import (
    ConnectionLostError,
    OutgoingMessage,
    PacketTooLargeError,
    ProtocolVersion,
    PublishAck,
    ReceivedMessage,
    Session,
    SubscribeAck,
)

_POLL_SECONDS: Final = 1.0
"""Longest wait in `poll`: each call also serves the keepalive, which is five seconds at least where the broker does not
demand a shorter one."""

_POLLS_PER_KEEPALIVE: Final = 4
"""A broker may end the connection after one and a half keepalive intervals, so a ping must not be late by more."""

_DEAD_PEER_SECONDS: Final = 10
"""Longest time that the network may leave sent data unacknowledged (TCP_USER_TIMEOUT) before the kernel ends the
connection. Without it Linux tries for a quarter of an hour, and a keepalive of 30 s ends it after up to 54 s."""


class Connection:
    """A connection with `settings`, to be opened once. Not thread-safe: one thread opens, polls and publishes.

    `will`: message that the broker publishes when the connection ends without `close`. `largest_bytes`: a broker with
    MQTT 5 does not send this client a longer packet (Maximum Packet Size); with MQTT 3.1.1 there is no such limit.
    `session`: what the broker keeps while this client is away; then `acknowledge` is the owner's duty.
    """

    def __init__(  # noqa: PLR0913 - the last two have defaults
        self,
        settings: BrokerSettings,
        client_id: str,
        will: OutgoingMessage | None,
        protocol: ProtocolVersion,
        *,
        largest_bytes: int | None = None,
        session: Session | None = None,
    ) -> None:
        self.protocol = protocol
        self.will = will
        self.limits = BrokerLimits()
        """What the broker accepts, complete once the connection is open; the owner may restrict it further."""
        self.last_received_monotonic = time.monotonic()
        """When something last came from the broker."""
        self._largest_bytes = largest_bytes
        self._settings = settings
        self._poll_seconds = _POLL_SECONDS
        self._client = PahoClient(settings, client_id, will, protocol, session)
        # Messages that should have QoS 1 on a broker that takes QoS 0 only: not covered yet, and covered by a receipt.
        self._without_receipt: list[int] = []
        self._receipt: tuple[int, list[int]] | None = None
        self._receipt_topic = ""

    def __enter__(self) -> Self:
        """Return the connection itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the socket where it is still open, without DISCONNECT; only `close` sends one."""
        sock = self._client.socket
        if sock is not None:
            sock.close()

    @property
    def ended_by_broker(self) -> bool:
        """Whether the broker, and not the network or this side, ended the connection."""
        return self._client.ended_by_broker

    @property
    def session_present(self) -> bool:
        """Whether the broker had kept a session of this client when the connection was opened."""
        return self._client.session_present

    @property
    def disconnect_code(self) -> int | None:
        """Reason code of the broker's DISCONNECT; None where it sent none."""
        return self._client.disconnect_code

    def open(self, wake: socket.socket | None = None, abort: Callable[[], bool] = lambda: False) -> None:
        """Connect, and wait for CONNACK at most `settings.connect_seconds`.

        Raises ConnectFailedError. A byte on `wake` interrupts the wait; it ends once `abort()` is true.
        """
        try:
            self._client.connect(self._largest_bytes)
        except (OSError, ValueError, LookupError) as error:  # the last two: paho's parser of a WebSocket's handshake
            raise diagnose_transport(self._settings, error) from error
        self._limit_dead_time()
        deadline = time.monotonic() + self._settings.connect_seconds
        while self._client.connack is None:
            left = deadline - time.monotonic()
            if left <= 0 or abort():
                raise connack_timed_out(self._settings)
            try:
                self.poll(left, wake)
            except ConnectionLostError:
                break
        self._check_connack()
        self._use_announced(self._client.announced)

    def poll(
        self, timeout_seconds: float = math.inf, wake: socket.socket | None = None, *, receive: bool = True
    ) -> None:
        """Send and receive what is pending; wait for network activity at most `timeout_seconds` (and one second).

        Returns early on activity, or when a byte arrived on `wake` (non-blocking; emptied here). Without `receive`
        nothing is read, so that the broker has to wait; after two keepalive intervals of that the connection ends.
        Raises ConnectionLostError.
        """
        sock = self._live_socket()
        # paho's WebSocket has `pending` as well; a plain socket has not.
        decrypted = not isinstance(sock, socket.socket) or isinstance(sock, ssl.SSLSocket)
        decrypted = receive and decrypted and sock.pending() > 0
        poller = select.poll()
        interest = select.POLLIN if receive else 0
        poller.register(sock, interest | (select.POLLOUT if self._client.wants_write else 0))
        if wake is not None:
            poller.register(wake, select.POLLIN)
        seconds = 0.0 if decrypted else min(max(timeout_seconds, 0.0), self._poll_seconds)
        ready = dict(poller.poll(seconds * 1000))
        flags = ready.get(sock.fileno(), 0)
        if wake is not None and wake.fileno() in ready:
            with contextlib.suppress(BlockingIOError):
                wake.recv(4096)
        if decrypted or flags & ~select.POLLOUT:
            self.last_received_monotonic = time.monotonic()
            self._client.read()
        if flags & select.POLLOUT:
            self._client.write()
        self._client.serve_keepalive()
        self._live_socket()
        self._request_receipt()

    def ping(self) -> None:
        """Ask the broker for a sign of life, which `last_received_monotonic` then shows. Raises ConnectionLostError."""
        self._live_socket()
        self._client.ping()

    def publish(self, message: OutgoingMessage) -> int:
        """Hand `message`, fitted to the broker's limits, to the connection; return its message id.

        The `PublishAck` of a message with QoS 1 has that id, also where the broker takes QoS 0 only. Raises
        PacketTooLargeError where the broker does not accept so long a packet: nothing is sent then. Raises
        ConnectionLostError; whether the message was sent is then unknown.
        """
        self._live_socket()
        fitted = self.limits.fitted(message)
        self._check_size(publish_bytes(fitted, self.protocol))
        mid = self._written(self._client.publish(fitted))
        if message.qos and not fitted.qos:
            self._without_receipt.append(mid)
            self._receipt_topic = fitted.topic
            self._request_receipt()
        return mid

    def packet_bytes(self, message: OutgoingMessage) -> int:
        """Return the length in bytes of the packet with which `publish` would send `message`."""
        return publish_bytes(self.limits.fitted(message), self.protocol)

    def acknowledge(self, mids: Iterable[int]) -> None:
        """Acknowledge messages of QoS 1, in the order in which they arrived. Raises ConnectionLostError."""
        for mid in mids:
            self._live_socket()
            self._client.acknowledge(mid)

    def subscribe(self, filters: list[str], qos: Literal[0, 1] = 1) -> str | None:
        """Subscribe and wait for SUBACK; return the reason of a refusal, None where all are granted.

        Raises ConnectionLostError, also where no SUBACK arrives within `settings.connect_seconds`.
        """
        if not all(self.limits.takes_filter(name) for name in filters):
            return reason_name(WILDCARDS_NOT_SUPPORTED)
        try:
            mid = self.send_subscribe(filters, qos)
        except PacketTooLargeError as error:
            return str(error)
        deadline = time.monotonic() + self._settings.connect_seconds
        while not (acks := [ack for ack in self.take_subscribe_acks() if ack.mid == mid]):
            left = deadline - time.monotonic()
            if left <= 0:
                msg = "the broker did not acknowledge a subscription"
                raise ConnectionLostError(msg)
            self.poll(left)
        return next((refusal for refusal in acks[0].refusals if refusal is not None), None)

    def send_subscribe(self, filters: list[str], qos: Literal[0, 1] = 1) -> int:
        """Subscribe without waiting; return the message id, which the `SubscribeAck` has.

        Raises PacketTooLargeError as `publish`, and ConnectionLostError.
        """
        self._live_socket()
        self._check_size(subscribe_bytes(filters, self.protocol))
        return self._written(self._client.subscribe(filters, qos))

    def unsubscribe(self, name: str) -> None:
        """End the subscription to one filter, without waiting. Raises ConnectionLostError."""
        self._live_socket()
        self._written(self._client.unsubscribe(name))

    def take_subscribe_acks(self) -> list[SubscribeAck]:
        """Return the acknowledgements of subscriptions since the last call."""
        acks, self._client.subscribe_acks = self._client.subscribe_acks, []
        return acks

    def take_publish_acks(self) -> list[PublishAck]:
        """Return the acknowledgements of published messages since the last call."""
        acks, self._client.publish_acks = self._client.publish_acks, []
        if self._receipt is not None and self._receipt[0] in self._client.unsubscribed:
            acks += [PublishAck(mid, None) for mid in self._receipt[1]]
            self._receipt = None
        self._client.unsubscribed.clear()
        return acks

    def take_received(self) -> list[ReceivedMessage]:
        """Return the messages that arrived on subscriptions since the last call, in order."""
        received, self._client.received = self._client.received, []
        return received

    def close(self) -> None:
        """Send DISCONNECT, so that the broker does not publish the will, and close."""
        if self._client.socket is None:
            return
        self._client.disconnect()
        # What the socket does not take at once (a full buffer) gets one more attempt.
        for _ in range(2):
            try:
                self.poll(0.5)
            except ConnectionLostError:
                return

    def _live_socket(self) -> Any:  # noqa: ANN401 - paho's type of a socket is no public name
        """Return paho's socket. Raises ConnectionLostError where the connection has ended."""
        sock = self._client.socket
        if sock is None or self._client.lost_reason is not None:
            raise ConnectionLostError(self._client.lost_reason or "closed by the broker")
        return sock

    def _written(self, mid: int | None) -> int:
        if mid is None:
            raise ConnectionLostError(self._client.lost_reason or "writing failed")
        return mid

    def _check_size(self, packet_bytes: int) -> None:
        if packet_bytes > self.limits.packet_bytes:
            raise PacketTooLargeError(packet_bytes, self.limits.packet_bytes)

    def _request_receipt(self) -> None:
        """Ask for a proof that the broker has received the messages of QoS 0 so far, unless one is under way.

        MQTT has no acknowledgement for QoS 0. A broker answers UNSUBSCRIBE also where there is no such subscription
        (MQTT 5, 3.11.3), and it handles the packets of a connection in order.
        """
        if self._receipt is not None or not self._without_receipt:
            return
        mid = self._written(self._client.unsubscribe(self._receipt_topic))
        self._receipt = (mid, self._without_receipt)
        self._without_receipt = []

    def _limit_dead_time(self) -> None:
        """Have the kernel end the connection when the network has taken no data for some time."""
        sock = self._client.socket
        if sock is None or not hasattr(socket, "TCP_USER_TIMEOUT"):  # only Linux has it
            return
        # By number, because the socket may be wrapped.
        tcp = socket.socket(fileno=sock.fileno())
        try:
            with contextlib.suppress(OSError):
                tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAD_PEER_SECONDS * 1000)
        finally:
            tcp.detach()

    def _check_connack(self) -> None:
        client = self._client
        code = client.connack
        if code is None:
            raise diagnose_closed(self._settings, client.last_error, speaks_mqtt=client.speaks_mqtt)
        if code:
            named = f" ({client.server_reference!r})" if client.server_reference else ""
            raise connection_refused(self._settings, self.protocol, code, f"{reason_name(code)}{named}")

    def _use_announced(self, announced: BrokerLimits) -> None:
        self.limits = announced
        seconds = announced.keepalive_seconds
        if seconds is None:
            return
        # Pings may come more often than the broker demands, never more seldom. Where it demands none (0), ours still
        # find out that the broker is gone.
        ours = self._settings.keepalive_seconds
        seconds = min(seconds or ours, ours)
        self._client.use_keepalive(seconds)
        self._poll_seconds = min(_POLL_SECONDS, seconds / _POLLS_PER_KEEPALIVE)
