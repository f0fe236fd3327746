"""Builds the sensor: creates its parts from the configuration and connects them. Starts none of them.

    capture -> pipeline (detect, track, classify) -> outputs -> sink (MQTT or JSON Lines), preview, Home Assistant

`edge.daemon.daemon` moves each frame along this path.
"""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TextIO

import cv2

from edge.capture.capture import Capture
from edge.capture.lit_source import indicator_light, with_light
from edge.capture.masks import Masks
from edge.capture.open import create_source, source_creator
from edge.capture.reconnect import ReconnectPolicy
from edge.capture.source import Source, SourceOptions
from edge.capture.stall import StallLimit
from edge.config.areas import in_frame
from edge.config.mqtt_schema import MqttConfig
from edge.config.schema import Config
from edge.control.calm_face import CalmFace, create_calm_face
from edge.control.handler import RequestHandler, create_request_handler
from edge.control.settings import Settings
from edge.daemon.cascade_trial import warn_of_unfit_cascades
from edge.daemon.check import log_missing_weights, warn_of_old_names
from edge.daemon.finder_trial import warn_of_unfit_finder
from edge.daemon.health import HealthReporter
from edge.daemon.model_trial import warn_of_useless_model
from edge.daemon.outputs import Outputs
from edge.daemon.run_log import RunLog
from edge.desired.desired import Desired
from edge.homeassistant.announcer import create_announcer
from edge.latency.governor import Governor
from edge.latency.stats import FrameStats
from edge.messages.payload_builder import PayloadBuilder
from edge.messages.payloads import HealthPayload
from edge.mqtt.handlers import MessageHandler
from edge.preview.factory import create_preview
from edge.sinks.base import PublishedCallback, Sink
from edge.sinks.jsonlines import JsonLinesSink
from edge.summary.recorder import create_recorder
from edge.system import board
from edge.system.led import IndicatorLight
from edge.vision.classification.classifier import Classifier
from edge.vision.detection.detector import Detector
from edge.vision.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Components:
    """The parts of one sensor, connected but not started. `boot_id` is new for each start of the program."""

    device: str
    boot_id: str
    capture: Capture
    governor: Governor
    classifier: Classifier
    pipeline: Pipeline
    payloads: PayloadBuilder
    outputs: Outputs
    requests: RequestHandler
    stats: FrameStats
    health: HealthReporter
    run_log: RunLog
    light: IndicatorLight | None = None
    calm_face: CalmFace | None = None
    desired: Desired | None = None


def build_components(  # noqa: PLR0913 - most have defaults
    config: Config,
    *,
    fast: bool,
    stdout: TextIO,
    source_factory: Callable[[str, SourceOptions], Source] = create_source,
    run_log: RunLog | None = None,
    settings: Settings | None = None,
    wait_for_port: bool = False,
    desired: Desired | None = None,
) -> Components:
    """Build every part of the sensor. Raises EdgeError where one cannot be built.

    `fast`: a file is processed as fast as possible. `stdout`: takes events where no broker is configured. `run_log`:
    by default one that is not for a terminal. `settings`: what requests have set, by default nothing. `wait_for_port`:
    as of `PreviewServer`. `desired`: follows the fleet's documents, by default nothing does.
    """
    # The interpreter has threads of its own; two pools on four cores cost more than they give.
    cv2.setNumThreads(1)
    device = board.device_id(config.device.id)
    boot_id = secrets.token_hex(8)

    classifier = Classifier.from_config(config.model)
    warn_of_useless_model(classifier, config.events)
    warn_of_unfit_cascades(config.detector)
    payloads = PayloadBuilder(boot_id, classifier.labels, config.labels, config.valence)
    log_missing_weights(payloads)
    warn_of_old_names(config)
    payloads.set_zones(in_frame(config.zones, config.source))
    detector = Detector(config.detector)
    warn_of_unfit_finder(detector.finder)
    pipeline = Pipeline(config, detector, classifier)

    def preview_health(stats: FrameStats) -> HealthPayload:
        # The preview calls this only once it runs; by then `health`, which is built below, exists.
        return health.report(time.monotonic(), stats)

    announcer = create_announcer(config, device) if config.mqtt.url else None
    requests = create_request_handler(config, device, settings)
    calm_face = requests.calm_face = create_calm_face(config, device, classifier.manifest)
    preview = create_preview(
        config, preview_health, requests.submit, lambda: calm_face.shift, wait_for_port=wait_for_port
    )
    handlers = [handler for handler in (announcer, requests, desired) if handler is not None]
    sink = create_sink(config.mqtt, device, stdout, handlers, preview.event_published)
    recorder = create_recorder(config, device, classifier.labels, payloads.valence)
    outputs = Outputs(sink, preview, announcer, payloads, recorder=recorder)

    stall = StallLimit(config.source.stall_seconds, config.source.fps)
    options = SourceOptions(config.source, colour=classifier.wants_colour, stall=stall)
    light = indicator_light(config.indicator)
    capture = Capture(
        source_creator(config, lambda uri: with_light(source_factory(uri, options), light)),
        fast=fast,
        policy=ReconnectPolicy(config.source.stall_seconds),
        stall=stall,
        masks=Masks(config.masks.values(), config.source),
    )
    calm_face.attach(pipeline, lambda: capture.state)
    governor = Governor(config.budget.latency_ms)
    stats = FrameStats(time.monotonic())
    health = HealthReporter(config, capture, stats, governor, sink)
    return Components(
        device=device,
        boot_id=boot_id,
        capture=capture,
        governor=governor,
        classifier=classifier,
        pipeline=pipeline,
        payloads=payloads,
        outputs=outputs,
        requests=requests,
        stats=stats,
        health=health,
        run_log=run_log or RunLog(terminal=False, source_given=True),
        light=light,
        calm_face=calm_face,
        desired=desired,
    )


def create_sink(
    mqtt: MqttConfig,
    device: str,
    stdout: TextIO,
    handlers: Sequence[MessageHandler],
    published: PublishedCallback | None,
) -> Sink:
    """Create the sink that `mqtt` configures: MQTT, or JSON Lines on `stdout` without a broker.

    `handlers` share the connection to the broker. `published` is called with each event that was handed over.
    """
    if not mqtt.url:
        return JsonLinesSink(stdout, published)
    # Without a broker the start does not wait for paho and TLS to load.
    from edge.mqtt.sink import MqttSink  # noqa: PLC0415

    return MqttSink(mqtt, device, handlers, published)
