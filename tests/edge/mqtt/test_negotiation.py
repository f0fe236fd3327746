"""Which versions of MQTT a broker is asked for: a fleet must not ask an old one again and again."""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from edge.config.mqtt_schema import MqttConfig
from edge.mqtt.connector import Connector
from edge.mqtt.errors import ConnectFailedError
from edge.mqtt.negotiation import OLDER_SECONDS, Negotiator, OlderOnly
from edge.mqtt.settings import broker_settings
from edge.mqtt.types import ProtocolVersion
from support.tcp_server import TcpServer

CONNACK = {4: b"\x20\x02\x00\x00", 5: b"\x20\x03\x00\x00\x00"}
_LEVEL_AT = 8
"""Place of the protocol level in a CONNECT of less than 128 bytes."""


class OldBroker(TcpServer):
    """Accepts the versions in `takes`, and closes the connection on others. `asked`: the level of each CONNECT.

    `answers_after`: seconds until its answer.
    """

    def __init__(self, takes: set[int]) -> None:
        self.takes = takes
        self.asked: list[int] = []
        self.answers_after = 0.0
        super().__init__()

    def handle(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            level = client.recv(4096)[_LEVEL_AT]
            self.asked.append(level)
            time.sleep(self.answers_after)
            if level in self.takes:
                client.sendall(CONNACK[level])
                while client.recv(4096):
                    pass


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def make() -> Iterator[Callable[[set[int]], OldBroker]]:
    made: list[OldBroker] = []

    def make_one(takes: set[int]) -> OldBroker:
        made.append(OldBroker(takes))
        return made[-1]

    yield make_one
    for broker in made:
        broker.close()


def negotiator(broker: OldBroker, clock: Clock, older: OlderOnly | None = None) -> Negotiator:
    (settings,) = broker_settings(MqttConfig(url=f"mqtt://127.0.0.1:{broker.port}"), {})
    return Negotiator(settings, "tester", None, largest_bytes=None, older=older, clock=clock)


def connect(tried: Negotiator) -> ProtocolVersion:
    with tried.connect(None, lambda: False) as connection:
        connection.close()
        return connection.protocol


def test_broker_that_took_only_the_oldest_version_is_asked_for_it_alone_for_an_hour(make):
    broker, clock = make({4}), Clock()
    tried = negotiator(broker, clock)
    for _ in range(3):
        assert connect(tried) is ProtocolVersion.MQTT_311
        clock.now += OLDER_SECONDS / 3
    assert broker.asked == [5, 4, 4, 4]
    connect(tried)
    assert broker.asked[4:] == [5, 4]


def test_broker_that_does_not_answer_in_time_gets_longer_each_time_until_it_has_answered(make):
    broker = make({4, 5})
    broker.answers_after = 0.5
    (settings,) = broker_settings(MqttConfig(url=f"mqtt://127.0.0.1:{broker.port}"), {})
    impatient = replace(settings, connect_seconds=0.05)
    tried = Negotiator(impatient, "tester", None, largest_bytes=None)
    failures = 0
    while True:
        try:
            assert connect(tried) is ProtocolVersion.MQTT_5
        except ConnectFailedError:
            failures += 1
        else:
            break
    assert 3 <= failures <= 10
    with pytest.raises(ConnectFailedError):
        connect(tried)


def test_nodes_of_one_cluster_are_asked_alike(make):
    first, second, clock, older = make({4}), make({4}), Clock(), OlderOnly()
    one, other = negotiator(first, clock, older), negotiator(second, clock, older)
    connect(one)
    connect(other)
    assert second.asked == [4]


def test_trial_of_an_earlier_broker_knows_what_was_taken(make):
    first, second = make({4}), make({4})
    mqtt = MqttConfig(url=f"mqtt://127.0.0.1:{first.port}", fallback_urls=[f"mqtt://127.0.0.1:{second.port}"])
    connector = Connector(broker_settings(mqtt, {}), "tester")
    with connector.connect() as connection:
        connection.close()
    assert connect(connector.negotiator_beside(connector.brokers[1], "beside")) is ProtocolVersion.MQTT_311
    assert (first.asked, second.asked) == ([5, 4], [4])


def test_broker_that_has_taken_the_newest_version_is_asked_for_it_whatever_others_take(make):
    old, new, clock, older = make({4}), make({4, 5}), Clock(), OlderOnly()
    fallback = negotiator(new, clock, older)
    connect(fallback)
    connect(negotiator(old, clock, older))
    assert connect(fallback) is ProtocolVersion.MQTT_5
    assert new.asked == [5, 5]


def test_broker_that_is_away_meanwhile_is_still_known(make):
    broker, clock = make({4}), Clock()
    tried = negotiator(broker, clock)
    connect(tried)
    broker.close()
    with pytest.raises(ConnectFailedError):
        connect(tried)
    assert broker.asked == [5, 4]


def test_broker_that_no_longer_takes_the_oldest_version_is_asked_for_all_the_next_time(make):
    broker, clock = make({4}), Clock()
    tried = negotiator(broker, clock)
    connect(tried)
    broker.takes = {5}
    with pytest.raises(ConnectFailedError):
        connect(tried)
    assert connect(tried) is ProtocolVersion.MQTT_5
    assert broker.asked == [5, 4, 4, 5]
