"""Covers connections: versions of MQTT, TLS, limits of the broker, and servers that are no broker."""

import contextlib
import select
import socket
from collections.abc import Callable, Iterator

import pytest

from edge.config.mqtt_schema import MqttConfig
from edge.errors import BrokerError
from edge.mqtt.connector import Connector
from edge.mqtt.errors import ConnectFailedError
from edge.mqtt.settings import Timing, broker_settings
from edge.mqtt.sink import MqttSink
from edge.mqtt.types import OutgoingMessage, ProtocolVersion
from support.broker import PrivateBroker, TlsFiles
from support.mqtt import Certificates, Subscriber, event, wait_until
from support.tcp_server import TcpServer

MakeBroker = Callable[..., PrivateBroker]
Answer = Callable[[bytes], bytes | None]


class Peer(TcpServer):
    """A loopback server that reads one packet, sends `answer(packet)` and closes.

    Where `answer` returns None it is a proxy between the client and a real broker.
    """

    def __init__(self, answer: Answer, broker_port: int = 0) -> None:
        self._answer, self._broker_port = answer, broker_port
        self.levels: list[int] = []
        super().__init__()
        self.url = f"mqtt://127.0.0.1:{self.port}"

    def handle(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            packet = client.recv(4096)
            name = packet.find(b"\0\4MQTT")
            self.levels.append(packet[name + 6])
            answer = self._answer(packet)
            if answer is not None:
                client.sendall(answer)
                client.shutdown(socket.SHUT_WR)
                client.recv(1)
                return
            with socket.create_connection(("127.0.0.1", self._broker_port)) as broker:
                broker.sendall(packet)
                while True:
                    for source in select.select([client, broker], [], [])[0]:
                        data = source.recv(4096)
                        if not data:
                            return
                        (broker if source is client else client).sendall(data)


@pytest.fixture
def make_peer() -> Iterator[Callable[..., Peer]]:
    peers = []

    def make(answer: Answer, broker_port: int = 0) -> Peer:
        peers.append(Peer(answer, broker_port))
        return peers[-1]

    yield make
    for peer in peers:
        peer.close()


def connector(url: str, **settings: object) -> Connector:
    return Connector(broker_settings(MqttConfig(url=url, **settings), {}), "tester")  # type: ignore[arg-type]


def test_connects_with_mqtt_5(broker: PrivateBroker) -> None:
    with connector(broker.url).connect() as connection:
        assert connection.protocol is ProtocolVersion.MQTT_5
        assert connection.limits.receive_maximum == 20
        connection.close()
    assert "as tester (p5, c1, k30)" in broker.log()
    wait_until(lambda: "Client tester disconnected." in broker.log())


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(b"\x20\x03\x00\x84\x00", id="MQTT 5 CONNACK"),
        pytest.param(b"\x20\x02\x00\x01", id="MQTT 3.1.1 CONNACK"),
        pytest.param(b"", id="closed connection"),
    ],
)
def test_falls_back_to_mqtt_3_1_1(
    broker: PrivateBroker, subscribe: Callable[..., Subscriber], make_peer: Callable[..., Peer], refusal: bytes
) -> None:
    peer = make_peer(lambda packet: refusal if packet[packet.find(b"MQTT") + 4] == 5 else None, broker.port)
    subscriber = subscribe(broker)
    sink = MqttSink(MqttConfig(url=peer.url), "cam")
    sink.start()
    sink.event(event(1), 0.0)
    assert sink.close(5.0)
    subscriber.wait(lambda: "stopped" in subscriber.statuses)
    assert subscriber.statuses == ["online", "stopped"]
    assert subscriber.seqs == [1]
    assert peer.levels == [5, 4]
    assert "as emotion-edge-cam (p2, c1, k30)" in broker.log()


def test_broker_without_either_version_fails_the_start(make_peer: Callable[..., Peer]) -> None:
    peer = make_peer(lambda _: b"\x20\x02\x00\x01")
    sink = MqttSink(MqttConfig(url=peer.url), "cam")
    with pytest.raises(BrokerError, match=r"supports neither MQTT 5 nor 3\.1\.1"):
        sink.start()
    assert peer.levels == [5, 4]


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x32", b"\xf1" * 50]
)
def test_server_that_is_no_broker_is_named(make_peer: Callable[..., Peer], answer: bytes) -> None:
    peer = make_peer(lambda _: answer)
    with pytest.raises(ConnectFailedError) as caught:
        connector(peer.url).connect()
    # A server that behaves like a broker that closes the connection is tried again, with a hint.
    assert ("is no MQTT broker" in str(caught.value)) == caught.value.permanent
    assert caught.value.permanent or "mqtts://" in str(caught.value)


def test_server_that_never_answers_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mqtt = MqttConfig(url=f"mqtt://127.0.0.1:{silent.getsockname()[1]}")
        sink = MqttSink(mqtt, "cam", timing=Timing(connect_seconds=0.2))
        sink.start()
        assert sink.status().failure is None
        assert sink.status().broker == "disconnected"
        assert sink.close(0.0)


def test_receive_maximum_of_the_broker_is_respected(
    make_broker: MakeBroker, subscribe: Callable[..., Subscriber]
) -> None:
    broker = make_broker(extra=["max_inflight_messages 1"])
    broker.start()
    with connector(broker.url).connect() as connection:
        assert connection.limits.receive_maximum == 1
    subscriber = subscribe(broker)
    sink = MqttSink(MqttConfig(url=broker.url), "cam")
    sink.start()
    for seq in range(1, 51):
        sink.event(event(seq), 0.0)
    assert sink.close(10.0)
    subscriber.wait(lambda: "stopped" in subscriber.statuses)
    assert subscriber.seqs == list(range(1, 51))


def test_message_larger_than_the_socket_buffers_is_sent_and_received(broker: PrivateBroker) -> None:
    payload = bytes(3_000_000)
    with connector(broker.url).connect() as connection:
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


@pytest.fixture
def make_tls_broker(make_broker: MakeBroker, certificates: Certificates) -> Callable[..., PrivateBroker]:
    def make(*, wants_certificate: bool) -> PrivateBroker:
        files = TlsFiles(
            certificates.server_cert, certificates.server_key, certificates.ca if wants_certificate else None
        )
        broker = make_broker(tls=files)
        broker.start()
        return broker

    return make


def test_tls_with_a_client_certificate_connects(
    make_tls_broker: Callable[..., PrivateBroker], certificates: Certificates, subscribe: Callable[..., Subscriber]
) -> None:
    broker = make_tls_broker(wants_certificate=True)
    files = {"ca_file": certificates.ca, "cert_file": certificates.client_cert, "key_file": certificates.client_key}
    subscriber = subscribe(
        broker, ca_certs=certificates.ca, certfile=certificates.client_cert, keyfile=certificates.client_key
    )
    sink = MqttSink(MqttConfig(url=broker.url, **{key: str(file) for key, file in files.items()}), "cam")
    sink.start()
    for seq in range(1, 101):
        sink.event(event(seq), 0.0)
    assert sink.close(10.0)
    subscriber.wait(lambda: "stopped" in subscriber.statuses)
    assert subscriber.seqs == list(range(1, 101))


def test_tls_without_the_required_client_certificate_fails_the_start(
    make_tls_broker: Callable[..., PrivateBroker], certificates: Certificates
) -> None:
    broker = make_tls_broker(wants_certificate=True)
    sink = MqttSink(MqttConfig(url=broker.url, ca_file=str(certificates.ca)), "cam")
    with pytest.raises(BrokerError, match=r"does not accept mqtt\.cert_file"):
        sink.start()


@pytest.mark.parametrize("ca_file", ["other_ca", None])
def test_tls_certificate_of_an_unknown_authority_fails_the_start(
    make_tls_broker: Callable[..., PrivateBroker], certificates: Certificates, ca_file: str | None
) -> None:
    broker = make_tls_broker(wants_certificate=False)
    chosen = str(getattr(certificates, ca_file)) if ca_file else ""
    sink = MqttSink(MqttConfig(url=broker.url, ca_file=chosen), "cam")
    with pytest.raises(BrokerError, match=r"cannot be trusted .*mqtt\.ca_file"):
        sink.start()


def test_tls_certificate_for_another_host_fails_the_start(
    make_tls_broker: Callable[..., PrivateBroker], certificates: Certificates
) -> None:
    broker = make_tls_broker(wants_certificate=False)
    url = f"mqtts://localhost:{broker.port}"
    sink = MqttSink(MqttConfig(url=url, ca_file=str(certificates.ca)), "cam")
    with pytest.raises(BrokerError, match="cannot be trusted"):
        sink.start()


def test_tls_with_a_plain_broker_names_mqtt_url(broker: PrivateBroker) -> None:
    with pytest.raises(
        ConnectFailedError, match="closed the connection during the TLS handshake; if this port is without TLS"
    ):
        connector(broker.url.replace("mqtt:", "mqtts:")).connect()


def test_plain_connection_with_a_tls_broker_names_mqtt_url(make_tls_broker: Callable[..., PrivateBroker]) -> None:
    broker = make_tls_broker(wants_certificate=False)
    with pytest.raises(ConnectFailedError, match=r"mqtts://|no MQTT broker"):
        connector(f"mqtt://127.0.0.1:{broker.port}").connect()
