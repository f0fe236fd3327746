"""Connections: versions of MQTT, TLS, and peers that are no broker at all."""

import contextlib
import select
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

import edge.mqtt.connection
from edge.commands.demo_broker import PrivateBroker, TlsFiles
from edge.config.schema import MqttConfig
from edge.errors import BrokerError
from edge.mqtt.dialler import Connector
from edge.mqtt.errors import ConnectFailedError
from edge.mqtt.publisher import MqttSink
from edge.mqtt.settings import broker_settings
from edge.mqtt.types import OutgoingMessage, ProtocolVersion
from support.mqtt import Certificates, Subscriber, event, wait_until

MakeBroker = Callable[..., PrivateBroker]
Answers = Callable[[bytes], bytes | None]


class Peer:
    """A loopback server. It reads one packet, sends `answer(packet)` and closes, or where that is None
    stands between the client and a real broker."""

    def __init__(self, answer: Answers, broker_port: int = 0) -> None:
        self._answer, self._broker_port = answer, broker_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"mqtt://127.0.0.1:{self._listener.getsockname()[1]}"
        self.levels: list[int] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        # Closing alone does not wake a thread that waits in accept().
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._attend, args=(client,), daemon=True).start()

    def _attend(self, client: socket.socket) -> None:
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

    def make(answer: Answers, broker_port: int = 0) -> Peer:
        peers.append(Peer(answer, broker_port))
        return peers[-1]

    yield make
    for peer in peers:
        peer.close()


def dialler(url: str, **settings: object) -> Connector:
    return Connector(broker_settings(MqttConfig(url=url, **settings), {}), "tester")  # type: ignore[arg-type]


def test_speaks_mqtt_5_where_it_may(broker: PrivateBroker) -> None:
    with dialler(broker.url).connect() as connection:
        assert connection.protocol is ProtocolVersion.MQTT_5
        assert connection.receive_maximum == 20
        connection.close()
    assert "as tester (p5, c1, k30)" in broker.log()
    wait_until(lambda: "Client tester disconnected." in broker.log())


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(b"\x20\x03\x00\x84\x00", id="as MQTT 5 has it"),
        pytest.param(b"\x20\x02\x00\x01", id="as MQTT 3.1.1 has it"),
        pytest.param(b"", id="by hanging up"),
    ],
)
def test_falls_back_where_the_broker_wants_the_older_version(
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


def test_broker_that_speaks_neither_version(make_peer: Callable[..., Peer]) -> None:
    peer = make_peer(lambda _: b"\x20\x02\x00\x01")
    sink = MqttSink(MqttConfig(url=peer.url), "cam")
    with pytest.raises(BrokerError, match=r"speaks neither MQTT 5 nor 3\.1\.1"):
        sink.start()
    assert peer.levels == [5, 4]


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x32", b"\xf1" * 50]
)
def test_something_else_that_answers(make_peer: Callable[..., Peer], answer: bytes) -> None:
    peer = make_peer(lambda _: answer)
    with pytest.raises(ConnectFailedError) as caught:
        dialler(peer.url).connect()
    # What cannot be told from a broker that broke off is tried again, with a hint.
    assert ("is no MQTT broker" in str(caught.value)) == caught.value.permanent
    assert caught.value.permanent or "mqtts://" in str(caught.value)


def test_peer_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge.mqtt.connection, "CONNECT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sink = MqttSink(MqttConfig(url=f"mqtt://127.0.0.1:{silent.getsockname()[1]}"), "cam")
        sink.start()
        assert sink.status().failure is None
        assert sink.status().broker == "disconnected"
        assert sink.close(0.0)


def test_more_than_the_broker_takes_at_once(make_broker: MakeBroker, subscribe: Callable[..., Subscriber]) -> None:
    broker = make_broker(extra=["max_inflight_messages 1"])
    broker.start()
    with dialler(broker.url).connect() as connection:
        assert connection.receive_maximum == 1
    subscriber = subscribe(broker)
    sink = MqttSink(MqttConfig(url=broker.url), "cam")
    sink.start()
    for seq in range(1, 51):
        sink.event(event(seq), 0.0)
    assert sink.close(10.0)
    subscriber.wait(lambda: "stopped" in subscriber.statuses)
    assert subscriber.seqs == list(range(1, 51))


def test_big_message_both_ways(broker: PrivateBroker) -> None:
    """More than a socket takes at once, so that writing and reading go on in pieces."""
    payload = bytes(3_000_000)
    with dialler(broker.url).connect() as connection:
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


def test_tls_with_client_certificate(
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


def test_tls_without_the_client_certificate_that_the_broker_wants(
    make_tls_broker: Callable[..., PrivateBroker], certificates: Certificates
) -> None:
    broker = make_tls_broker(wants_certificate=True)
    sink = MqttSink(MqttConfig(url=broker.url, ca_file=str(certificates.ca)), "cam")
    with pytest.raises(BrokerError, match=r"does not accept mqtt\.cert_file"):
        sink.start()


@pytest.mark.parametrize("ca_file", ["other_ca", None])
def test_tls_with_an_authority_that_did_not_sign(
    make_tls_broker: Callable[..., PrivateBroker], certificates: Certificates, ca_file: str | None
) -> None:
    broker = make_tls_broker(wants_certificate=False)
    chosen = str(getattr(certificates, ca_file)) if ca_file else ""
    sink = MqttSink(MqttConfig(url=broker.url, ca_file=chosen), "cam")
    with pytest.raises(BrokerError, match=r"cannot be trusted .*mqtt\.ca_file"):
        sink.start()


def test_tls_with_a_name_that_the_certificate_was_not_made_for(
    make_tls_broker: Callable[..., PrivateBroker], certificates: Certificates
) -> None:
    broker = make_tls_broker(wants_certificate=False)
    url = f"mqtts://localhost:{broker.port}"
    sink = MqttSink(MqttConfig(url=url, ca_file=str(certificates.ca)), "cam")
    with pytest.raises(BrokerError, match="cannot be trusted"):
        sink.start()


def test_tls_with_a_broker_that_has_none(broker: PrivateBroker) -> None:
    with pytest.raises(ConnectFailedError, match="broke off the handshake; if that port is without TLS"):
        dialler(broker.url.replace("mqtt:", "mqtts:")).connect()


def test_plain_with_a_broker_that_wants_tls(make_tls_broker: Callable[..., PrivateBroker]) -> None:
    broker = make_tls_broker(wants_certificate=False)
    with pytest.raises(ConnectFailedError, match=r"mqtts://|no MQTT broker"):
        dialler(f"mqtt://127.0.0.1:{broker.port}").connect()
