"""Does on one broker what `run` will do, on the device's own doctor topic: will, retained status, event, subscriptions.

The running service is not disturbed: client id and topic are others, and the topic is empty again in the end.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from edge.config.schema import Config
from edge.errors import BrokerError
from edge.homeassistant.discovery import config_topic
from edge.messages.topics import OFFLINE, ONLINE, Kind, Topics
from edge.mqtt.connection import Connection
from edge.mqtt.connector import Connector
from edge.mqtt.errors import ConnectFailedError
from edge.mqtt.reason_codes import NOT_AUTHORIZED
from edge.mqtt.settings import BrokerSettings, command_client_id
from edge.mqtt.types import ConnectionLostError, OutgoingMessage, PacketTooLargeError, PublishAck

_ACK_SECONDS: Final = 5.0
"""Timeout of each acknowledgement."""

_LONGEST_BYTES: Final[dict[Kind, int]] = {
    "event": 800,
    "state": 1600,
    "info": 1000,
    "health": 1800,
    "summary": 2600,
}
"""Length of a long payload of each kind. Measured with the model `normal` and the actor: 528, 387, 435, 693 and 2,165
bytes; groups of labels, four faces, long names and the steps of the budget make them as long as this."""

_ANNOUNCEMENT_BYTES: Final = 16_000
"""Length of a long announcement to Home Assistant; 14,265 bytes with the model `normal`, without zones."""

_COST: Final[dict[Kind, str]] = {
    "state": "who is in view is not published while there are several faces",
    "info": "info may not be published",
    "health": "health may not be published",
    "summary": "the summary of the day may not be published (summary.enabled = false does without)",
}


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a broker does.

    `protocol`: its version of MQTT. `connect_ms`: time until it had accepted the connection. `takes_events`: it has
    taken a status and an event; False where that could not be tried.
    """

    protocol: str
    connect_ms: float
    takes_events: bool


class BrokerProbe:
    """Tries the broker of `settings` for the sensor `device` as `config` has it; `warn` is given what costs something.

    `ack_seconds`: timeout of each acknowledgement.
    """

    def __init__(
        self,
        config: Config,
        device: str,
        settings: BrokerSettings,
        warn: Callable[[str], None],
        *,
        ack_seconds: float = _ACK_SECONDS,
    ) -> None:
        self._config = config
        self._settings = settings
        self._topics = Topics(config.mqtt.base_topic, device)
        self._client_id = command_client_id(config.mqtt, "doctor")
        self._warn = warn
        self._ack_seconds = ack_seconds

    def run(self) -> ProbeResult:
        """Try everything. Raises ConnectFailedError, and BrokerError where the broker would not take an event."""
        began = time.perf_counter()
        connection, connector = self._connect()
        connect_ms = 1000 * (time.perf_counter() - began)
        for sentence in connector.losses(connection):
            self._warn(sentence)
        try:
            with connection:
                takes_events = self._try_messages(connection)
                connection.close()
            # A connection of its own: mosquitto 2.0 ends one on which it has refused a message.
            with Connector([self._settings], self._client_id).connect() as connection:
                self._subscribe(connection)
                connection.close()
        except ConnectionLostError as error:
            self._clear()
            raise BrokerError(f"the broker at {self._settings.broker} ended the connection: {error}") from error
        except BrokerError:
            self._clear()
            raise
        return ProbeResult(connection.protocol.value, connect_ms, takes_events)

    def _connect(self) -> tuple[Connection, Connector]:
        will = OutgoingMessage(self._topics.doctor, OFFLINE.encode(), 1, retain=True)
        connector = Connector([self._settings], self._client_id, will)
        try:
            return connector.connect(), connector
        except ConnectFailedError as error:
            if error.code != NOT_AUTHORIZED:
                raise
            # Either the credentials, or the right to the topic of the will.
            connector = Connector([self._settings], self._client_id)
            try:
                connection = connector.connect()
            except ConnectFailedError:
                raise error from None
        self._warn(self._no_right("a will"))
        return connection, connector

    def _try_messages(self, connection: Connection) -> bool:
        """Return whether the broker takes a status and an event; False where that could not be tried."""
        status = OutgoingMessage(self._topics.doctor, ONLINE.encode(), 1, retain=True)
        ack = self._published(connection, status, "a retained status")
        if ack.code == NOT_AUTHORIZED:
            self._warn(self._no_right("a status"))
        elif ack.refusal is not None:
            raise BrokerError(f"the broker refuses a retained status on {self._topics.doctor}: {ack.refusal}")
        else:
            self._try_event(connection)
        self._check_lengths(connection)
        if ack.refusal is None:
            self._published(connection, OutgoingMessage(self._topics.doctor, b"", 1, retain=True), "an empty status")
        return ack.refusal is None

    def _try_event(self, connection: Connection) -> None:
        length = _LONGEST_BYTES["event"]
        event = OutgoingMessage(self._topics.doctor, b" " * length, 1, retain=False)
        ack = self._published(connection, event, f"a message of {length} bytes, as long as an event can be,")
        if ack.refusal is not None:
            raise BrokerError(
                f"the broker refuses a message of {length} bytes, as long as an event can be: {ack.refusal}; raise its "
                "limit (in mosquitto max_packet_size and message_size_limit)"
            )

    def _published(self, connection: Connection, message: OutgoingMessage, what: str) -> PublishAck:
        """Publish `message` and wait. Raises BrokerError where it is not acknowledged, and ConnectionLostError."""
        try:
            mid = connection.publish(message)
            deadline = time.monotonic() + self._ack_seconds
            while (left := deadline - time.monotonic()) > 0:
                for ack in connection.take_publish_acks():
                    if ack.mid == mid:
                        return ack
                connection.poll(left)
        except PacketTooLargeError as error:
            raise BrokerError(f"the broker does not take {what.removesuffix(',')}: {error}; raise its limit") from error
        except ConnectionLostError as error:
            if not connection.ended_by_broker:
                raise
            raise BrokerError(
                f"the broker at {self._settings.broker} ends the connection over {what} on {self._topics.doctor} "
                f"({error}): check its limit of packet lengths, and the sensor's rights"
            ) from error
        raise BrokerError(f"the broker did not acknowledge {what} within {self._ack_seconds:g} s")

    def _check_lengths(self, connection: Connection) -> None:
        """Warn of each kind of message that may be too long for the broker."""
        limit = connection.limits.packet_bytes
        messages = [
            (self._topics.of(kind), length, _COST[kind]) for kind, length in _LONGEST_BYTES.items() if kind in _COST
        ]
        if not self._config.summary.enabled:
            messages = [one for one in messages if one[0] != self._topics.summary]
        homeassistant = self._config.homeassistant
        if homeassistant.enabled:
            topic = config_topic(homeassistant.discovery_prefix, self._topics.device)
            messages.append((topic, _ANNOUNCEMENT_BYTES, "Home Assistant may not learn of the sensor"))
        for topic, length, cost in messages:
            packet_bytes = connection.packet_bytes(OutgoingMessage(topic, bytes(length), 1, retain=True))
            if packet_bytes > limit:
                self._warn(
                    f"the broker accepts packets of {limit} bytes at most, and one to {topic} can have {packet_bytes}: "
                    f"{cost}"
                )

    def _subscribe(self, connection: Connection) -> None:
        for names, cost in self._subscriptions(connection):
            try:
                refusal = connection.subscribe(list(names))
            except ConnectionLostError as error:
                raise BrokerError(
                    f"the broker ends the connection over a subscription to {', '.join(names)} ({error}): check the "
                    "sensor's rights; `run` does without after some attempts"
                ) from error
            if refusal is not None:
                self._warn(f"the broker refuses the subscription to {', '.join(names)}: {refusal}: {cost}")

    def _subscriptions(self, connection: Connection) -> list[tuple[Sequence[str], str]]:
        wanted: list[tuple[Sequence[str], str]] = []
        if self._config.requests.enabled:
            names = [self._topics.requests]
            if not connection.limits.takes_filter(self._topics.requests):
                names = [self._topics.request("pause")]
            wanted.append((names, "requests are not received (requests.enabled = false does without)"))
        homeassistant = self._config.homeassistant
        if homeassistant.enabled:
            cost = "the sensor does not notice that Home Assistant has started"
            wanted.append(([homeassistant.status_topic], cost))
        return wanted

    def _clear(self) -> None:
        """Remove what the broker may have published as the will."""
        try:
            with Connector([self._settings], self._client_id).connect() as connection:
                self._published(
                    connection, OutgoingMessage(self._topics.doctor, b"", 1, retain=True), "an empty status"
                )
                connection.close()
        except (ConnectFailedError, ConnectionLostError, BrokerError):
            pass  # the finding that led here says why

    def _no_right(self, what: str) -> str:
        return (
            f"the broker does not let the sensor publish {what} on {self._topics.doctor} (Not authorized), so that it "
            "was not tried: grant the right to write that topic"
        )
