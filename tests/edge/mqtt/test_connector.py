import logging
import socket
from collections.abc import Callable, Iterator

import pytest

from edge.config.mqtt_schema import MqttConfig
from edge.mqtt.connector import Connector
from edge.mqtt.errors import ConnectFailedError
from edge.mqtt.settings import Timing, broker_settings
from edge.mqtt.sink import MqttSink
from support import resolver
from support.broker import PrivateBroker, TlsFiles
from support.mqtt import Certificates, Subscriber, send, wait_until

MakeBroker = Callable[..., PrivateBroker]
UNKNOWN = "mqtt://no-such-host.invalid"


@pytest.fixture
def dead() -> Iterator[str]:
    """An address that refuses connections: the port is taken, and nothing listens there."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"mqtt://127.0.0.1:{bound.getsockname()[1]}"


def connector(*urls: str, **keys: object) -> Connector:
    mqtt = MqttConfig(url=urls[0], fallback_urls=list(urls[1:]), **keys)  # type: ignore[arg-type]
    return Connector(broker_settings(mqtt, {}), "tester")


def test_first_address_that_works_is_used(broker: PrivateBroker, dead: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="edge.mqtt")
    tried = connector(dead, broker.url, UNKNOWN)
    for _ in range(3):
        with tried.connect() as connection:
            connection.close()
    assert tried.settings.key == "mqtt.fallback_urls"
    assert tried.settings.broker.port == broker.port
    address = dead.removeprefix("mqtt://")
    (line,) = [record.message for record in caplog.records]
    assert line.startswith(f"the broker at {address} cannot be reached (Connection refused)")
    assert line.endswith(f"the broker at 127.0.0.1:{broker.port} is used instead")


def test_permanent_failure_of_one_address_is_not_the_end(
    broker: PrivateBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver.install(monkeypatch, {"no-such-host.invalid": socket.EAI_NONAME})
    with connector(UNKNOWN, broker.url).connect() as connection:
        connection.close()


def test_failure_names_every_address_and_is_permanent_only_where_each_is(make_broker: MakeBroker, dead: str) -> None:
    refusing = make_broker(users={"joe": "right"})
    refusing.start()
    with pytest.raises(ConnectFailedError) as caught:
        connector(dead, refusing.url).connect()
    assert f"127.0.0.1:{refusing.port} refuses the connection without a user name: Not authorized" in str(caught.value)
    assert dead.removeprefix("mqtt://") in str(caught.value)
    assert not caught.value.permanent
    with pytest.raises(ConnectFailedError) as caught:
        connector(refusing.url, refusing.url).connect()
    assert caught.value.permanent


def test_abort_ends_the_round(dead: str) -> None:
    asked = []

    def abort() -> bool:
        asked.append(True)
        return True

    with pytest.raises(ConnectFailedError) as caught:
        connector(UNKNOWN, dead, dead).connect(abort=abort)
    assert len(asked) == 1
    assert dead.removeprefix("mqtt://") not in str(caught.value)
    assert not caught.value.permanent, "the others were not tried"


def test_each_address_has_its_own_encryption(
    make_broker: MakeBroker, broker: PrivateBroker, certificates: Certificates
) -> None:
    encrypted = make_broker(tls=TlsFiles(certificates.server_cert, certificates.server_key))
    encrypted.start()
    tried = connector(encrypted.url, broker.url, ca_file=str(certificates.ca))
    for used in (encrypted, broker):
        with tried.connect() as connection:
            connection.close()
        assert tried.settings.broker.port == used.port
        assert (tried.settings.tls is not None) is (used is encrypted)
        encrypted.stop()


def test_sensor_moves_to_the_fallback_and_back_and_loses_nothing(
    make_broker: MakeBroker, subscribe: Callable[..., Subscriber], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="edge.mqtt")
    first, second = make_broker(), make_broker()
    first.reserve()
    second.start()
    second_subscriber = subscribe(second)
    sink = MqttSink(
        MqttConfig(url=first.url, fallback_urls=[second.url], reconnect_max_seconds=1),
        "cam",
        timing=Timing(first_wait_seconds=0.2),
    )
    sink.start()
    send(sink, 1, 2)
    wait_until(sink.drained)
    second_subscriber.wait(lambda: second_subscriber.seqs == [1, 2])
    first.start()
    first_subscriber = subscribe(first)
    second_subscriber.close()
    second.stop()
    wait_until(lambda: sink.status().broker == "connected" and first_subscriber.statuses)
    send(sink, 3, 4)
    assert sink.close(10.0)
    first_subscriber.wait(lambda: "stopped" in first_subscriber.statuses)
    assert first_subscriber.seqs == [3, 4]
    logged = "\n".join(record.message for record in caplog.records)
    assert f"the broker at 127.0.0.1:{second.port} is used instead" in logged
    assert f"connected to the broker at 127.0.0.1:{second.port} with MQTT 5" in logged
    assert f"the connection to the broker at 127.0.0.1:{second.port} was lost" in logged
    assert f"connected to the broker at 127.0.0.1:{first.port} with MQTT 5" in logged
