import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from edge.config.mqtt_schema import MqttConfig
from edge.mqtt.connector import Connector
from edge.mqtt.diagnosis import diagnose_transport
from edge.mqtt.errors import ConnectFailedError
from edge.mqtt.settings import broker_settings
from support.broker import PrivateBroker
from support.broker_proxy import BrokerProxy, server_context
from support.mqtt import Certificates


def failure(url: str, **keys: object) -> ConnectFailedError:
    with pytest.raises(ConnectFailedError) as caught:
        Connector(broker_settings(MqttConfig(url=url, **keys), {}), "tester").connect()  # type: ignore[arg-type]
    return caught.value


@pytest.mark.parametrize(
    ("status", "sentence", "permanent"),
    [
        (404, "HTTP 404 Not Found): check port and path in mqtt.url", True),
        (401, "HTTP 401 Unauthorized): check the token", True),
        (403, "HTTP 403 Forbidden): check the token", True),
        (302, "HTTP 302 Found): mqtt.url must be the address that it redirects to", True),
        (200, "HTTP 200 OK): check port and path", True),
        (503, "HTTP 503 Service Unavailable): the broker behind it is probably starting", False),
    ],
)
def test_answer_of_http_to_a_websocket_is_named(status: int, sentence: str, permanent: bool) -> None:  # noqa: FBT001
    with BrokerProxy(0, websocket=True, status=status) as proxy:
        refused = failure(f"ws://127.0.0.1:{proxy.port}/hunter2?token=hunter3")
    assert sentence in str(refused)
    assert refused.permanent is permanent
    assert "hunter" not in str(refused)
    assert "secret" not in str(refused)
    assert proxy.paths == ["/hunter2?token=hunter3"] * 2
    assert proxy.faults == []


def test_answer_of_http_to_an_encrypted_websocket_is_named(certificates: Certificates) -> None:
    tls = server_context(certificates.server_cert, certificates.server_key)
    with BrokerProxy(0, websocket=True, status=404, tls=tls) as proxy:
        refused = failure(f"wss://127.0.0.1:{proxy.port}", ca_file=str(certificates.ca))
    assert "HTTP 404" in str(refused)
    assert proxy.paths == ["/mqtt"] * 2


def test_missing_client_certificate_for_a_websocket_is_named(certificates: Certificates) -> None:
    tls = server_context(certificates.server_cert, certificates.server_key)
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_verify_locations(certificates.ca)
    with BrokerProxy(0, websocket=True, tls=tls) as proxy:
        refused = failure(f"wss://127.0.0.1:{proxy.port}", ca_file=str(certificates.ca))
    assert "does not accept mqtt.cert_file (TLS alert certificate required)" in str(refused)
    assert refused.permanent


@contextmanager
def answering(*answers: bytes) -> Iterator[int]:
    """Yield the port of a server that reads once from each client, sends the next answer and closes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for answer in answers:
                client, _ = listener.accept()
                with client:
                    client.recv(4096)
                    client.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(60)


def test_plain_broker_behind_a_websocket_address_is_named(broker: PrivateBroker) -> None:
    refused = failure(f"ws://127.0.0.1:{broker.port}")
    assert "if this port is without WebSocket, mqtt.url must start with mqtt://" in str(refused)
    assert not refused.permanent


def test_answer_that_is_not_http_ends_the_start() -> None:
    with answering(b"SSH-2.0-OpenSSH_9\r\n", b"SSH-2.0-OpenSSH_9\r\n") as port:
        refused = failure(f"ws://127.0.0.1:{port}")
    assert "does not speak HTTP" in str(refused)
    assert refused.permanent


SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        SWITCHING + b"Sec-WebSocket-Accept: wrong\r\n\r\n",
        SWITCHING + b"Sec-WebSocket-Accept:nospace\r\n\r\n",
        SWITCHING + b"Sec-WebSocket-Accept: \xff\r\n\r\n",
        SWITCHING + b"\r\n",
    ],
)
def test_handshake_that_is_wrong_is_waited_for(answer: bytes) -> None:
    with answering(answer, answer) as port:
        refused = failure(f"ws://127.0.0.1:{port}")
    assert "HTTP 101 Switching Protocols" in str(refused)
    assert not refused.permanent


@pytest.mark.parametrize(("has_route", "permanent"), [(True, True), (False, False)])
def test_unknown_name_is_final_only_where_there_is_a_network(
    monkeypatch: pytest.MonkeyPatch,
    has_route: bool,  # noqa: FBT001
    permanent: bool,  # noqa: FBT001
) -> None:
    (settings,) = broker_settings(MqttConfig(url="mqtt://broker.example.org"), {})
    connect: Callable[..., None] = socket.socket.connect

    def connect_or_not(self: socket.socket, address: tuple[object, ...]) -> None:
        if self.type is socket.SOCK_DGRAM and not has_route:
            raise OSError(101, "Network is unreachable")
        if self.type is not socket.SOCK_DGRAM:
            connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_or_not)
    unknown = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    assert diagnose_transport(settings, unknown).permanent is permanent
