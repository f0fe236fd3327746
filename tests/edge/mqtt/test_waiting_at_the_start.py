"""Covers what is waited for at the start: a name, a clock, a certificate that are not right yet; and what is not."""

import datetime
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from edge.config.mqtt_schema import MqttConfig
from edge.errors import BrokerError
from edge.mqtt.settings import Timing
from edge.mqtt.sink import MqttSink
from support import resolver
from support.broker import PrivateBroker, TlsFiles
from support.mqtt import Subscriber, on_disk, send, wait_until
from support.scripted_broker import CONNECT, PUBLISH, ScriptedBroker

MakeBroker = Callable[..., PrivateBroker]
NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
QUICK = Timing(first_wait_seconds=0.2)


@pytest.mark.parametrize(
    ("host", "code", "cause"),
    [
        ("broker.example.org", socket.EAI_AGAIN, "cannot be resolved yet"),
        ("homeassistant.local", socket.EAI_NONAME, "known only while its host is up"),
        ("broker.example.org", socket.EAI_NODATA, "exists without an address"),
    ],
)
def test_name_that_resolves_later_is_waited_for_and_no_event_is_lost(
    broker: PrivateBroker,
    subscribe: Callable[..., Subscriber],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    host: str,
    code: int,
    cause: str,
) -> None:
    names = resolver.install(monkeypatch, {host: code})
    subscriber = subscribe(broker)
    folder = tmp_path / "state"
    sink = MqttSink(
        MqttConfig(url=f"mqtt://{host}:{broker.port}", reconnect_max_seconds=1, outbox_directory=str(folder)),
        "cam",
        timing=QUICK,
    )
    sink.start()
    send(sink, 1, 2)
    wait_until(lambda: len(on_disk(folder, tmp_path / "copy")) == 2)
    assert sink.status().broker == "disconnected"
    assert sink.status().failure is None
    assert cause in caplog.text
    names.answers[host] = "127.0.0.1"
    wait_until(sink.drained)
    send(sink, 3)
    assert sink.close(10.0)
    subscriber.wait(lambda: "stopped" in subscriber.statuses)
    assert subscriber.seqs == [1, 2, 3]


def test_each_cause_of_a_long_start_is_logged_once(
    make_broker: MakeBroker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A power cut: no name server, then a router that does not know the host, then a broker that is starting."""
    broker = make_broker()
    broker.reserve()
    names = resolver.install(monkeypatch, {"nas.lan": socket.EAI_AGAIN})
    mqtt = MqttConfig(url=f"mqtt://nas.lan:{broker.port}", reconnect_max_seconds=1)
    sink = MqttSink(mqtt, "cam", timing=QUICK)
    sink.start()
    for answer in (socket.EAI_AGAIN, socket.EAI_NONAME, "127.0.0.1"):
        names.answers["nas.lan"] = answer
        asked = len(names.asked)
        wait_until(lambda asked=asked: len(names.asked) >= asked + 3)  # type: ignore[misc]
    assert sink.close(0.0)
    logged = [record.message for record in caplog.records]
    assert len(logged) == 2, logged
    assert "cannot be resolved yet" in logged[0]
    assert "known only while its host is up" in logged[1]


@pytest.mark.parametrize("host", ["no-such-host.invalid", "broker.example.org"])
def test_name_that_does_not_exist_ends_the_start(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    resolver.install(monkeypatch, {host: socket.EAI_NONAME})
    monkeypatch.setattr(socket.socket, "connect", lambda *_: None)  # a route, also where the machine has none
    with pytest.raises(BrokerError, match=f"host '{host}' in mqtt.url cannot be found"):
        MqttSink(MqttConfig(url=f"mqtt://{host}"), "cam").start()


@pytest.fixture
def make_tls_broker(make_broker: MakeBroker, tmp_path: Path) -> Callable[..., tuple[PrivateBroker, dict[str, str]]]:
    """Makes a broker whose certificate, or the sensor's, is valid from `begin` to `end`, and the sensor's keys."""

    def make(
        begin: datetime.datetime, end: datetime.datetime, *, client: bool = False
    ) -> tuple[PrivateBroker, dict[str, str]]:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        now = (NOW - DAY, NOW + DAY)
        server = authority.issue_cert("127.0.0.1", **dict(zip(("not_before", "not_after"), now, strict=True)))
        keys = {"ca_file": str(tmp_path / "ca.pem")}
        if client:
            sensor = authority.issue_cert("camera@example.org", not_before=begin, not_after=end)
            sensor.cert_chain_pems[0].write_to_path(tmp_path / "client.pem")
            sensor.private_key_pem.write_to_path(tmp_path / "client.key")
            keys |= {"cert_file": str(tmp_path / "client.pem"), "key_file": str(tmp_path / "client.key")}
        else:
            server = authority.issue_cert("127.0.0.1", not_before=begin, not_after=end)
        server.cert_chain_pems[0].write_to_path(tmp_path / "server.pem")
        server.private_key_pem.write_to_path(tmp_path / "server.key")
        files = TlsFiles(tmp_path / "server.pem", tmp_path / "server.key", tmp_path / "ca.pem" if client else None)
        broker = make_broker(tls=files)
        broker.start()
        return broker, keys

    return make


@pytest.mark.parametrize(
    ("begin", "end", "cause"),
    [
        (NOW + DAY, NOW + 2 * DAY, r"not yet valid\): this machine's clock says 2"),
        (NOW - 2 * DAY, NOW - DAY, r"expired\): this machine's clock says 2"),
    ],
    ids=["not yet valid", "expired"],
)
def test_certificate_of_the_broker_outside_its_time_is_waited_for(
    make_tls_broker: Callable[..., tuple[PrivateBroker, dict[str, str]]],
    caplog: pytest.LogCaptureFixture,
    begin: datetime.datetime,
    end: datetime.datetime,
    cause: str,
) -> None:
    broker, keys = make_tls_broker(begin, end)
    sink = MqttSink(MqttConfig(url=broker.url, **keys), "cam")  # type: ignore[arg-type]
    sink.start()
    send(sink, 1)
    assert sink.status().failure is None
    assert sink.status().outbox_depth == 1
    assert sink.close(0.0)
    (line,) = [record.message for record in caplog.records if "cannot be trusted" in record.message]
    assert len(line.splitlines()) == 1
    assert re.search(cause, line)


def test_client_certificate_that_the_broker_believes_not_yet_valid_is_waited_for(
    make_tls_broker: Callable[..., tuple[PrivateBroker, dict[str, str]]], caplog: pytest.LogCaptureFixture
) -> None:
    broker, keys = make_tls_broker(NOW + DAY, NOW + 2 * DAY, client=True)
    sink = MqttSink(MqttConfig(url=broker.url, **keys), "cam")  # type: ignore[arg-type]
    sink.start()
    assert sink.status().failure is None
    assert sink.close(0.0)
    assert (
        "does not accept mqtt.cert_file (TLS alert bad certificate): the broker's clock may not be set" in caplog.text
    )


def test_expired_client_certificate_ends_the_start(
    make_tls_broker: Callable[..., tuple[PrivateBroker, dict[str, str]]],
) -> None:
    broker, keys = make_tls_broker(NOW - 2 * DAY, NOW - DAY, client=True)
    with pytest.raises(BrokerError, match=r"mqtt\.cert_file \(TLS alert certificate expired\): this sensor needs"):
        MqttSink(MqttConfig(url=broker.url, **keys), "cam").start()  # type: ignore[arg-type]


def test_broker_that_had_accepted_the_connection_may_refuse_the_next_one() -> None:
    """A connection that ends before the first acknowledgement has shown all the same that the credentials are right."""
    server = ScriptedBroker()
    server.answers, server.last = {CONNECT: b"\x20\x03\x00\x00\x00"}, PUBLISH
    sink = MqttSink(MqttConfig(url=f"mqtt://127.0.0.1:{server.port}", reconnect_max_seconds=1), "cam", timing=QUICK)
    try:
        sink.start()
        wait_until(lambda: PUBLISH in server.received)
        server.answers, server.last = {CONNECT: b"\x20\x03\x00\x87\x00"}, CONNECT
        wait_until(lambda: server.received.count(CONNECT) >= 4)
        assert sink.status().failure is None
    finally:
        sink.close(0.0)
        server.close()
