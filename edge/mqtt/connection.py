"""Opens and runs one connection to a broker, from TCP to DISCONNECT. The only module that imports paho.

A `Connection` is opened once and never reconnects: paho's own reconnection has no jitter, keeps unacknowledged
messages in memory, and sends them again at a time of its own choice. With one paho client per connection only the
outbox decides what is sent again: no event is given to the same client twice, and a restart of the process is handled
like any other lost connection.

paho runs here without a thread of its own: the owner of the connection calls `poll`.
"""

import contextlib
import logging
import select
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any, Final, Self

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.mqtt.errors import (
    closed_before_connack,
    connack_timed_out,
    connection_refused,
    transport_failed,
)
from edge.mqtt.settings import BrokerSettings
from edge.mqtt.types import (
    ConnectionLostError,
    OutgoingMessage,
    ProtocolVersion,
    PublishAck,
    ReceivedMessage,
    SubscribeAck,
)

_LOG: Final = logging.getLogger(__name__)

_POLL_SECONDS: Final = 1.0
"""Longest wait in `poll`: each call also serves the keepalive, which is five seconds at least."""


class Connection:
    """A connection with `settings`, to be opened once. Not thread-safe: one thread opens, polls and publishes.

    `will`: message that the broker publishes when the connection ends without `close`. `largest_bytes`: a broker with
    MQTT 5 does not send this client a longer packet (Maximum Packet Size); with MQTT 3.1.1 there is no such limit.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        client_id: str,
        will: OutgoingMessage | None,
        protocol: ProtocolVersion,
        *,
        largest_bytes: int | None = None,
    ) -> None:
        self.protocol = protocol
        self.receive_maximum = 65_535
        """Messages of QoS 1 that the broker takes before it has acknowledged the first of them."""
        self.packet_maximum = 268_435_455
        """Longest packet in bytes that the broker accepts; it ends the connection over a longer one."""
        self._largest_bytes = largest_bytes
        self._settings = settings
        self._connack: ReasonCode | None = None
        self._lost_reason: str | None = None
        self._last_error = ""
        self._speaks_mqtt = True
        self._publish_acks: list[PublishAck] = []
        self._received: list[ReceivedMessage] = []
        self._subscribe_acks: list[SubscribeAck] = []
        five = protocol is ProtocolVersion.MQTT_5
        self._paho = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            # No session outlives a connection: the outbox keeps what was not acknowledged.
            # (With MQTT 5 a first connection is always a clean start.)
            clean_session=None if five else True,
            protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        self._paho.connect_timeout = settings.connect_seconds
        self._paho.on_connect = self._on_connect
        self._paho.on_disconnect = self._on_disconnect
        self._paho.on_publish = self._on_publish
        self._paho.on_message = self._on_message
        self._paho.on_subscribe = self._on_subscribe
        self._paho.on_log = self._on_log
        if settings.username is not None:
            self._paho.username_pw_set(settings.username, settings.password)
        if settings.tls is not None:
            self._paho.tls_set_context(settings.tls)
        if will is not None:
            self._paho.will_set(will.topic, will.payload, will.qos, will.retain)

    def __enter__(self) -> Self:
        """Return the connection itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the socket where it is still open, without DISCONNECT; only `close` sends one."""
        sock = self._paho.socket()
        if sock is not None:
            sock.close()

    def open(self, wake: socket.socket | None = None, abort: Callable[[], bool] = lambda: False) -> None:
        """Connect, and wait for CONNACK at most `settings.connect_seconds`.

        Raises ConnectFailedError. A byte on `wake` interrupts the wait; it ends once `abort()` is true.
        """
        broker = self._settings.broker
        try:
            self._paho.connect(
                broker.host, broker.port, self._settings.keepalive_seconds, properties=self._connect_properties()
            )
        except OSError as error:
            raise transport_failed(self._settings, error) from error
        deadline = time.monotonic() + self._settings.connect_seconds
        while self._connack is None:
            left = deadline - time.monotonic()
            if left <= 0 or abort():
                raise connack_timed_out(self._settings)
            try:
                self.poll(left, wake)
            except ConnectionLostError:
                break
        self._check_connack()

    def poll(self, timeout_seconds: float = _POLL_SECONDS, wake: socket.socket | None = None) -> None:
        """Send and receive what is pending; wait for network activity at most `timeout_seconds` (and one second).

        Returns early on activity, or when a byte arrived on `wake` (non-blocking; emptied here).
        Raises ConnectionLostError.
        """
        sock = self._live_socket()
        decrypted = isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
        poller = select.poll()
        poller.register(sock, select.POLLIN | (select.POLLOUT if self._paho.want_write() else 0))
        if wake is not None:
            poller.register(wake, select.POLLIN)
        seconds = 0.0 if decrypted else min(max(timeout_seconds, 0.0), _POLL_SECONDS)
        ready = dict(poller.poll(seconds * 1000))
        flags = ready.get(sock.fileno(), 0)
        if wake is not None and wake.fileno() in ready:
            with contextlib.suppress(BlockingIOError):
                wake.recv(4096)
        try:
            if decrypted or flags & ~select.POLLOUT:
                rc = self._paho.loop_read()
                self._speaks_mqtt = rc != MQTTErrorCode.MQTT_ERR_PROTOCOL
            if flags & select.POLLOUT:
                self._paho.loop_write()
            self._paho.loop_misc()
        except Exception as error:  # noqa: BLE001 - older versions of paho raise any error from their parser
            self._speaks_mqtt = False
            self._lost_reason = f"the broker sent data that is not MQTT ({error})"
        self._live_socket()

    def publish(self, message: OutgoingMessage) -> int:
        """Hand `message` to the connection; return its message id, which the `PublishAck` has for QoS 1.

        Raises ConnectionLostError; whether the message was sent is then unknown.
        """
        self._live_socket()
        properties = None
        if message.correlation is not None and self.protocol is ProtocolVersion.MQTT_5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.CorrelationData = message.correlation
        info = self._paho.publish(message.topic, message.payload, message.qos, message.retain, properties)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise ConnectionLostError(self._lost_reason or "writing failed")
        return info.mid

    def subscribe(self, filters: list[str]) -> str | None:
        """Subscribe with QoS 1 and wait for SUBACK; return the broker's reason to refuse, None where it granted all.

        Raises ConnectionLostError, also where no SUBACK arrives within `settings.connect_seconds`.
        """
        mid = self.send_subscribe(filters)
        deadline = time.monotonic() + self._settings.connect_seconds
        while not (acks := [ack for ack in self.take_subscribe_acks() if ack.mid == mid]):
            left = deadline - time.monotonic()
            if left <= 0:
                msg = "the broker did not acknowledge a subscription"
                raise ConnectionLostError(msg)
            self.poll(left)
        return next((refusal for refusal in acks[0].refusals if refusal is not None), None)

    def send_subscribe(self, filters: list[str]) -> int:
        """Subscribe with QoS 1 without waiting; return the message id, which the `SubscribeAck` has.

        Raises ConnectionLostError.
        """
        self._live_socket()
        _, mid = self._paho.subscribe([(name, 1) for name in filters])
        if mid is None:
            raise ConnectionLostError(self._lost_reason or "writing failed")
        return mid

    def take_subscribe_acks(self) -> list[SubscribeAck]:
        """Return the acknowledgements of subscriptions since the last call."""
        acks, self._subscribe_acks = self._subscribe_acks, []
        return acks

    def take_publish_acks(self) -> list[PublishAck]:
        """Return the acknowledgements of published messages since the last call."""
        acks, self._publish_acks = self._publish_acks, []
        return acks

    def take_received(self) -> list[ReceivedMessage]:
        """Return the messages that arrived on subscriptions since the last call, in order."""
        received, self._received = self._received, []
        return received

    def close(self) -> None:
        """Send DISCONNECT, so that the broker does not publish the will, and close."""
        if self._paho.socket() is None:
            return
        self._paho.disconnect()
        # What the socket does not take at once (a full buffer) gets one more attempt.
        for _ in range(2):
            try:
                self.poll(0.5)
            except ConnectionLostError:
                return

    def _live_socket(self) -> Any:  # noqa: ANN401 - paho's type of a socket is no public name
        """Return paho's socket. Raises ConnectionLostError where the connection has ended."""
        sock = self._paho.socket()
        if sock is None or self._lost_reason is not None:
            raise ConnectionLostError(self._lost_reason or "closed by the broker")
        return sock

    def _connect_properties(self) -> Properties | None:
        if self._largest_bytes is None or self.protocol is not ProtocolVersion.MQTT_5:
            return None
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.MaximumPacketSize = self._largest_bytes
        return properties

    def _check_connack(self) -> None:
        code = self._connack
        if code is None:
            raise closed_before_connack(self._settings, self._last_error, speaks_mqtt=self._speaks_mqtt)
        if code.is_failure:
            raise connection_refused(self._settings, self.protocol, code.value, code.getName())

    def _on_connect(
        self, _client: Client, _data: object, _flags: ConnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        self._connack = code
        self.receive_maximum = getattr(properties, "ReceiveMaximum", self.receive_maximum)
        self.packet_maximum = getattr(properties, "MaximumPacketSize", self.packet_maximum)

    def _on_disconnect(
        self, _client: Client, _data: object, flags: DisconnectFlags, code: ReasonCode, _properties: Properties | None
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._lost_reason = f"closed by the broker ({code.getName()})"
        else:
            self._lost_reason = self._last_error or "ended without DISCONNECT"

    def _on_publish(
        self, _client: Client, _data: object, mid: int, code: ReasonCode, _properties: Properties | None
    ) -> None:
        self._publish_acks.append(PublishAck(mid, code.getName() if code.is_failure else None))

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return  # matches none of our filters, although the broker let it through
        properties = message.properties  # None with MQTT 3.1.1
        received = ReceivedMessage(
            topic,
            bytes(message.payload),
            message.retain,
            message.dup,
            getattr(properties, "ResponseTopic", None),
            getattr(properties, "CorrelationData", None),
        )
        self._received.append(received)

    def _on_subscribe(
        self, _client: Client, _data: object, mid: int, codes: list[ReasonCode], _properties: Properties | None
    ) -> None:
        refusals = tuple(code.getName() if code.is_failure else None for code in codes)
        self._subscribe_acks.append(SubscribeAck(mid, refusals))

    def _on_log(self, _client: Client, _data: object, level: int, text: str) -> None:
        # paho swallows the socket's error and only logs it; the error messages of this package need it.
        if level == LogLevel.MQTT_LOG_ERR:
            self._last_error = text.partition(": ")[2] or text
        _LOG.debug("%s", text)
