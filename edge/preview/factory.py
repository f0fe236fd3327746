"""Builds the page where it is asked for, and says what is missing where it cannot be."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from edge.config.schema import Config
from edge.errors import ConfigError
from edge.latency.stats import FrameStats
from edge.levels import Level
from edge.messages.payloads import EventPayload, HealthPayload, InfoPayload
from edge.sinks.base import PublishedCallback
from edge.types import StepResult

if TYPE_CHECKING:
    from edge.preview.server import PreviewServer

HealthNow = Callable[[FrameStats], HealthPayload]
"""How the sensor is now, with that meter's frames per second and latencies. Called from the page's thread."""


class NullPreview:
    """What the daemon knows of the page; as it stands here, nobody asked for one, and nothing is done.

    Calls come from the pipeline's thread and wait for nobody.
    """

    published: PublishedCallback | None = None
    """Hears of each event that was handed over, where somebody wants to know."""

    def start(self, *, live: bool) -> None:
        """Begin; `live`: the source is a camera."""

    def stop(self) -> None:
        """End; without effect where it does not run."""

    def introduce(self, info: InfoPayload) -> None:
        """Say what this sensor is; the last word counts."""

    def show(self, result: StepResult, latency_ms: float, level: Level) -> None:
        """Take a frame that was processed at a level."""

    def blank(self) -> None:
        """Show nothing until the next frame: the source is away, or the sensor looks at nothing."""

    def decided(self, payload: EventPayload) -> None:
        """Take an event that is about to be published."""


def create_preview(config: Config, health: HealthNow) -> NullPreview:
    """Return the page's server, not started; one that does nothing where it is not asked for. Raises EdgeError."""
    return _server(config, health) if config.preview.enabled else NullPreview()


def try_preview(config: Config) -> str:
    """Build all of the page and let it go again; returns where it would be. Raises EdgeError."""

    def not_running(_: FrameStats) -> HealthPayload:
        raise RuntimeError("a page that is only tried was asked for the sensor's health")

    page = _server(config, not_running)
    page.stop()
    return page.describe()


def _server(config: Config, health: HealthNow) -> "PreviewServer":
    try:
        from edge.preview.server import PreviewServer  # noqa: PLC0415 - needs packages that not every device has
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"preview.enabled (--preview) is set, and the package {error.name} is not installed: install the extra, "
            "pip install 'emotion-edge[preview]' or, in a checkout, pip install '.[preview]'"
        ) from error
    return PreviewServer(config, health)
