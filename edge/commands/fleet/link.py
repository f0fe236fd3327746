"""The operator's connection to the broker: what devices say, and the retained document, read and replaced."""

import contextlib
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

import msgspec

from edge.commands.fleet.progress import Device
from edge.commands.subscriber import receive, subscribe
from edge.config.mqtt_schema import MqttConfig
from edge.errors import BrokerError, ConfigError
from edge.messages.desired_info import DesiredInfo
from edge.messages.topics import ONLINE, desired_topic, parse_topic, subscription
from edge.mqtt.connection import Connection
from edge.mqtt.connector import Connector
from edge.mqtt.errors import ConnectFailedError
from edge.mqtt.settings import broker_settings, command_client_id, reconnect_backoff
from edge.mqtt.types import ConnectionLostError, OutgoingMessage, PacketTooLargeError, ReceivedMessage

_QUIET_SECONDS: Final = 0.5
"""Silence after which what was asked for has arrived, as far as it comes: the broker sends that at once."""
_MOST_SECONDS: Final = 30.0
"""Longest time that is waited for it: `info` of a thousand devices is 2 MB."""
_HEAR_SECONDS: Final = 12.0
"""Time to listen for devices where the broker names none: RabbitMQ sends nothing retained for a filter with a wildcard,
and a device publishes its health each ten seconds by default."""
_TOPICS_AT_ONCE: Final = 250
"""Topics that are asked for by name at once: a quarter of the queue that mosquitto has by default."""
_ACK_SECONDS: Final = 20.0
_STATUS_BYTES: Final = 32
"""Bytes of a status that are kept: the words have seven letters, and anybody may write anything."""
_SAY_SECONDS: Final = 60.0
"""Interval at which it is said why there is no connection."""


class _InfoExcerpt(msgspec.Struct):
    """Of `info` only what it says of documents, so that devices of another version are understood too."""

    desired: DesiredInfo | None = None


class FleetLink:
    """A connection that is made again where it is lost. `devices`: what each has last said; `retained`: the document.

    `say` is told in a sentence that the connection is lost, each minute why it is not there, and that it is back.
    Raises ConfigError without a broker, and BrokerError where it cannot be used at the start.
    """

    def __init__(self, mqtt: MqttConfig, say: Callable[[str], object] = lambda _: None) -> None:
        if not mqtt.url:
            raise ConfigError("mqtt.url is empty: name the broker of the fleet, as in --mqtt mqtt://HOST")
        self._connector = Connector(broker_settings(mqtt), command_client_id(mqtt, "fleet"))
        self._base, self._topic = mqtt.base_topic, desired_topic(mqtt.base_topic)
        self._backoff = reconnect_backoff(mqtt.reconnect_max_seconds)
        self._connection: Connection | None = None
        self._say = say
        self._last_received = self._connected_at = time.monotonic()
        self.devices: dict[str, Device] = {}
        self.retained: bytes | None = None

    def __enter__(self) -> Self:
        """Connect, and read what the broker keeps."""
        self._connect()
        deadline = time.monotonic() + _MOST_SECONDS
        self._wait_for_silence(deadline)
        if not self.devices:
            self._say(f"the broker names no device; listening for {_HEAR_SECONDS:g} s to those that publish")
            self._ask([subscription(self._base, "health")])
            until = time.monotonic() + _HEAR_SECONDS
            while time.monotonic() < until:
                self.poll(0.1)
        # What a broker has no room to queue for a subscriber it drops (docs/fleet.md), so that some may be missing.
        missing = [name for name, one in self.devices.items() if not one.described]
        for at in range(0, len(missing), _TOPICS_AT_ONCE):
            self._ask([f"{self._base}/{name}/info" for name in missing[at : at + _TOPICS_AT_ONCE]])
            self._wait_for_silence(deadline)
        return self

    def _ask(self, filters: list[str]) -> None:
        with contextlib.suppress(ConnectionLostError):
            if self._connection is not None:
                self._connection.send_subscribe(filters, 0)

    def _wait_for_silence(self, deadline: float) -> None:
        """Take what arrives until nothing does for a while, or the deadline is over."""
        self._last_received = time.monotonic()
        while time.monotonic() < min(deadline, self._last_received + _QUIET_SECONDS):
            self.poll(0.1)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        if self._connection is not None:
            self._connection.close()
            self._connection.__exit__()

    def _connect(self) -> None:
        try:
            # The document with QoS 1. Of `info` the last one counts, and the next stage says it again.
            self._connection = subscribe(self._connector, [self._topic])
            for kind in ("status", "info"):
                self._connection.send_subscribe([subscription(self._base, kind)], 0)
        except ConnectFailedError as error:
            raise BrokerError(str(error)) from error
        except ConnectionLostError as error:
            raise BrokerError(f"the connection to the broker is lost: {error}") from error
        self._last_received = self._connected_at = time.monotonic()

    def _connect_again(self, reason: str = "") -> None:
        """Connect until it works: devices go on by themselves, and what was published stays."""
        lost, self._connection = self._connection, None
        if lost is not None:
            lost.__exit__()
            self._backoff.attempt_ended(time.monotonic() - self._connected_at)
            self._say(f"the connection to the broker is lost: {reason}; trying again")
        self.retained = None  # the broker says it anew, unless it has lost it
        said_at = time.monotonic()
        while True:
            try:
                self._connect()
            except BrokerError as error:
                if time.monotonic() - said_at >= _SAY_SECONDS:
                    said_at = time.monotonic()
                    self._say(f"still trying to connect: {error}")
                time.sleep(self._backoff.next_seconds())
            else:
                self._say("connected to the broker again")
                return

    def poll(self, seconds: float) -> None:
        """Take what arrives within that time."""
        if self._connection is None:
            self._connect_again()
        connection = self._connection
        if connection is None:
            return
        try:
            for message in receive(connection, seconds):
                self._take(message)
        except ConnectionLostError as error:
            self._connect_again(str(error))

    def publish(self, payload: bytes) -> None:
        """Retain a document, and wait until the broker has it. Raises BrokerError where it refuses or keeps silent."""
        message = OutgoingMessage(self._topic, payload, 1, retain=True)
        deadline = time.monotonic() + _ACK_SECONDS
        sent: Connection | None = None
        mid = 0
        while time.monotonic() < deadline:
            if self._connection is None:
                self._connect_again()
            connection = self._connection
            if connection is None:
                continue
            try:
                if sent is not connection:
                    mid, sent = connection.publish(message), connection
                    deadline = time.monotonic() + _ACK_SECONDS  # however long it took to connect again
                for received in receive(connection, 0.1):
                    self._take(received)
                acks = [ack for ack in connection.take_publish_acks() if ack.mid == mid]
            except PacketTooLargeError as error:
                raise BrokerError(f"the document is too long for the broker: {error}") from None
            except ConnectionLostError as error:
                self._connect_again(str(error))
                continue
            if acks and acks[0].refusal is not None:
                raise BrokerError(f"the broker refuses messages to {self._topic}: {acks[0].refusal}")
            if acks:
                return
        raise BrokerError(f"the broker did not acknowledge the document on {self._topic} within {_ACK_SECONDS:g} s")

    def _take(self, message: ReceivedMessage) -> None:
        self._last_received = time.monotonic()
        if message.topic == self._topic:
            self.retained = message.payload or None
            return
        address = parse_topic(self._base, message.topic)
        if address is None:
            return
        device = self.devices.setdefault(address.device, Device())
        if address.kind in {"info", "health"} and not message.retained:
            device.status = ONLINE  # it has just said so, whatever the broker kept or did not keep
        if address.kind == "status":
            device.status = message.payload[:_STATUS_BYTES].decode(errors="replace")
        elif address.kind == "info":
            device.described = True
            try:
                # Of an older or a newer version too: what it says of documents is all that counts here.
                device.desired = msgspec.json.decode(message.payload, type=_InfoExcerpt).desired
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                device.desired = None
