"""Checks a configuration beyond its types: that its files exist and that its parts fit each other."""

import logging
import re
from collections.abc import Collection, Iterable
from typing import Final

import msgspec
import numpy as np

from edge.capture.lit_source import indicator_light
from edge.capture.masks import Masks, masks_warning
from edge.capture.open import create_source
from edge.capture.source import SourceOptions
from edge.config.schema import Config
from edge.config.state_dir import outbox_file
from edge.daemon.cascade_trial import cascade_findings
from edge.daemon.finder_trial import finder_findings
from edge.daemon.model_trial import warn_of_useless_model
from edge.desired.needs import check_desired_use
from edge.errors import CascadeError, DetectorError, SourceError
from edge.messages.payload_builder import PayloadBuilder
from edge.mqtt.settings import broker_settings
from edge.preview.auth import preview_access
from edge.preview.factory import is_served
from edge.types import Frame
from edge.vision.classification.classifier import Classifier
from edge.vision.classification.manifest import configured_model, load_manifest
from edge.vision.detection.detector import Detector
from edge.vision.detection.finders.create import create_finder

log = logging.getLogger(__name__)

_CAMERA: Final = re.compile(r"auto:|picamera:|v4l2:|/dev/video|[0-9]+$", re.IGNORECASE | re.ASCII)
"""Sources that are requested to give frames of `source.width` by `source.height`; of others the size is not known."""


def check(config: Config) -> None:
    """Build every part that needs neither an open camera nor a connection. Raises EdgeError."""
    classifier = Classifier.from_config(config.model)
    log_missing_weights(PayloadBuilder("", classifier.labels, config.labels, config.valence))
    for sentence in cascade_findings(config.detector):
        raise CascadeError(sentence)
    for sentence in finder_findings(create_finder(config.detector, still=False)):
        raise DetectorError(sentence)
    _warn_of_search_limit(config)
    _warn_of_masks(config)
    warn_of_useless_model(classifier, config.events)
    check_next_start(config, ("source", "mqtt", "preview", "indicator"))
    warn_of_old_names(config)
    check_desired_use(config)


def warn_of_old_names(config: Config) -> None:
    """Log where a key is set that another one has replaced."""
    if config.mqtt.fallback_urls and not config.mqtt.urls:
        log.warning(
            "mqtt.fallback_urls is replaced by mqtt.urls, which holds all addresses, that of mqtt.url first; it still "
            "works in this version"
        )


def log_missing_weights(payloads: PayloadBuilder) -> None:
    """Log where a label of the model has no weight for valence.

    A model of other things than expressions has none at all, and its user need not be warned.
    """
    weights = payloads.weights
    finding = weights.finding()
    if finding is not None:
        log.log(logging.WARNING if weights.partly else logging.INFO, "%s", finding)


def _warn_of_search_limit(config: Config) -> None:
    """Log where smaller faces are asked for than can be found; a camera gives the size that is requested of it."""
    if not _CAMERA.match(config.source.uri):
        return
    sentence = Detector(msgspec.structs.replace(config.detector, kind="haar")).search_limit(
        (config.source.height, config.source.width)
    )
    if sentence is not None:
        log.warning("%s", sentence)


def _warn_of_masks(config: Config) -> None:
    """Log where the masks leave nothing of the picture; its size makes no difference."""
    blank = np.zeros((config.source.height, config.source.width), np.uint8)
    warning = masks_warning(Masks(config.masks.values()).apply(Frame(0, 0.0, blank, 0.0, 0.0)))
    if warning is not None:
        log.warning("%s", warning)


def check_settings(config: Config, tables: Collection[str]) -> None:
    """Try the tables that requests have set beyond their types. Raises EdgeError, which begins with a key of them.

    A file that a setting needs may be gone, and a label may be none of the model's any more; that must not keep the
    sensor from starting (`edge.config.settings`).
    """
    if {"labels", "valence"} & set(tables):
        _check_labels(config)
    if "detector" in tables:
        Detector(config.detector)


def _check_labels(config: Config) -> None:
    """Raise EdgeError where groups or weights name a label that the model does not have."""
    PayloadBuilder("", load_manifest(configured_model(config.model)).labels, config.labels, config.valence)


def check_next_start(config: Config, keys: Iterable[str]) -> None:
    """Check the tables of the dotted `keys`, as the next start would. Raises EdgeError.

    Tables that are not named are in force already, and are not checked: a camera may be away for the moment. The
    interpreter is not tried: that takes long, and some interpreters need a process without other threads.
    """
    tables = {key.partition(".")[0] for key in keys}
    if "model" in tables:
        _check_labels(config)
    if "source" in tables:
        try:
            create_source(config.source.uri, SourceOptions(config.source))
        except SourceError as error:
            raise SourceError(f"source.uri: {error}") from error
    if tables & {"mqtt", "device"} and config.mqtt.url:
        broker_settings(config.mqtt)
        outbox_file(config.mqtt, config.device.id)
    light = indicator_light(config.indicator) if "indicator" in tables else None
    if light is not None:
        light.check()
    if "preview" in tables and is_served(config):
        preview_access(config.preview)
