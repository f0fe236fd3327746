"""What `emotion-edge config` checks beyond types: files that must exist, and that parts fit."""

from collections.abc import Iterable

from edge.capture.open import create_source
from edge.capture.source import SourceOptions
from edge.config.credentials import read_password
from edge.config.schema import Config, MqttConfig
from edge.config.state_dir import outbox_file
from edge.messages.payload_builder import PayloadBuilder
from edge.mqtt.settings import broker_settings
from edge.preview.auth import preview_access as page_access
from edge.vision.classification.classifier import Classifier
from edge.vision.classification.manifest import find_model, load_manifest
from edge.vision.detection.detector import Detector


def check(config: Config) -> None:
    """Build everything that can be built without opening a camera or a connection. Raises EdgeError."""
    classifier = Classifier.from_config(config.model)
    PayloadBuilder("", classifier.labels, config.labels)
    Detector(config.detector)
    create_source(config.source.uri, SourceOptions(config.source))
    if config.mqtt.url:
        broker_settings(config.mqtt)
        outbox_file(config.mqtt, config.device.id)
    if config.preview.enabled:
        page_access(config.preview)


def check_next_start(config: Config, keys: Iterable[str]) -> None:
    """Check what the dotted `keys` of a configuration name, for a start that comes later. Raises EdgeError.

    Short of what takes a while or a process without threads: the interpreter is not tried.
    """
    tables = {key.partition(".")[0] for key in keys}
    if "model" in tables:
        PayloadBuilder("", load_manifest(find_model(config.model.name)).labels, config.labels)
    if "source" in tables:
        create_source(config.source.uri, SourceOptions(config.source))
    if tables & {"mqtt", "device"} and config.mqtt.url:
        broker_settings(config.mqtt)
        outbox_file(config.mqtt, config.device.id)
    if "preview" in tables and config.preview.enabled:
        page_access(config.preview)


def secret_note(mqtt: MqttConfig) -> str:
    """Say, as a TOML comment, whether a password was found, without showing it."""
    if not mqtt.url:
        return ""
    found = "(redacted)" if read_password(mqtt) else "none found"
    return f"\n# mqtt password: {found}\n"
