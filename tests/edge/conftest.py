from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.commands.demo_broker import PrivateBroker
from edge.config.schema import MqttConfig
from edge.mqtt.publisher import MqttSink


@pytest.fixture
def make_sink(tmp_path: Path) -> Iterator[Callable[..., MqttSink]]:
    """Makes sinks, each with an outbox of its own where nothing else is said; stops them after the test."""
    sinks = []

    def make(broker: PrivateBroker, *correspondents: object, **settings: object) -> MqttSink:
        defaults = {"reconnect_max_seconds": 1.0, "outbox_directory": str(tmp_path / f"outbox-{len(sinks)}")}
        sink = MqttSink(MqttConfig(url=broker.url, **(defaults | settings)), "cam", correspondents)  # type: ignore[arg-type]
        sinks.append(sink)
        return sink

    yield make
    for sink in sinks:
        sink.close(0.0)
