"""A sensor that uses a later broker goes back to an earlier one, with a real mosquitto for each."""

import logging
from collections.abc import Callable

import pytest

from edge.config.mqtt_schema import MqttConfig
from edge.mqtt.broker_return import BrokerReturn
from edge.mqtt.connector import Connector
from edge.mqtt.settings import Timing, broker_settings
from edge.mqtt.sink import MqttSink
from support.broker import PrivateBroker
from support.mqtt import Subscriber, send, wait_until

MakeBroker = Callable[..., PrivateBroker]


def test_sensor_goes_back_to_the_first_broker_while_the_second_works(
    make_broker: MakeBroker, subscribe: Callable[..., Subscriber], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="edge.mqtt")
    first, second = make_broker(), make_broker()
    first.reserve()
    second.start()
    at_second = subscribe(second)
    mqtt = MqttConfig(url=first.url, fallback_urls=[second.url], return_seconds=0.2, reconnect_max_seconds=1)
    sink = MqttSink(mqtt, "cam", timing=Timing(first_wait_seconds=0.2))
    sink.start()
    send(sink, 1, 2)
    at_second.wait(lambda: at_second.seqs == [1, 2])
    first.start()
    at_first = subscribe(first)
    at_second.wait(lambda: at_second.statuses[-1:] == ["offline"])
    at_first.wait(lambda: "online" in at_first.statuses)
    send(sink, 3, 4)
    assert sink.close(10.0)
    at_first.wait(lambda: "stopped" in at_first.statuses)
    assert (at_second.seqs, at_first.seqs) == ([1, 2], [3, 4])
    assert at_second.statuses == ["online", "offline"]
    logged = [record.message for record in caplog.records]
    assert f"the broker at 127.0.0.1:{first.port} can be used again: going back to it" in logged
    assert not any("was lost" in line for line in logged)


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def returning(clock: Clock, seconds: float, *urls: str) -> tuple[BrokerReturn, Connector]:
    connector = Connector(broker_settings(MqttConfig(url=urls[0], fallback_urls=list(urls[1:])), {}), "tester")
    return BrokerReturn(connector, seconds, clock), connector


@pytest.mark.parametrize(("seconds", "elapsed"), [(0.0, 1e9), (600.0, 599.0)])
def test_no_attempt_is_made_before_its_time_or_where_it_is_off(
    broker: PrivateBroker, make_broker: MakeBroker, seconds: float, elapsed: float
) -> None:
    first = make_broker()
    first.reserve()
    clock = Clock()
    back, connector = returning(clock, seconds, first.url, broker.url)
    with connector.connect() as connection:
        back.connected()
        first.start()
        clock.now += elapsed
        assert back.found() is None
        assert back.found() is None
        assert not back.attempts
        connection.close()


def test_broker_that_refuses_the_sensor_is_not_gone_back_to(broker: PrivateBroker, make_broker: MakeBroker) -> None:
    guarded = make_broker(users={"joe": "right"})
    guarded.start()
    clock = Clock()
    back, connector = returning(clock, 10.0, guarded.url, broker.url)
    with connector.connect() as connection:
        back.connected()
        for attempt in (1, 2):
            clock.now += 16.0
            wait_until(lambda expected=attempt: back.found() is None and back.attempts == expected)
        assert back.found() is None
        connection.close()


def test_connection_to_the_first_broker_has_nothing_to_go_back_to(broker: PrivateBroker) -> None:
    clock = Clock()
    back, connector = returning(clock, 10.0, broker.url, "mqtt://127.0.0.1:1")
    with connector.connect() as connection:
        back.connected()
        clock.now += 1e6
        assert back.found() is None
        assert not back.attempts
        connection.close()
