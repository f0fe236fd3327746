"""Switches a running sensor to what the fleet wants, between two frames: settings as a reload does, and the model."""

import logging
from dataclasses import dataclass, replace

import msgspec

from edge.config.schema import Config
from edge.control.settings import Settings
from edge.daemon.check import log_missing_weights
from edge.daemon.reload import ConfigDiff, diff_configs, prepare
from edge.daemon.wiring import Components
from edge.desired.desired import Desired
from edge.desired.preparation import Offer
from edge.messages.payload_builder import PayloadBuilder
from edge.vision.classification.classifier import Classifier
from edge.vision.detection.detector import Detector

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Switch:
    """A switch of which everything that can fail is done. `classifier`: None where the model stays."""

    diff: ConfigDiff
    detector: Detector | None
    classifier: Classifier | None


def prepare_switch(in_force: Config, offer: Offer, parts: Components, desired: Desired, settings: Settings) -> Switch:
    """Do all that can fail before a switch. Raises EdgeError, and has changed nothing then.

    `in_force`: the running configuration. `settings.accept` brings what requests have set into force with it.
    """
    wanted = settings.offer(desired.offered(offer))
    diff = diff_configs(in_force, wanted)
    classifier = offer.classifier
    if classifier is None:
        return Switch(diff, prepare(diff, parts.payloads), None)
    # Groups and weights are those of the new labels: the builder in use would refuse them.
    PayloadBuilder("", classifier.labels, wanted.labels, wanted.valence)
    detector = Detector(wanted.detector) if diff.touches("detector") else None
    model = msgspec.structs.replace(diff.config.model, name=offer.model)
    config = msgspec.structs.replace(diff.config, model=model)
    return Switch(replace(diff, config=config), detector, classifier)


def use_classifier(parts: Components, classifier: Classifier, config: Config) -> Components:
    """Have every part that knows the labels use another classifier, as a start would; returns the parts."""
    # With the labels of the model before, which they were read with.
    parts.outputs.publish_events(parts.pipeline.use(classifier))
    parts.payloads.use_labels(classifier.labels, config.labels, config.valence)
    log_missing_weights(parts.payloads)
    parts.outputs.use_labels(classifier.labels, config)
    if parts.calm_face is not None:
        parts.calm_face.use(classifier.manifest)
        parts.calm_face.log_kept()
    log.info("classifying with the model %s from the next frame on", classifier.manifest.name)
    return replace(parts, classifier=classifier)
