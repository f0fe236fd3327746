"""Covers the failures of the sink: refused by the broker, a bug in the publisher's thread."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.errors import BrokerError
from edge.mqtt.connection import Connection
from edge.mqtt.sink import MqttSink
from support.broker import PrivateBroker
from support.mqtt import event, on_disk, wait_until

MakeBroker = Callable[..., PrivateBroker]
MakeSink = Callable[..., MqttSink]


@pytest.mark.parametrize("username", ["joe", ""])
def test_refused_credentials_fail_the_start(
    make_broker: MakeBroker, make_sink: MakeSink, monkeypatch: pytest.MonkeyPatch, username: str
) -> None:
    broker = make_broker(users={"joe": "right"})
    broker.start()
    if username:
        monkeypatch.setenv("EMOTION_EDGE_MQTT_PASSWORD", "wrong")
    sink = make_sink(broker, username=username)
    with pytest.raises(BrokerError) as caught:
        sink.start()
    assert sink.status().failure is caught.value
    user = "as user 'joe'" if username else "without a user name"
    assert f"127.0.0.1:{broker.port} refuses the connection {user}: Not authorized" in str(caught.value)
    assert str(caught.value).endswith(": check mqtt.username and the password")
    assert "wrong" not in str(caught.value)


def test_accepted_credentials_connect(
    make_broker: MakeBroker, make_sink: MakeSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = make_broker(users={"joe": "right"})
    broker.start()
    monkeypatch.setenv("EMOTION_EDGE_MQTT_PASSWORD", "right")
    sink = make_sink(broker, username="joe")
    sink.start()
    assert sink.status().broker == "connected"


def test_credentials_refused_after_the_start_become_the_failure(make_broker: MakeBroker, make_sink: MakeSink) -> None:
    broker = make_broker(users={"joe": "right"})
    broker.reserve()
    sink = make_sink(broker)
    sink.start()
    assert sink.status().failure is None
    broker.start()
    wait_until(lambda: sink.status().failure is not None)
    assert isinstance(sink.status().failure, BrokerError)
    sink.event(event(1), time.monotonic())


def test_refused_status_topic_fails_the_start(make_broker: MakeBroker, make_sink: MakeSink, tmp_path: Path) -> None:
    rules = tmp_path / "acl"
    rules.write_text("topic read #\n")
    broker = make_broker(extra=[f"acl_file {rules}"])
    broker.start()
    with pytest.raises(BrokerError, match="the broker refuses messages to emotion-edge/cam/status: Not authorized"):
        make_sink(broker).start()


def test_bug_in_the_publishers_thread_becomes_the_failure_and_loses_nothing(
    broker: PrivateBroker, make_sink: MakeSink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "state"
    sink = make_sink(broker, outbox_directory=str(folder))
    sink.start()

    def fail(*_: object) -> None:
        msg = "bug"
        raise RuntimeError(msg)

    monkeypatch.setattr(Connection, "publish", fail)
    sink.event(event(1), time.monotonic())
    wait_until(lambda: sink.status().failure is not None)
    assert sink.status().broker == "disconnected"
    assert sink.status().outbox_depth == 1
    assert sink.close(1.0)
    assert on_disk(folder, tmp_path / "copy") == [("boot", 1)]
