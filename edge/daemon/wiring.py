"""Builds the sink that the configuration asks for."""

from collections.abc import Sequence
from typing import TextIO

from edge.config.schema import MqttConfig
from edge.mqtt.handlers import MessageHandler
from edge.sinks.base import PublishedCallback, Sink
from edge.sinks.jsonlines import JsonLinesSink


def make_sink(
    mqtt: MqttConfig,
    device: str,
    stdout: TextIO,
    handlers: Sequence[MessageHandler],
    published: PublishedCallback | None,
) -> Sink:
    """Build the sink that `mqtt` asks for; `handlers` share its connection, `published` gets each published event."""
    if not mqtt.url:
        return JsonLinesSink(stdout, published)
    # Without a broker the start does not wait for the import of paho and TLS.
    from edge.mqtt.sink import MqttSink  # noqa: PLC0415

    return MqttSink(mqtt, device, handlers, published)
