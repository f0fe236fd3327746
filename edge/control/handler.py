"""Receives requests from the broker, executes them between two frames, and publishes the responses.

The publisher's thread checks a request and puts it into a queue, the pipeline's thread executes it. Neither waits for
the other, and a flood of requests costs the pipeline only the time to drop them.
"""

import logging
import queue
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Final, Protocol

from edge.config.keys import redacted_config
from edge.config.mqtt_schema import RequestsConfig
from edge.config.schema import Config
from edge.config.settings import shown_setting
from edge.config.state_dir import pause_file
from edge.control.calm_face import CalmFace
from edge.control.pause_file import PauseFile
from edge.control.protocol import (
    RefusedError,
    Request,
    ResponseTarget,
    parse_request,
    request_of,
    response_targets,
)
from edge.control.settings import Settings, SettingsChange, without_settings
from edge.errors import ConfigError, EdgeError
from edge.logs.outage import LogQuota
from edge.messages.calm_face import CalmFaceInfo
from edge.messages.payload_builder import timestamp
from edge.messages.payloads import HealthPayload, Setting, encode
from edge.messages.request import NAMES, Name
from edge.messages.response import ResponsePayload
from edge.messages.topics import Topics
from edge.mqtt.handlers import Publish
from edge.mqtt.types import OutgoingMessage, ReceivedMessage
from edge.pacing import TokenBucket

_LOG: Final = logging.getLogger(__name__)

_BURST_SECONDS: Final = 2.0
"""Seconds' worth of requests that may arrive at once: a dashboard that opens sends one of each."""
_MAX_PENDING: Final = 32
"""Requests that wait for the pipeline's thread; there are this many only while it is blocked."""
_FLOOD_RESPONSE_SECONDS: Final = 5.0
"""Interval of responses to requests beyond the limit; the others are dropped without one."""
_FLOOD_LOG_SECONDS: Final = 3600.0
_MOST_SETTINGS_LOGS: Final = 20
"""Maximum number of changed settings, and of refused calm faces, logged within an hour: every client of the broker may
send such requests where allowed."""
_Respond = Callable[[ResponsePayload], object]


class Sensor(Protocol):
    """The sensor as requests see and change it. Used by the pipeline's thread alone."""

    @property
    def paused(self) -> bool:
        """Whether capture is paused."""

    def set_paused(self, paused: bool) -> None:  # noqa: FBT001 - the name states the meaning
        """Pause or resume capture. Raises EdgeError if that is not possible."""

    def report(self) -> HealthPayload:
        """Return the sensor's health, at most a second old."""

    def apply_settings(self, change: SettingsChange) -> Config:
        """Store a change and bring it into force; returns the configuration then.

        Raises EdgeError where that is not possible, and changes nothing.
        """


class RequestHandler:
    """Handles requests to the device of `topics`, as a `MessageHandler`.

    `pause_file`: where a pause is stored. `clock`: as `time.monotonic`. `settings`: what requests have set, by default
    nothing that is stored. If requests are disabled in the configuration, it subscribes to nothing.
    """

    def __init__(
        self,
        config: RequestsConfig,
        topics: Topics,
        pause_file: PauseFile,
        clock: Callable[[], float] = time.monotonic,
        settings: Settings | None = None,
    ) -> None:
        self.pause_file = pause_file
        self.settings = settings or without_settings(Config(requests=config))
        self._settings_logs = LogQuota(_MOST_SETTINGS_LOGS)
        self._refused_looks = LogQuota(_MOST_SETTINGS_LOGS)
        self.calm_face: CalmFace | None = None
        """The calm face of this place, which the sensor sets; without it none can be shown."""
        self._looking: tuple[Request, _Respond] | None = None
        self._topics = topics
        self._enabled = config.enabled
        self._per_second = config.per_second
        self._clock = clock
        self._limit = TokenBucket(config.per_second, max(1, round(_BURST_SECONDS * config.per_second)), clock)
        self._pending: queue.Queue[tuple[Request, _Respond]] = queue.Queue(_MAX_PENDING)
        self._retained_logged = False
        self._dropped = 0
        self._flood_answered_at: float | None = None
        self._flood_logged_at: float | None = None

    @property
    def filters(self) -> Sequence[str]:
        """Topic filter of all requests to this sensor; none if requests are disabled."""
        return (self._topics.requests,) if self._enabled else ()

    @property
    def exact_filters(self) -> Sequence[str]:
        """Topic of each request, for a broker that takes no wildcards; see `NamesTopics`."""
        return [self._topics.request(name) for name in NAMES] if self._enabled else []

    def connected(self, publish: Publish) -> None:
        """Do nothing: this handler publishes responses only."""

    def received(self, message: ReceivedMessage, publish: Publish) -> None:
        """Check a request and queue it for `process_pending`, or publish why it is refused."""
        if message.retained:
            # The broker may have stored it years ago.
            if not self._retained_logged:
                self._retained_logged = True
                _LOG.warning("retained request on %r ignored: publish requests without the retain flag", message.topic)
            return
        if not self._limit.take():
            self._drop(message, publish)
            return
        targets = response_targets(self._topics, message)
        try:
            request = parse_request(self._topics, message)
            self._enqueue(request, partial(_publish_response, targets, publish))
        except RefusedError as error:
            _LOG.debug("request on %r refused: %s", message.topic, error)
            _publish_response(targets, publish, _refusal(str(error), error.transaction))

    def submit(self, name: Name, fields: Mapping[str, Any]) -> "Future[ResponsePayload]":
        """Queue a request that comes from the preview page; the response follows. Thread-safe.

        `fields`: those of the payload.
        """
        response: Future[ResponsePayload] = Future()
        # From here on nobody can cancel it: whoever stops waiting must not stop the pipeline, which sets the result.
        response.set_running_or_notify_cancel()
        try:
            self._enqueue(request_of(name, fields), response.set_result)
        except RefusedError as error:
            response.set_result(_refusal(str(error), None))
        return response

    def process_pending(self, sensor: Sensor, config: Config) -> None:
        """Execute the queued requests and publish their responses. Call it in the pipeline's thread.

        `config`: the configuration that is in force.
        """
        if self._looking is not None:
            request, respond = self._looking
            self._answer(request, respond, lambda: self._finish_look(request, sensor))
        while True:
            try:
                request, respond = self._pending.get_nowait()
            except queue.Empty:
                return
            if request.calibrate:
                self._answer(request, respond, partial(self._start_look, request, respond))
            else:
                self._answer(request, respond, partial(self._execute, request, sensor, config))

    def _answer(self, request: Request, respond: _Respond, execute: Callable[[], ResponsePayload | None]) -> None:
        """Execute a request, or a part of it, and respond to it, unless it is not complete yet."""
        try:
            response = execute()
        except Exception as error:  # noqa: BLE001 - a failed request must not end the pipeline
            _LOG.exception("request %s failed", request.name)
            response = _refusal(f"the request failed in the sensor ({type(error).__name__})", request.transaction)
        if response is not None:
            respond(response)

    def _start_look(self, request: Request, respond: _Respond) -> ResponsePayload | None:
        """Begin to look for a calm face; the response follows once that has ended."""
        try:
            self._calm_face().start()
        except EdgeError as error:
            return self._refused_look(request, error)
        self._looking = request, respond
        return None

    def _finish_look(self, request: Request, sensor: Sensor) -> ResponsePayload | None:
        """Return the response to `calibrate` where the look has ended."""
        self._looking, looking = None, self._looking
        calm_face = self._calm_face()
        try:
            if calm_face.finish():
                return _response(request, sensor, calm_face=calm_face.info)
        except EdgeError as error:
            return self._refused_look(request, error)
        self._looking = looking
        return None

    def _refused_look(self, request: Request, error: EdgeError) -> ResponsePayload:
        left = self._refused_looks.left(self._clock())
        if left:
            note = "; further refusals within the hour are not logged" if left == 1 else ""
            _LOG.warning("request calibrate refused: %s%s", error, note)
        return _refusal(str(error), request.transaction)

    def _calm_face(self) -> CalmFace:
        if self.calm_face is None:
            raise ConfigError("this sensor takes no calm face")
        return self.calm_face

    def _enqueue(self, request: Request, respond: _Respond) -> None:
        try:
            self._pending.put_nowait((request, respond))
        except queue.Full:
            sentence = f"the sensor is busy: {_MAX_PENDING} requests are waiting already"
            raise RefusedError(sentence, request.transaction) from None

    def _execute(self, request: Request, sensor: Sensor, config: Config) -> ResponsePayload:
        if request.paused is not None:
            # The file is removed before capture resumes and written after it is paused, so a stored
            # pause always stands for a sensor that was paused.
            if not request.paused:
                self.pause_file.set(paused=False)
            sensor.set_paused(request.paused)
            if sensor.paused is not request.paused:
                return _refusal("the source has ended and cannot be paused", request.transaction)
            self.pause_file.set(paused=request.paused)
        if request.name in {"set", "reset"}:
            try:
                config = self._change_settings(request, sensor, config)
            except EdgeError as error:
                return _refusal(str(error), request.transaction)
        if request.calibrate is False:
            try:
                self._calm_face().reset()
            except EdgeError as error:
                return _refusal(str(error), request.transaction)
        return _response(
            request,
            sensor,
            health=sensor.report() if request.name == "health" else None,
            config=redacted_config(config) if request.name == "config" else None,
            settings=self.settings.describe(config) if request.name in {"set", "reset", "config"} else None,
            calm_face=self._calm_face().info if request.name == "calibrate" else None,
        )

    def _change_settings(self, request: Request, sensor: Sensor, config: Config) -> Config:
        """Set or reset, and log what has changed; returns the configuration then. Raises EdgeError."""
        before = self.settings.describe(config)
        change = self.settings.reset(request.keys) if request.settings is None else self.settings.set(request.settings)
        config = sensor.apply_settings(change)
        changed = [(name, one) for name, one in self.settings.describe(config).items() if one != before.get(name)]
        for name, setting in changed:
            left = self._settings_logs.left(self._clock())
            if left:
                _LOG.info(
                    "%s %s by request%s",
                    shown_setting(name, setting.value),
                    "set" if setting.set else "reset to the configuration's",
                    "; further settings within the hour are not logged" if left == 1 else "",
                )
        return config

    def _drop(self, message: ReceivedMessage, publish: Publish) -> None:
        """Drop a request beyond the limit; answer and log it if the last answer and log line are old enough."""
        self._dropped += 1
        now = self._clock()
        if self._flood_answered_at is None or now - self._flood_answered_at >= _FLOOD_RESPONSE_SECONDS:
            self._flood_answered_at = now
            sentence = (
                f"too many requests: at most {self._per_second:g} per second are answered; "
                f"{self._dropped} dropped so far"
            )
            _publish_response(response_targets(self._topics, message), publish, _refusal(sentence, None))
        if self._flood_logged_at is None or now - self._flood_logged_at >= _FLOOD_LOG_SECONDS:
            self._flood_logged_at = now
            _LOG.warning(
                "request limit %g/s exceeded on %s; %d dropped so far; logged hourly at most",
                self._per_second,
                message.topic,
                self._dropped,
            )


def create_request_handler(config: Config, device: str, settings: Settings | None = None) -> RequestHandler:
    """Return the request handler of `device`. Raises ConfigError if `mqtt.outbox_directory` cannot be used.

    `settings`: as of `RequestHandler`.

    Without a broker, or with requests disabled, a stored pause is ignored: no request could end it.
    """
    reachable = bool(config.mqtt.url) and config.requests.enabled
    file = pause_file(config.mqtt, device) if reachable else None
    settings = settings or without_settings(config)
    topics = Topics(config.mqtt.base_topic, device)
    return RequestHandler(config.requests, topics, PauseFile(file), settings=settings)


def _response(  # noqa: PLR0913 - what each request answers with
    request: Request,
    sensor: Sensor,
    *,
    health: HealthPayload | None = None,
    config: dict[str, dict[str, Any]] | None = None,
    settings: dict[str, Setting] | None = None,
    calm_face: CalmFaceInfo | None = None,
) -> ResponsePayload:
    return ResponsePayload(
        time=timestamp(time.time()),
        status="ok",
        error=None,
        transaction=request.transaction,
        paused=sensor.paused,
        health=health,
        config=config,
        settings=settings,
        calm_face=calm_face,
    )


def _refusal(sentence: str, transaction: str | None) -> ResponsePayload:
    return ResponsePayload(
        time=timestamp(time.time()),
        status="error",
        error=sentence,
        transaction=transaction,
        paused=None,
        health=None,
        config=None,
    )


def _publish_response(targets: list[ResponseTarget], publish: Publish, response: ResponsePayload) -> None:
    payload = encode(response)
    for target in targets:
        publish(OutgoingMessage(target.topic, payload, 1, retain=False, correlation=target.correlation))
