"""One connection to a broker, from TCP to DISCONNECT. The only file that imports paho.

A `Connection` lives once and is never connected again: paho's own reconnection has no jitter, keeps
unacknowledged messages in memory, and sends them again in its own time. With one paho client per
connection there is nothing to send again but what the outbox decides, so no event is ever given to
the same client twice, and an outbox on disk can later treat a restart like any other lost connection.

paho runs here without a thread of its own: whoever owns the connection calls `poll`.
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

from edge.mqtt.errors import ConnectFailedError, cut_off, refused, unreachable
from edge.mqtt.settings import BrokerSettings
from edge.mqtt.types import (
    ConnectionGoneError,
    OutgoingMessage,
    ProtocolVersion,
    PublishAck,
    ReceivedMessage,
    SubscribeAck,
)

_LOG: Final = logging.getLogger(__name__)

CONNECT_SECONDS: Final = 5.0
"""Patience for TCP and TLS, and again for the broker's answer. A reachable broker takes milliseconds,
one behind a bad mobile link a second or two."""

_POLL_SECONDS: Final = 1.0
"""Longest sleep in `poll`: the keepalive, five seconds at least, is looked after at every wake-up."""


class Connection:
    """A connection through `access`, to be opened once. Not thread-safe: one thread opens, polls, publishes.

    `will` is what the broker publishes when the connection ends without `close`. `largest_bytes`: a longer
    message is not even sent to us by a broker that speaks MQTT 5; with the older version nothing keeps it back.
    """

    def __init__(
        self,
        access: BrokerSettings,
        client_id: str,
        will: OutgoingMessage | None,
        protocol: ProtocolVersion,
        *,
        largest_bytes: int | None = None,
    ) -> None:
        self.protocol = protocol
        self.receive_maximum = 65_535
        """Messages of QoS 1 that the broker takes without having acknowledged them."""
        self.packet_maximum = 268_435_455
        """Longest packet, in bytes, that the broker takes; it ends the connection over a longer one."""
        self._largest_bytes = largest_bytes
        self._access = access
        self._connack: ReasonCode | None = None
        self._ended: str | None = None
        self._last_error = ""
        self._speaks_mqtt = True
        self._answers: list[PublishAck] = []
        self._received: list[ReceivedMessage] = []
        self._subscribed: list[SubscribeAck] = []
        five = protocol is ProtocolVersion.MQTT_5
        self._paho = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            # No session outlives a connection: what was not acknowledged is kept here, in the outbox.
            # (With MQTT 5 a first connection is always a clean start.)
            clean_session=None if five else True,
            protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        self._paho.connect_timeout = CONNECT_SECONDS
        self._paho.on_connect = self._on_connect
        self._paho.on_disconnect = self._on_disconnect
        self._paho.on_publish = self._on_publish
        self._paho.on_message = self._on_message
        self._paho.on_subscribe = self._on_subscribe
        self._paho.on_log = self._on_log
        if access.username is not None:
            self._paho.username_pw_set(access.username, access.password)
        if access.tls is not None:
            self._paho.tls_set_context(access.tls)
        if will is not None:
            self._paho.will_set(will.topic, will.payload, will.qos, will.retain)

    def __enter__(self) -> Self:
        """Return the connection itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Drop the connection where it is still there; only `close` says good-bye."""
        sock = self._paho.socket()
        if sock is not None:
            sock.close()

    def open(self, wake: socket.socket | None = None, abort: Callable[[], bool] = lambda: False) -> None:
        """Connect and wait for the broker's word, some seconds at most.

        Raises ConnectFailedError. What arrives on `wake` interrupts the wait once `abort()` is true.
        """
        broker = self._access.broker
        try:
            self._paho.connect(
                broker.host, broker.port, self._access.keepalive_seconds, properties=self._connect_properties()
            )
        except OSError as error:
            raise unreachable(self._access, error) from error
        deadline = time.monotonic() + CONNECT_SECONDS
        while self._connack is None:
            left = deadline - time.monotonic()
            if left <= 0 or abort():
                msg = f"the broker at {broker} took the connection and then said nothing"
                raise ConnectFailedError(msg, permanent=False)
            try:
                self.poll(left, wake)
            except ConnectionGoneError:
                break
        self._check_connack()

    def poll(self, timeout_seconds: float = _POLL_SECONDS, wake: socket.socket | None = None) -> None:
        """Send and receive what there is to, waiting for it at most `timeout_seconds` (and never over one).

        Returns early once something happened or a byte came on `wake` (non-blocking; emptied here).
        Raises ConnectionGoneError.
        """
        sock = self._alive()
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
        except Exception as error:  # noqa: BLE001 - older paho raises whatever its parser trips over
            self._speaks_mqtt = False
            self._ended = f"it sent something that is no MQTT ({error})"
        self._alive()

    def publish(self, message: OutgoingMessage) -> int:
        """Hand `message` to the connection; return its id, which an `PublishAck` will bear for QoS 1.

        Raises ConnectionGoneError; whether the message left is then unknown.
        """
        self._alive()
        properties = None
        if message.correlation is not None and self.protocol is ProtocolVersion.MQTT_5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.CorrelationData = message.correlation
        info = self._paho.publish(message.topic, message.payload, message.qos, message.retain, properties)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise ConnectionGoneError(self._ended or "it could not be written to")
        return info.mid

    def subscribe(self, filters: list[str]) -> str | None:
        """Subscribe with QoS 1 and wait for the answer; return the broker's refusal, None where it agrees.

        Raises ConnectionGoneError, also where no answer comes.
        """
        mid = self.ask_subscription(filters)
        deadline = time.monotonic() + CONNECT_SECONDS
        while not (answers := [answer for answer in self.take_subscribed() if answer.mid == mid]):
            left = deadline - time.monotonic()
            if left <= 0:
                msg = "it did not answer a subscription"
                raise ConnectionGoneError(msg)
            self.poll(left)
        return next((refusal for refusal in answers[0].refusals if refusal is not None), None)

    def ask_subscription(self, filters: list[str]) -> int:
        """Ask for a subscription with QoS 1, without waiting; return the id that the answer will bear.

        Raises ConnectionGoneError.
        """
        self._alive()
        _, mid = self._paho.subscribe([(name, 1) for name in filters])
        if mid is None:
            raise ConnectionGoneError(self._ended or "it could not be written to")
        return mid

    def take_subscribed(self) -> list[SubscribeAck]:
        """What the broker has answered to subscriptions since the last call."""
        subscribed, self._subscribed = self._subscribed, []
        return subscribed

    def take_answers(self) -> list[PublishAck]:
        """What the broker has answered since the last call."""
        answers, self._answers = self._answers, []
        return answers

    def take_received(self) -> list[ReceivedMessage]:
        """What came on subscriptions since the last call, in order."""
        received, self._received = self._received, []
        return received

    def close(self) -> None:
        """Say good-bye, so that the will stays unpublished, and close."""
        if self._paho.socket() is None:
            return
        self._paho.disconnect()
        # What the socket does not take at once (a full buffer) gets one more chance.
        for _ in range(2):
            try:
                self.poll(0.5)
            except ConnectionGoneError:
                return

    def _alive(self) -> Any:  # noqa: ANN401 - paho's type of a socket is no public name
        sock = self._paho.socket()
        if sock is None or self._ended is not None:
            raise ConnectionGoneError(self._ended or "it closed the connection")
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
            raise cut_off(self._access, self._last_error, speaks_mqtt=self._speaks_mqtt)
        if code.is_failure:
            raise refused(self._access, self.protocol, code.value, code.getName())

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
            self._ended = f"it ended the connection: {code.getName()}"
        else:
            self._ended = self._last_error or "the connection broke off"

    def _on_publish(
        self, _client: Client, _data: object, mid: int, code: ReasonCode, _properties: Properties | None
    ) -> None:
        self._answers.append(PublishAck(mid, code.getName() if code.is_failure else None))

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return  # no topic of ours, whatever a broker let through
        properties = message.properties  # None with the older version of MQTT
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
        self._subscribed.append(SubscribeAck(mid, refusals))

    def _on_log(self, _client: Client, _data: object, level: int, text: str) -> None:
        # paho swallows the socket's error and only logs it; the person at the terminal wants to know.
        if level == LogLevel.MQTT_LOG_ERR:
            self._last_error = text.partition(": ")[2] or text
        _LOG.debug("%s", text)
