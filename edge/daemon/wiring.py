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
    correspondents: Sequence[MessageHandler],
    published: PublishedCallback | None,
) -> Sink:
    """Build the sink that `mqtt` asks for; `correspondents` share its connection, `published` hears of each event."""
    if not mqtt.url:
        return JsonLinesSink(stdout, published)
    # Who has no broker waits for neither paho nor TLS at the start.
    from edge.mqtt.publisher import MqttSink  # noqa: PLC0415

    return MqttSink(mqtt, device, correspondents, published)
