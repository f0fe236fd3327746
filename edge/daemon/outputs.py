"""Publishes events, state, info and health: to the sink, to the preview and to Home Assistant."""

from collections.abc import Sequence

from edge.config.schema import Config
from edge.homeassistant.announcer import DiscoveryAnnouncer
from edge.levels import Level
from edge.messages.event_time import STEP_SECONDS
from edge.messages.payload_builder import STATE_SECONDS, PayloadBuilder
from edge.messages.payloads import HealthPayload, InfoPayload
from edge.preview.interface import NullPreview
from edge.sinks.base import Sink, SinkStatus
from edge.summary.recorder import NullRecorder
from edge.system.clock import SystemClock
from edge.types import Event, Frame, StepResult, TrackedFace


class Outputs:
    """Composes payloads and hands them to every output. Used by the pipeline's thread alone; never blocks.

    `announcer`: None where there is no broker, or nothing to announce to Home Assistant. `clock`: the machine's clocks.
    `recorder`: keeps the summary; by default there is none.
    """

    def __init__(  # noqa: PLR0913 - the last two have defaults
        self,
        sink: Sink,
        preview: NullPreview,
        announcer: DiscoveryAnnouncer | None,
        payloads: PayloadBuilder,
        clock: SystemClock | None = None,
        recorder: NullRecorder | None = None,
    ) -> None:
        self._sink = sink
        self._preview = preview
        self._announcer = announcer
        self._payloads = payloads
        self._state_due_seconds = 0.0
        self._recorder = recorder or NullRecorder()
        self._clock = clock or SystemClock()
        self._empty_state: tuple[bool, float] | None = None  # paused, and the clock's offset, of the state if empty
        self.events = 0
        """Events that were handed to the sink."""

    def status(self) -> SinkStatus:
        """Return the state of the sink now."""
        return self._sink.status()

    def start(self, *, live: bool, real_time: bool = True) -> None:
        """Start sink and preview; `live`: the source is a camera. May raise BrokerError or ConfigError.

        Where frames do not come in `real_time`, no summary is kept: its hours would be none.
        """
        self._sink.start()
        self._preview.start(live=live)
        if not real_time:
            self._recorder = NullRecorder()
        self._recorder.start()

    def publish_info(self, info: InfoPayload) -> None:
        """Publish the description of this sensor."""
        self._sink.info(info)
        self._preview.set_info(info)
        if self._announcer is not None:
            self._announcer.describe(info)

    def publish_events(self, events: Sequence[Event]) -> None:
        """Publish events in their order."""
        self.events += len(events)
        self._recorder.events(events)
        for event in events:
            payload = self._payloads.event(event)
            self._preview.event_decided(payload)
            self._sink.event(payload, event.frame.captured_monotonic)

    def show_frame(self, result: StepResult, latency_ms: float, level: Level) -> None:
        """Show a processed frame on the preview."""
        self._preview.show(result, latency_ms, level)

    def publish_state_if_due(self, result: StepResult) -> None:
        """Publish the faces in view after an event, and at least every STATE_SECONDS while there is a face."""
        if result.events or (result.faces and result.frame.seconds >= self._state_due_seconds):
            self._state_due_seconds = result.frame.seconds + STATE_SECONDS
            self._publish_state(result.faces, result.frame, paused=False)

    def publish_empty_state(self, *, paused: bool) -> None:
        """Publish that no face is in view."""
        self._publish_state((), None, paused=paused)

    def clear_preview(self) -> None:
        """Show no frame on the preview until the next one is processed."""
        self._preview.blank()

    def publish_health(self, health: HealthPayload) -> None:
        """Publish the health of the sensor, and the state again where its time is that of a clock before it was set."""
        self._sink.health(health)
        if self._empty_state is not None:
            paused, offset = self._empty_state
            # A state with faces is published each second anyway.
            if abs(self._clock.read().offset - offset) >= STEP_SECONDS:
                self._publish_state((), None, paused=paused)

    def configure_summary(self, config: Config) -> None:
        """Use another configuration for the summary from now on."""
        self._recorder.set_rules(config)

    def use_labels(self, labels: Sequence[str], config: Config) -> None:
        """Use the labels of another model from now on, in the summary and for pictures on the page."""
        self._recorder.use_labels(labels)
        self._preview.use_model(config)

    def count_time(self, *, looking: bool) -> None:
        """Count the time since the last call for the summary, and publish that when a minute is over.

        `looking`: whether there are pictures from now on.
        """
        if self._recorder.tick(looking=looking):
            self.publish_summary()

    def publish_summary(self) -> None:
        """Publish the summary as it is now."""
        payload = self._recorder.payload()
        if payload is not None:
            self._sink.summary(payload)
            if self._preview.wants_hours:
                self._preview.set_hours(self._recorder.shown_hours())

    def finish_summary(self) -> None:
        """Publish the summary for the last time, and put it on the disk."""
        self.publish_summary()
        self._recorder.finish()

    def drained(self) -> bool:
        """Return whether every event is acknowledged or dropped."""
        return self._sink.drained()

    def stop_preview(self) -> None:
        """Stop the preview; without effect where it does not run."""
        self._preview.stop()

    def close(self, drain_seconds: float) -> bool:
        """End, waiting at most `drain_seconds` for acknowledgements; returns whether no event is lost."""
        return self._sink.close(drain_seconds)

    def abort(self) -> bool:
        """End without a clean disconnection, so that the broker publishes `offline`; returns as `close`."""
        return self._sink.abort()

    def _publish_state(self, faces: Sequence[TrackedFace], frame: Frame | None, *, paused: bool) -> None:
        now = self._clock.read()
        self._empty_state = None if faces else (paused, now.offset)
        self._recorder.state(faces)
        self._sink.state(self._payloads.state(faces, frame if faces else None, now.unix, paused=paused))
