"""Defines the preview as the daemon sees it, and the implementation for a sensor whose page is off."""

from collections.abc import Callable, Sequence

from edge.config.schema import Config
from edge.latency.stats import FrameStats
from edge.levels import Level
from edge.messages.payloads import EventPayload, HealthPayload, InfoPayload
from edge.messages.summary import PeriodSummary
from edge.sinks.base import PublishedCallback
from edge.types import StepResult

HealthProvider = Callable[[FrameStats], HealthPayload]
"""Returns the sensor's health now, with frames per second and latencies of the given statistics.

The preview calls it from its own threads.
"""


class NullPreview:
    """The preview while the page is off: every method does nothing.

    `PreviewServer` overrides all of it. Except for `start` and `stop`, methods are called from the pipeline's thread
    and must not block.
    """

    wants_hours = False
    """Whether the summaries of the last hours are shown; they take some milliseconds to make."""
    event_published: PublishedCallback | None = None
    """Takes the payload of each event that was handed to the reader or broker; None where the page is off."""

    def start(self, *, live: bool) -> None:
        """Start serving. `live`: the source is a camera, not a file."""

    def stop(self) -> None:
        """Stop serving. Has no effect if it was not started."""

    def set_info(self, info: InfoPayload) -> None:
        """Replace the description of the sensor."""

    def use_model(self, config: Config) -> None:
        """Read pictures on demand with another model from now on. `config`: names it, and the groups of its labels."""

    def set_hours(self, hours: Sequence[PeriodSummary]) -> None:
        """Replace the summaries of the last hours, oldest first."""

    def show(self, result: StepResult, latency_ms: float, level: Level) -> None:
        """Show a processed frame. `level`: the degradation level at which it was processed."""

    def blank(self) -> None:
        """Remove the picture until the next frame: the source is gone, or capture is paused."""

    def event_decided(self, payload: EventPayload) -> None:
        """Show an event that is about to be published."""
