from collections.abc import Callable, Iterator

import pytest

from edge.brokerproc import PrivateBroker
from edge.config import MqttConfig
from edge.mqtt.publisher import MqttSink


@pytest.fixture
def make_sink() -> Iterator[Callable[..., MqttSink]]:
    sinks = []

    def make(broker: PrivateBroker, **settings: object) -> MqttSink:
        sink = MqttSink(MqttConfig(url=broker.url, reconnect_max_seconds=1.0, **settings), "cam")  # type: ignore[arg-type]
        sinks.append(sink)
        return sink

    yield make
    for sink in sinks:
        sink.close(0.0)
