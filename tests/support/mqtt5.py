"""A client that sends MQTT 5 requests, with a response topic and correlation data."""

import threading

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from support.mqtt import TIMEOUT_SECONDS


class Requester:
    """A plain paho client with MQTT 5. `seen`: topic, payload and correlation data of what came below `answers/`."""

    def __init__(self, port: int) -> None:
        self.seen: list[tuple[str, bytes, bytes | None]] = []
        self._ready = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_message = lambda _client, _data, message: self.seen.append(
            (message.topic, message.payload, getattr(message.properties, "CorrelationData", None))
        )
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_connect = lambda client, *_: client.subscribe("answers/#", 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._ready.wait(TIMEOUT_SECONDS)

    def request(self, topic: str, payload: bytes, response_topic: str, correlation: bytes) -> None:
        properties = Properties(PacketTypes.PUBLISH)
        properties.ResponseTopic = response_topic
        properties.CorrelationData = correlation
        self._client.publish(topic, payload, 1, properties=properties).wait_for_publish(TIMEOUT_SECONDS)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
