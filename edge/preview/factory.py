"""Builds the preview that the configuration asks for; imports the server only where something is served."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from edge.config.schema import Config
from edge.errors import ConfigError
from edge.latency.stats import FrameStats
from edge.messages.payloads import HealthPayload
from edge.preview.interface import HealthProvider, NullPreview
from edge.system.installation import how_to_install

if TYPE_CHECKING:
    from edge.preview.page_request import SubmitRequest
    from edge.preview.server import PreviewServer
    from edge.vision.calm_face import CalmShift


def create_preview(
    config: Config,
    health: HealthProvider,
    submit: "SubmitRequest | None" = None,
    calm_face: "Callable[[], CalmShift | None] | None" = None,
    *,
    wait_for_port: bool = False,
) -> NullPreview:
    """Return the preview for a configuration, not started: a server, or a `NullPreview` if page and probes are off.

    `submit`: hands the sensor requests of the page, such as masks and zones that were drawn. `calm_face`: returns what
    is subtracted from each reading, for the picture of the camera that is read on demand. `wait_for_port`: as of
    `PreviewServer`.

    Raises ConfigError if a package of the page is not installed, if the address, token or names cannot be used,
    and any EdgeError of loading the cascades and the model.
    """
    if not is_served(config):
        return NullPreview()
    return _create_server(config, health, submit, calm_face, wait_for_port=wait_for_port)


def is_served(config: Config) -> bool:
    """Return whether a configuration asks for the page or for the probes."""
    return config.preview.enabled or config.preview.probes


def try_preview(config: Config) -> str:
    """Build the complete preview server and release it again; returns its URL and who may open it.

    Raises as `create_preview` does.
    """

    def no_health(_: FrameStats) -> HealthPayload:
        raise RuntimeError("a preview server that was never started requested the sensor's health")

    server = _create_server(config, no_health)
    server.stop()
    return server.describe()


def _create_server(
    config: Config,
    health: HealthProvider,
    submit: "SubmitRequest | None" = None,
    calm_face: "Callable[[], CalmShift | None] | None" = None,
    *,
    wait_for_port: bool = False,
) -> "PreviewServer":
    try:
        from edge.preview.server import PreviewServer  # noqa: PLC0415 - needs packages that not every device has
    except ModuleNotFoundError as error:
        key = "preview.enabled (--preview)" if config.preview.enabled else "preview.probes"
        raise ConfigError(
            f"{key} is set, and the package {error.name} is not installed: "
            f"install what the page needs with {how_to_install('preview')}"
        ) from error
    return PreviewServer(config, health, submit, calm_face, wait_for_port=wait_for_port)
