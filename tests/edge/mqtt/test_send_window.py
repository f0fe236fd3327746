"""For how long a broker has served a connection, which decides how soon the next attempt comes."""

import time
from collections.abc import Iterator

import pytest

from edge.config.mqtt_schema import MqttConfig
from edge.mqtt.ack_watch import AckTimes
from edge.mqtt.connection import Connection
from edge.mqtt.send_window import SendWindow
from edge.mqtt.settings import broker_settings
from edge.mqtt.suspicion import UndeliverableMessages
from edge.mqtt.types import OutgoingMessage, ProtocolVersion
from support.broker import PrivateBroker
from support.mqtt import suspended, wait_until

STATUS = OutgoingMessage("emotion-edge/cam/status", b"online", 1, retain=True)
SILENCE_SECONDS = 0.3


@pytest.fixture
def connection(broker: PrivateBroker) -> Iterator[Connection]:
    (settings,) = broker_settings(MqttConfig(url=broker.url), {})
    with Connection(settings, "cam", None, ProtocolVersion.MQTT_5) as opened:
        opened.open()
        yield opened


def window_on(connection: Connection) -> SendWindow:
    return SendWindow(connection, UndeliverableMessages(), AckTimes())


def test_broker_that_acknowledges_nothing_has_not_served_at_all(broker, connection, tmp_path) -> None:
    pid_file = tmp_path / "pid"
    pid_file.write_text(str(broker.pid))
    window = window_on(connection)
    with suspended(pid_file):
        window.publish(STATUS)
        time.sleep(SILENCE_SECONDS)
        connection.poll(0)
        assert window.served_seconds == 0


def test_broker_has_served_until_the_last_that_came_from_it(broker, connection, tmp_path) -> None:
    pid_file = tmp_path / "pid"
    pid_file.write_text(str(broker.pid))
    window = window_on(connection)
    time.sleep(SILENCE_SECONDS)
    window.publish(STATUS)

    def acknowledged() -> bool:
        connection.poll(0.1)
        return bool(window.take_acks())

    wait_until(acknowledged)
    served = window.served_seconds
    assert served >= SILENCE_SECONDS
    with suspended(pid_file):
        window.publish(STATUS)
        time.sleep(SILENCE_SECONDS)
        connection.poll(0)
        assert window.served_seconds == served
        assert window.seconds >= served + SILENCE_SECONDS


def test_connection_on_which_nothing_was_to_be_acknowledged_has_been_served(connection) -> None:
    window = window_on(connection)
    connection.ping()
    before = connection.last_received_monotonic

    def answered() -> bool:
        connection.poll(0.1)
        return connection.last_received_monotonic > before

    wait_until(answered)
    assert window.served_seconds > 0
