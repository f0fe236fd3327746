"""What `doctor` finds out about a broker, on real brokers with limits and on a scripted one."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from edge.commands.doctor.broker_probe import BrokerProbe, ProbeResult
from edge.config.schema import Config
from edge.errors import BrokerError
from edge.mqtt.settings import broker_settings
from support.broker import PrivateBroker
from support.limited_broker import CLOSE, LimitedBroker
from support.mqtt import Subscriber

TOPIC = "emotion-edge/cam/doctor"
MakeBroker = Callable[..., PrivateBroker]


def config_for(url: str, **mqtt: object) -> Config:
    return msgspec.convert(
        {"mqtt": {"url": url} | mqtt, "homeassistant": {"enabled": True}, "device": {"id": "cam"}}, Config
    )


def probe(url: str, **mqtt: object) -> tuple[ProbeResult, list[str]]:
    warnings: list[str] = []
    config = config_for(url, **mqtt)
    (settings,) = broker_settings(config.mqtt, {})
    return BrokerProbe(config, "cam", settings, warnings.append).run(), warnings


def running(make_broker: MakeBroker, *extra: str, **options: object) -> PrivateBroker:
    broker = make_broker(extra=extra, **options)
    broker.start()
    return broker


def test_broker_without_limits_gets_what_the_sensor_sends_and_keeps_nothing(
    broker: PrivateBroker, subscribe: Callable[..., Subscriber], make_sink: Callable[..., object]
) -> None:
    sink = make_sink(broker)
    sink.start()  # type: ignore[attr-defined] - the service runs meanwhile
    subscriber = subscribe(broker)
    result, warnings = probe(broker.url)
    assert (result.protocol, result.takes_events, warnings) == ("MQTT 5", True, [])
    subscriber.wait(lambda: subscriber.seen and subscriber.seen[-1].topic == TOPIC and not subscriber.seen[-1].payload)
    assert [len(seen.payload) for seen in subscriber.seen if seen.topic == TOPIC] == [len("online"), 800, 0]
    assert sink.status().broker == "connected"  # type: ignore[attr-defined]
    assert broker.log().count(" as emotion-edge-cam (") == 1  # the service's connection is still its first
    later = subscribe(broker)
    later.wait(lambda: "online" in later.statuses)
    assert not [seen for seen in later.seen if seen.topic == TOPIC]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("retain_available false", ["has no retained messages"]),
        ("max_qos 0", ["takes QoS 0 only"]),
        ("max_packet_size 1500", ["/state can have 1630", "/health can have", "/summary can have", "config can have"]),
        ("max_inflight_messages 1", []),
        ("max_keepalive 10", []),
    ],
)
def test_each_limit_that_costs_something_is_a_warning(make_broker: MakeBroker, setting: str, words: list[str]) -> None:
    result, warnings = probe(running(make_broker, setting).url)
    assert result.takes_events
    assert [word in warning for word, warning in zip(words, warnings, strict=True)] == [True] * len(words), warnings


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("max_packet_size 600", "does not take a message of 800 bytes, as long as an event can be: .* at most 600"),
        ("message_size_limit 450", "refuses a message of 800 bytes, as long as an event can be: Packet too large"),
    ],
)
def test_broker_that_takes_no_event_is_refused_and_the_limit_named(
    make_broker: MakeBroker, subscribe: Callable[..., Subscriber], setting: str, words: str
) -> None:
    broker = running(make_broker, setting)
    with pytest.raises(BrokerError, match=words):
        probe(broker.url)
    later = subscribe(broker)
    later.publish("emotion-edge/cam/request/x", b"")
    later.wait(lambda: later.seen)
    assert not [seen for seen in later.seen if seen.topic == TOPIC]


SERVICE_ONLY = (
    "topic write emotion-edge/cam/status\ntopic read emotion-edge/cam/request/+\ntopic read homeassistant/status"
)


@pytest.mark.parametrize(
    ("rules", "takes_events", "words"),
    [
        ("topic readwrite emotion-edge/#\ntopic read homeassistant/status", True, []),
        (SERVICE_ONLY, False, ["grant the right to write that topic"]),
    ],
)
def test_access_rules_without_the_doctor_topic_are_a_warning(
    make_broker: MakeBroker, tmp_path: Path, rules: str, words: list[str], *, takes_events: bool
) -> None:
    file = tmp_path / "acl"
    file.write_text(f"{rules}\n")
    result, warnings = probe(running(make_broker, f"acl_file {file}").url)
    assert result.takes_events is takes_events
    assert [word in warnings[-1] for word in words] == [True] * len(words), warnings
    assert bool(warnings) == bool(words)


def test_broker_of_mqtt_3_1_1_that_closes_over_an_event_is_refused() -> None:
    with LimitedBroker() as broker:
        broker.on_connect = lambda connect: (0x84 if connect.five else 0, b"")
        broker.on_publish = lambda message: CLOSE if message.packet_bytes > 500 else 0
        with pytest.raises(BrokerError, match="ends the connection over a message of 800 bytes"):
            probe(broker.url)
        # What the broker may have published as the will is removed.
        assert (broker.accepted[-1].topic, broker.accepted[-1].payload) == (TOPIC, b"")


def test_refused_subscription_is_a_warning() -> None:
    with LimitedBroker() as broker:
        broker.on_subscribe = lambda filters: 0x87 if filters == ["emotion-edge/cam/request/+"] else 0
        _, warnings = probe(broker.url)
        (warning,) = warnings
        assert "emotion-edge/cam/request/+: Not authorized: requests are not received" in warning


def test_broker_without_wildcards_is_asked_for_none() -> None:
    with LimitedBroker() as broker:
        broker.on_connect = lambda _: (0, b"\x28\x00")
        _, (warning,) = probe(broker.url)
        assert "no subscription with wildcards" in warning
        assert broker.subscribed == ["emotion-edge/cam/request/pause", "homeassistant/status"]
