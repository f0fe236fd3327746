"""Covers brokers behind WebSocket, TLS and ALPN, through a strict proxy before a real mosquitto."""

from collections.abc import Callable

import pytest

from edge.config.mqtt_schema import MqttConfig
from edge.mqtt.connector import Connector
from edge.mqtt.settings import broker_settings
from edge.mqtt.sink import MqttSink
from edge.mqtt.types import OutgoingMessage
from support.broker import PrivateBroker
from support.broker_proxy import BrokerProxy, server_context
from support.mqtt import Certificates, Subscriber, assert_run, send, wait_until

AWS = "x-amzn-mqtt-ca"


@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
@pytest.mark.parametrize("frame_bytes", [1, 65_536])
def test_events_arrive_over_a_websocket(
    broker: PrivateBroker,
    subscribe: Callable[..., Subscriber],
    certificates: Certificates,
    tls: bool,  # noqa: FBT001
    frame_bytes: int,
) -> None:
    context = server_context(certificates.server_cert, certificates.server_key) if tls else None
    subscriber = subscribe(broker)
    with BrokerProxy(broker.port, websocket=True, tls=context, frame_bytes=frame_bytes) as proxy:
        sink = MqttSink(
            MqttConfig(
                url=f"{'wss' if tls else 'ws'}://127.0.0.1:{proxy.port}/broker?token=1",
                ca_file=str(certificates.ca) if tls else "",
                client_id="hall-camera",
            ),
            "cam",
        )
        sink.start()
        send(sink, *range(1, 201))
        assert sink.close(30.0)
        subscriber.wait(lambda: "stopped" in subscriber.statuses)
    assert_run(subscriber.seqs, 1, 200)
    assert proxy.paths == ["/broker?token=1"]
    assert proxy.faults == []
    assert "as hall-camera (p5, c1, k30)" in broker.log()


def test_long_message_passes_a_websocket_both_ways(broker: PrivateBroker) -> None:
    payload = bytes(range(256)) * 1000
    with BrokerProxy(broker.port, websocket=True, frame_bytes=50_000) as proxy:
        mqtt = MqttConfig(url=f"ws://127.0.0.1:{proxy.port}")
        with Connector(broker_settings(mqtt, {}), "tester").connect() as connection:
            assert connection.subscribe(["big"]) is None
            connection.publish(OutgoingMessage("big", payload, 1, retain=False))
            received: list[bytes] = []

            def arrived() -> bool:
                connection.poll(1.0)
                received.extend(message.payload for message in connection.take_received())
                return bool(received)

            wait_until(arrived)
            assert received == [payload]
            connection.close()
    assert proxy.paths == ["/mqtt"]
    assert proxy.faults == []


@pytest.mark.parametrize(
    ("scheme", "alpn", "selected"),
    [("mqtts", [AWS], AWS), ("mqtts", ["unknown", AWS], AWS), ("mqtts", [], None), ("ssl", [AWS], AWS)],
)
def test_alpn_of_the_configuration_is_negotiated(
    broker: PrivateBroker, certificates: Certificates, scheme: str, alpn: list[str], selected: str | None
) -> None:
    context = server_context(certificates.server_cert, certificates.server_key, alpn=(AWS, "http/1.1"))
    with BrokerProxy(broker.port, tls=context) as proxy:
        mqtt = MqttConfig(url=f"{scheme}://127.0.0.1:{proxy.port}", ca_file=str(certificates.ca), alpn=alpn)
        with Connector(broker_settings(mqtt, {}), "tester").connect() as connection:
            connection.close()
    assert proxy.alpn == [selected]


def test_alpn_of_mqtt_is_not_offered_for_a_websocket(broker: PrivateBroker, certificates: Certificates) -> None:
    """Such a name would choose another protocol than HTTP, on which a WebSocket rests."""
    context = server_context(certificates.server_cert, certificates.server_key, alpn=(AWS, "http/1.1"))
    with BrokerProxy(broker.port, websocket=True, tls=context) as proxy:
        mqtt = MqttConfig(
            url="mqtts://127.0.0.1:1",
            fallback_urls=[f"wss://127.0.0.1:{proxy.port}"],
            ca_file=str(certificates.ca),
            alpn=[AWS],
        )
        with Connector(broker_settings(mqtt, {}), "tester").connect() as connection:
            connection.close()
    assert proxy.alpn == [None]
