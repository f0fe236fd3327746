"""Wraps paho's client for one connection, and turns its callbacks into records. The only module that imports paho.

paho runs here without a thread of its own: the owner calls `read`, `write` and `serve_keepalive`.
"""

import errno
import logging
import re
from typing import Any, Final

from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY, Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.mqtt.broker_limits import BrokerLimits
from edge.mqtt.reason_codes import FAILURE, KEEPALIVE_TIMEOUT, reason_name
from edge.mqtt.settings import BrokerSettings
from edge.mqtt.types import OutgoingMessage, ProtocolVersion, PublishAck, ReceivedMessage, Session, SubscribeAck

_LOG: Final = logging.getLogger(__name__)

_NETWORK_ERRORS: Final = frozenset(
    {errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.ECONNABORTED}
)
"""Errors of a socket that are the network's, not a connection that the broker closed."""
_READS_AT_ONCE: Final = 200
"""Packets that `read` takes at most with a session: some milliseconds' work, after which the keepalive is served."""


def _unpack_any(code: ReasonCode, buffer: bytes | bytearray) -> int:
    code.value = buffer[0]
    return 1


# paho raises for a reason code that the standard does not list for a packet, in the middle of its parser, and the
# connection is lost for it. mosquitto sends such codes.
ReasonCode.unpack = _unpack_any  # type: ignore[method-assign, assignment]
ReasonCode.getName = lambda code: reason_name(code.value)  # type: ignore[method-assign, assignment]


class _Client(Client):
    """paho's client with two operations for which it has no public name, and without lines that nobody reads."""

    def _easy_log(self, level: LogLevel, fmt: str, *args: Any) -> None:  # noqa: ANN401 - paho's signature
        # paho formats two lines for each message and its acknowledgement, also where nobody reads them.
        if level != LogLevel.MQTT_LOG_DEBUG or _LOG.isEnabledFor(logging.DEBUG):
            super()._easy_log(level, fmt, *args)

    def use_keepalive(self, seconds: int) -> None:
        """Send a ping after `seconds` without a packet from now on. paho 2.1 ignores Server Keep Alive."""
        self._keepalive = seconds

    def ping(self) -> None:
        """Send PINGREQ now."""
        self._send_pingreq()


class PahoClient:
    """One connection of paho's client, and what its callbacks have reported. The parameters are those of `Connection`.

    paho's own reconnection is off: it has no jitter, keeps unacknowledged messages in memory, and sends them again at
    a time of its own choice.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        client_id: str,
        will: OutgoingMessage | None,
        protocol: ProtocolVersion,
        session: Session | None = None,
    ) -> None:
        self.connack: int | None = None
        """Reason code of CONNACK; None as long as there was none."""
        self.announced = BrokerLimits()
        """Limits that CONNACK announced."""
        self.session_present = False
        """Whether the broker had kept a session of this client."""
        self.server_reference = ""
        """Another server that CONNACK names; empty where it names none."""
        self.lost_reason: str | None = None
        """Why the connection has ended; None while it has not."""
        self.last_error = ""
        """The last error of the socket, which paho only logs."""
        self.speaks_mqtt = True
        """False once the server has sent what is not MQTT."""
        self.ended_by_broker = False
        """Whether the broker, and not the network or this side, ended the connection."""
        self.disconnect_code: int | None = None
        """Reason code of the broker's DISCONNECT; None where it sent none."""
        self.publish_acks: list[PublishAck] = []
        self.subscribe_acks: list[SubscribeAck] = []
        self.unsubscribed: list[int] = []
        self.received: list[ReceivedMessage] = []
        self._settings = settings
        self._session = session
        self._five = protocol is ProtocolVersion.MQTT_5
        self._awaiting_puback: set[int] = set()
        self._paho = _Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            # A sensor has no session that outlives a connection: its outbox keeps what was not acknowledged.
            clean_session=None if self._five else session is None,
            protocol=MQTTProtocolVersion.MQTTv5 if self._five else MQTTProtocolVersion.MQTTv311,
            transport="tcp" if settings.broker.path is None else "websockets",
            reconnect_on_failure=False,
            manual_ack=session is not None,
        )
        self._paho.connect_timeout = settings.connect_seconds
        self._paho.on_connect = self._on_connect
        self._paho.on_disconnect = self._on_disconnect
        self._paho.on_publish = self._on_publish
        self._paho.on_message = self._on_message
        self._paho.on_subscribe = self._on_subscribe
        self._paho.on_unsubscribe = self._on_unsubscribe
        self._paho.on_log = self._on_log
        if settings.username is not None:
            self._paho.username_pw_set(settings.username, settings.password)
        if settings.tls is not None:
            self._paho.tls_set_context(settings.tls)
        if settings.broker.path is not None:
            self._paho.ws_set_options(settings.broker.path)
        if will is not None:
            self._paho.will_set(will.topic, will.payload, will.qos, will.retain)

    @property
    def socket(self) -> Any:  # noqa: ANN401 - paho's type of a socket is no public name
        """The socket; None where there is none."""
        return self._paho.socket()

    @property
    def wants_write(self) -> bool:
        """Whether data waits for room in the socket."""
        return self._paho.want_write()

    def connect(self, largest_bytes: int | None) -> None:
        """Connect and send CONNECT, with `largest_bytes` as Maximum Packet Size.

        Raises OSError; for the handshake of a WebSocket also ValueError and LookupError, from paho's parser.
        """
        properties = None
        if self._five and (largest_bytes is not None or self._session is not None):
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            if largest_bytes is not None:
                properties.MaximumPacketSize = largest_bytes
            if self._session is not None:
                properties.SessionExpiryInterval = self._session.expiry_seconds
                properties.ReceiveMaximum = self._session.receive_maximum
        broker, keepalive = self._settings.broker, self._settings.keepalive_seconds
        # With MQTT 5 the first connection of a client of paho is a clean start, unless it is told otherwise.
        clean = False if self._session is not None and self._five else MQTT_CLEAN_START_FIRST_ONLY
        self._paho.connect(broker.host, broker.port, keepalive, clean_start=clean, properties=properties)

    def read(self) -> None:
        """Handle the packets that have arrived: one of them, and with a session many."""
        reads = 1 if self._session is None else _READS_AT_ONCE
        try:
            while reads:
                before = len(self.received)
                self.speaks_mqtt = self._paho.loop_read() != MQTTErrorCode.MQTT_ERR_PROTOCOL
                reads = reads - 1 if len(self.received) > before else 0
        except Exception as error:  # noqa: BLE001 - older versions of paho raise any error from their parser
            self.speaks_mqtt = False
            self.lost_reason = f"the broker sent data that is not MQTT ({error})"

    def write(self) -> None:
        """Write what waits."""
        self._paho.loop_write()

    def serve_keepalive(self) -> None:
        """Ping the broker where the keepalive demands it, and end the connection where it has not answered."""
        self._paho.loop_misc()

    def use_keepalive(self, seconds: int) -> None:
        """Replace the keepalive interval."""
        self._paho.use_keepalive(seconds)

    def ping(self) -> None:
        """Send PINGREQ."""
        self._paho.ping()

    def publish(self, message: OutgoingMessage) -> int | None:
        """Publish `message`; return its message id, None where writing failed."""
        properties = None
        if message.correlation is not None and self._five:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.CorrelationData = message.correlation
        info = self._paho.publish(message.topic, message.payload, message.qos, message.retain, properties)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return None
        if message.qos:
            self._awaiting_puback.add(info.mid)
        return info.mid

    def acknowledge(self, mid: int) -> None:
        """Acknowledge a message of QoS 1; only with a session, without which paho does it by itself."""
        self._paho.ack(mid, 1)

    def subscribe(self, filters: list[str], qos: int = 1) -> int | None:
        """Subscribe with one QoS; return the message id, None where writing failed."""
        return self._paho.subscribe([(name, qos) for name in filters])[1]

    def unsubscribe(self, name: str) -> int | None:
        """Unsubscribe from one filter; return the message id, None where writing failed."""
        return self._paho.unsubscribe(name)[1]

    def disconnect(self) -> None:
        """Send DISCONNECT."""
        self._paho.disconnect()

    def _on_connect(
        self, _client: Client, _data: object, flags: ConnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        self.connack = code.value
        self.session_present = flags.session_present
        self.announced = _announced(properties)
        self.server_reference = getattr(properties, "ServerReference", "")

    def _on_disconnect(
        self, _client: Client, _data: object, flags: DisconnectFlags, code: ReasonCode, _properties: Properties | None
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self.disconnect_code = code.value
            self.ended_by_broker = True
            self.lost_reason = f"closed by the broker ({code.getName()})"
        else:
            self.ended_by_broker = code.value != KEEPALIVE_TIMEOUT and not _is_network_error(self.last_error)
            self.lost_reason = self.last_error or "ended without DISCONNECT"

    def _on_publish(
        self, _client: Client, _data: object, mid: int, code: ReasonCode, _properties: Properties | None
    ) -> None:
        if mid in self._awaiting_puback:  # else a message of QoS 0 was written, which proves nothing
            self._awaiting_puback.discard(mid)
            refusal = code.getName() if code.value >= FAILURE else None
            self.publish_acks.append(PublishAck(mid, refusal, code.value))

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
            message.mid if message.qos else None,
        )
        self.received.append(received)

    def _on_subscribe(
        self, _client: Client, _data: object, mid: int, codes: list[ReasonCode], _properties: Properties | None
    ) -> None:
        refusals = tuple(code.getName() if code.value >= FAILURE else None for code in codes)
        qos = tuple(code.value if code.value < FAILURE else 0 for code in codes)
        self.subscribe_acks.append(SubscribeAck(mid, refusals, qos))

    def _on_unsubscribe(
        self, _client: Client, _data: object, mid: int, _codes: list[ReasonCode], _properties: Properties | None
    ) -> None:
        self.unsubscribed.append(mid)

    def _on_log(self, _client: Client, _data: object, level: int, text: str) -> None:
        # paho swallows the socket's error and only logs it; the error messages of this package need it.
        if level == LogLevel.MQTT_LOG_ERR:
            self.last_error = text.partition(": ")[2] or text
        _LOG.debug("%s", text)


def _announced(properties: Properties | None) -> BrokerLimits:
    """Return the limits in the properties of a CONNACK; with MQTT 3.1.1 there are none."""
    default = BrokerLimits()
    return BrokerLimits(
        # The standard allows no 0 in these two.
        packet_bytes=getattr(properties, "MaximumPacketSize", 0) or default.packet_bytes,
        receive_maximum=getattr(properties, "ReceiveMaximum", 0) or default.receive_maximum,
        qos=getattr(properties, "MaximumQoS", default.qos),
        retain=bool(getattr(properties, "RetainAvailable", 1)),
        wildcards=bool(getattr(properties, "WildcardSubscriptionAvailable", 1)),
        shared=bool(getattr(properties, "SharedSubscriptionAvailable", 1)),
        keepalive_seconds=getattr(properties, "ServerKeepAlive", None),
    )


def _is_network_error(text: str) -> bool:
    number = re.search(r"\[Errno (\d+)\]", text)
    return number is not None and int(number[1]) in _NETWORK_ERRORS
