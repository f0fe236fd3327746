"""How the sink fails: refused by the broker, or by a bug of its own."""

import time
from collections.abc import Callable

import pytest

from edge.commands.demo_broker import PrivateBroker
from edge.config.schema import MqttConfig
from edge.errors import BrokerError
from edge.mqtt.publisher import MqttSink
from support.mqtt import event, wait_until

MakeBroker = Callable[..., PrivateBroker]
MakeSink = Callable[..., MqttSink]


@pytest.mark.parametrize("username", ["joe", ""])
def test_refused_credentials(
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
    who = "as user 'joe'" if username else "without a user name"
    assert f"127.0.0.1:{broker.port} refuses the connection {who}: Not authorized" in str(caught.value)
    assert "wrong" not in str(caught.value)


def test_accepted_credentials(make_broker: MakeBroker, make_sink: MakeSink, monkeypatch: pytest.MonkeyPatch) -> None:
    broker = make_broker(users={"joe": "right"})
    broker.start()
    monkeypatch.setenv("EMOTION_EDGE_MQTT_PASSWORD", "right")
    sink = make_sink(broker, username="joe")
    sink.start()
    assert sink.status().broker == "connected"


def test_credentials_refused_once_the_broker_is_there(make_broker: MakeBroker, make_sink: MakeSink) -> None:
    broker = make_broker(users={"joe": "right"})
    broker.reserve()
    sink = make_sink(broker)
    sink.start()
    assert sink.status().failure is None
    broker.start()
    wait_until(lambda: sink.status().failure is not None)
    assert isinstance(sink.status().failure, BrokerError)
    sink.event(event(1), time.monotonic())


def test_topic_that_may_not_be_written(make_broker: MakeBroker, make_sink: MakeSink, tmp_path: object) -> None:
    rules = f"{tmp_path}/acl"
    with open(rules, "w") as file:  # noqa: PTH123
        file.write("topic read #\n")
    broker = make_broker(extra=[f"acl_file {rules}"])
    broker.start()
    with pytest.raises(BrokerError, match="the broker refuses messages to emotion-edge/cam/status: Not authorized"):
        make_sink(broker).start()


def test_unknown_host() -> None:
    sink = MqttSink(MqttConfig(url="mqtt://no-such-host.invalid"), "cam")
    with pytest.raises(BrokerError, match=r"host 'no-such-host\.invalid' in mqtt\.url cannot be found"):
        sink.start()


def test_thread_that_dies_is_noticed(broker: PrivateBroker, make_sink: MakeSink) -> None:
    sink = make_sink(broker)
    sink.start()

    def explode(*_: object) -> None:
        msg = "bug"
        raise RuntimeError(msg)

    sink._pending.hand_next = explode  # type: ignore[method-assign]
    sink.event(event(1), time.monotonic())
    wait_until(lambda: sink.status().failure is not None)
    assert sink.status().broker == "disconnected"
    assert sink.status().outbox_depth == 1
    # It could not be sent; the disk holds it for a process that can.
    assert sink.close(1.0)
    assert sink.accepted_seq == 1
