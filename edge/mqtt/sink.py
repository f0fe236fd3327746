"""Implements the MQTT sink: takes events and retained payloads from the pipeline, never waits for the network.

Its methods only store a payload and wake the publisher's thread, the only one that uses a connection.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from msgspec import structs

from edge.config.mqtt_schema import MqttConfig
from edge.config.state_dir import outbox_file, run_record_file
from edge.messages.payloads import EventPayload, HealthPayload, InfoPayload, StatePayload, encode
from edge.messages.summary import SummaryPayload
from edge.messages.topics import OFFLINE, Kind, Topics
from edge.mqtt.connector import Connector
from edge.mqtt.handlers import MessageHandler
from edge.mqtt.outbox.outbox import Outbox
from edge.mqtt.outbox.retained import RetainedPayloads
from edge.mqtt.outbox.run_record import RunRecordFile
from edge.mqtt.outbox.store import Store
from edge.mqtt.outbox.writer import OutboxWriter
from edge.mqtt.publish_loop import SensorOutput
from edge.mqtt.publisher import Publisher
from edge.mqtt.settings import Timing, broker_settings, reconnect_backoff, sensor_client_id
from edge.mqtt.types import OutgoingMessage
from edge.sinks.base import PublishedCallback, SinkStatus

_LOG: Final = logging.getLogger(__name__)

_START_MARGIN_SECONDS: Final = 1.0
"""`start` waits this much longer for the broker's decision than a TCP connection may take."""

_LARGEST_BYTES: Final = 65_536
"""Longest packet that the broker may send to the sensor: far more than any request needs, and little for a small
board."""


class MqttSink:
    """Publishes to the broker that `mqtt` describes, as `device`. Thread-safe.

    Unless configured, the client id is made of the device id alone, without a random part: when a device comes back
    after a power cut, the broker drops the dead connection at once and publishes its will before the new `online`. With
    a new id each time the will would be published when the keepalive of the dead connection ends, and would mark a
    running sensor as offline for good.

    An event is accepted once the broker has acknowledged it or the disk holds it. `event` waits for neither: with a
    connection the acknowledgement comes within milliseconds, without one the writer's thread writes at once.

    `handlers` share the connection. `published` is called with each event payload that was published.

    Raises ConfigError (from the constructor) for a configuration that cannot be used.
    """

    def __init__(
        self,
        mqtt: MqttConfig,
        device: str,
        handlers: Sequence[MessageHandler] = (),
        published: PublishedCallback | None = None,
        timing: Timing | None = None,
    ) -> None:
        timing = timing or Timing()
        topics = Topics(mqtt.base_topic, device)
        will = OutgoingMessage(topics.status, OFFLINE.encode(), 1, retain=True)
        brokers = [replace(each, connect_seconds=timing.connect_seconds) for each in broker_settings(mqtt)]
        self._start_seconds = timing.connect_seconds + _START_MARGIN_SECONDS
        clock = timing.clock
        self._outbox = Outbox(
            mqtt,
            published,
            clock,
            late_seconds=timing.late_seconds,
            record_file=RunRecordFile(run_record_file(mqtt, device)),
        )
        self._info: InfoPayload | None = None
        self._retained = RetainedPayloads()
        self._file = outbox_file(mqtt, device)
        self._writer = (
            OutboxWriter(
                self._outbox,
                Store(self._file, machine_boot=clock.machine_boot),
                clock=clock,
                on_taken_over=self._publish_info,
            )
            if self._file
            else None
        )
        self._kept_reported = False
        self._publisher = Publisher(
            Connector(
                brokers,
                sensor_client_id(mqtt, device),
                will,
                largest_bytes=_LARGEST_BYTES,
                return_seconds=mqtt.return_seconds,
            ),
            SensorOutput(topics, self._outbox, self._retained),
            handlers,
            reconnect_backoff(mqtt.reconnect_max_seconds, first_seconds=timing.first_wait_seconds),
            timing,
        )

    def status(self) -> SinkStatus:
        """Return the state of the connection, the outbox and the publisher's thread now."""
        problem = self._writer.problem if self._writer else None
        return SinkStatus(
            broker="connected" if self._outbox.connected else "disconnected",
            outbox_depth=self._outbox.depth,
            outbox_dropped=self._outbox.dropped,
            messages_refused=self._publisher.messages_refused,
            outbox_durable=self._writer is not None and problem is None,
            outbox_problem=problem,
            failure=self._publisher.failure,
            beat_monotonic=self._publisher.beat_monotonic,
        )

    def start(self) -> None:
        """Take over the events that wait on disk and connect; wait some seconds for the outcome.

        A broker that is not there yet is tried again later; meanwhile events go to the outbox. Raises ConfigError
        where another sensor uses the same outbox. Raises BrokerError for what another attempt would not change
        (`edge.mqtt.failures`), as long as no broker has ever accepted this sensor: unknown host, refused credentials,
        an unknown authority. Where that shows only later, it becomes the `failure`.
        """
        if self._writer is not None:
            self._writer.start()
        else:
            self._outbox.take_over()
            self._publish_info()
        self._outbox.start_record()
        self._publisher.start()
        self._publisher.wait_for_acceptance(self._start_seconds)
        if self._publisher.failure is not None:
            raise self._publisher.failure

    def event(self, payload: EventPayload, captured_monotonic: float) -> None:
        """Add an event to the outbox. Raises ValueError where its `seq` does not grow."""
        self._outbox.add(payload, captured_monotonic)
        self._outbox.report_overflow()
        self._publisher.wake()

    def info(self, payload: InfoPayload) -> None:
        """Retain the description of this sensor, with what is known of the boots before (from `start` on)."""
        self._info = payload
        self._outbox.begin_boot(payload.boot_id)
        self._publish_info()

    def state(self, payload: StatePayload) -> None:
        """Retain the faces in view."""
        self._retain("state", encode(payload))

    def health(self, payload: HealthPayload) -> None:
        """Retain the health of the sensor."""
        self._retain("health", encode(payload))

    def summary(self, payload: SummaryPayload) -> None:
        """Retain the summary of hour and day."""
        self._retain("summary", encode(payload))

    def drained(self) -> bool:
        """Return whether every event is acknowledged or dropped."""
        return self._outbox.depth == 0

    def close(self, drain_seconds: float) -> bool:
        """Deliver what is left within `drain_seconds` (may be infinite), retain `stopped`, disconnect.

        A broker that is away is tried again until then, as long as an event waits. True if nothing is lost: what is
        not acknowledged is on disk, for the next start. A second call, from any thread, can only shorten the time of
        the first.
        """
        self._publisher.stop(drain_seconds)
        return self._save_outbox()

    def abort(self) -> bool:
        """End without `stopped` and DISCONNECT, for a process that is about to fail; True if nothing is lost."""
        return self._save_outbox()

    def _publish_info(self) -> None:
        if self._info is not None:
            self._retain("info", encode(structs.replace(self._info, previous_boots=self._outbox.previous_boots)))

    def _retain(self, kind: Kind, payload: bytes) -> None:
        self._retained.set(kind, payload)
        self._publisher.wake()

    def _save_outbox(self) -> bool:
        """Put on disk what is not acknowledged; True if nothing is left that would be lost."""
        if self._writer is None:
            self._outbox.end_record()
            return self.drained()
        saved = self._writer.finish()
        self._outbox.end_record()
        depth = self._outbox.depth
        if saved and depth and not self._kept_reported:
            self._kept_reported = True
            _LOG.warning(
                "%d event(s) are not acknowledged yet; they are kept in %s for the next start", depth, self._file
            )
        return saved
