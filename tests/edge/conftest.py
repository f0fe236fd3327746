from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.config.mqtt_schema import MqttConfig
from edge.mqtt.handlers import MessageHandler
from edge.mqtt.settings import Timing
from edge.mqtt.sink import MqttSink
from support.broker import PrivateBroker


@pytest.fixture
def make_sink(tmp_path: Path) -> Iterator[Callable[..., MqttSink]]:
    """Make sinks, each with an outbox folder of its own unless the settings name one; close them after the test."""
    sinks = []

    def make(
        broker: PrivateBroker, *handlers: MessageHandler, timing: Timing | None = None, **settings: object
    ) -> MqttSink:
        defaults = {"reconnect_max_seconds": 1.0, "outbox_directory": str(tmp_path / f"outbox-{len(sinks)}")}
        mqtt = MqttConfig(url=broker.url, **(defaults | settings))  # type: ignore[arg-type]
        sink = MqttSink(mqtt, "cam", handlers, timing=timing)
        sinks.append(sink)
        return sink

    yield make
    for sink in sinks:
        sink.close(0.0)
