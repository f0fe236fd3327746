"""The desk where requests are taken from the broker, and answered between two frames.

The publisher's thread checks them and puts them down, the line's does what they ask. Neither waits for
the other, and a flood costs frames nothing but the time to drop it.
"""

import logging
import queue
import time
from collections.abc import Sequence
from typing import Final, Protocol

from edge.config.keys import redacted_config
from edge.config.schema import Config, RequestsConfig
from edge.config.state_dir import pause_file
from edge.control.pause_file import PauseFile
from edge.control.protocol import RefusedError, Request, ResponseTarget, parse_request, response_targets
from edge.messages.payload_builder import timestamp
from edge.messages.payloads import HealthPayload, ResponsePayload, encode
from edge.messages.topics import Topics
from edge.mqtt.handlers import Publish
from edge.mqtt.types import OutgoingMessage, ReceivedMessage
from edge.pacing import TokenBucket

_LOG: Final = logging.getLogger(__name__)

_BURST_SECONDS: Final = 2.0
"""So many seconds' worth of requests may come at once: a dashboard that opens asks for everything."""
_MOST_WAITING: Final = 32
"""Requests put down and not done yet; there are that many only where the line stands still."""
_FLOOD_ANSWER_SECONDS: Final = 5.0
"""How often it is answered that there are too many."""
_FLOOD_LOG_SECONDS: Final = 3600.0


class Sensor(Protocol):
    """What requests are about. Used by the line's thread alone."""

    @property
    def paused(self) -> bool:
        """Whether it does not look."""

    def set_paused(self, paused: bool) -> None:  # noqa: FBT001 - what else could it be
        """Stop to look, or look again. Raises EdgeError where that cannot be."""

    def report(self) -> HealthPayload:
        """How it is doing, now or a moment ago."""


class RequestHandler:
    """A correspondent that takes requests to the device of `topics`. `mark` outlives the process.

    One that is not enabled hears nothing.
    """

    def __init__(self, config: RequestsConfig, topics: Topics, mark: PauseFile) -> None:
        self.mark = mark
        self._topics = topics
        self._enabled = config.enabled
        self._rate = config.per_second
        self._pacer = TokenBucket(config.per_second, max(1, round(_BURST_SECONDS * config.per_second)))
        self._waiting: queue.Queue[tuple[Request, list[ResponseTarget], Publish]] = queue.Queue(_MOST_WAITING)
        self._retained_told = False
        self._dropped = 0
        self._flood_answered: float | None = None
        self._flood_logged: float | None = None

    @property
    def filters(self) -> Sequence[str]:
        """Every request to this sensor."""
        return (self._topics.requests,) if self._enabled else ()

    def connected(self, post: Publish) -> None:
        """Nothing to say as long as nobody asks."""

    def received(self, message: ReceivedMessage, post: Publish) -> None:
        """Check a request and put it down, or say why not."""
        if message.retained:
            # It was meant for whoever was there when it was sent, maybe years ago.
            if not self._retained_told:
                self._retained_told = True
                _LOG.warning("a request that the broker retains on %r is ignored: it is of the past", message.topic)
            return
        if not self._pacer.take():
            self._drop(message, post)
            return
        to = response_targets(self._topics, message)
        try:
            request = parse_request(self._topics, message)
            self._put(request, to, post)
        except RefusedError as error:
            _LOG.debug("refused a request on %r: %s", message.topic, error)
            _answer(to, post, _refusal(str(error), error.transaction))

    def attend(self, sensor: Sensor, config: Config) -> None:
        """Do what waits, in the line's thread; `config` is in force."""
        while True:
            try:
                request, to, post = self._waiting.get_nowait()
            except queue.Empty:
                return
            try:
                response = self._do(request, sensor, config)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with an answer, frames go on
                _LOG.exception("a request to %s failed", request.name)
                response = _refusal(f"the sensor failed over it ({type(error).__name__})", request.transaction)
            _answer(to, post, response)

    def _put(self, request: Request, to: list[ResponseTarget], post: Publish) -> None:
        try:
            self._waiting.put_nowait((request, to, post))
        except queue.Full:
            raise RefusedError("the sensor is busy, and many requests wait already", request.transaction) from None

    def _do(self, request: Request, sensor: Sensor, config: Config) -> ResponsePayload:
        if request.paused is not None:
            # Remembered before it looks again, and only once it does not.
            if not request.paused:
                self.mark.set(paused=False)
            sensor.set_paused(request.paused)
            if sensor.paused is not request.paused:
                return _refusal("the source has ended: there is nothing left to look at", request.transaction)
            self.mark.set(paused=request.paused)
        return ResponsePayload(
            time=timestamp(time.time()),
            status="ok",
            error=None,
            transaction=request.transaction,
            paused=sensor.paused,
            health=sensor.report() if request.name == "health" else None,
            config=redacted_config(config) if request.name == "config" else None,
        )

    def _drop(self, message: ReceivedMessage, post: Publish) -> None:
        """One too many: most of a flood is not even answered."""
        self._dropped += 1
        now = time.monotonic()
        if self._flood_answered is None or now - self._flood_answered >= _FLOOD_ANSWER_SECONDS:
            self._flood_answered = now
            sentence = (
                f"too many requests: {self._rate:g} per second are answered, and {self._dropped} were dropped so far"
            )
            _answer(response_targets(self._topics, message), post, _refusal(sentence, None))
        if self._flood_logged is None or now - self._flood_logged >= _FLOOD_LOG_SECONDS:
            self._flood_logged = now
            _LOG.warning(
                "more than %g requests per second on %s: %d dropped so far, and the rest will be",
                self._rate,
                message.topic,
                self._dropped,
            )


def create_request_handler(config: Config, device: str) -> RequestHandler:
    """Build the desk of `device`. Raises ConfigError for a folder of the outbox that cannot be one.

    Where nobody can be heard, no pause is remembered either: it could not be taken back.
    """
    heard = bool(config.mqtt.url) and config.requests.enabled
    mark = PauseFile(pause_file(config.mqtt, device) if heard else None)
    return RequestHandler(config.requests, Topics(config.mqtt.base_topic, device), mark)


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


def _answer(to: list[ResponseTarget], post: Publish, response: ResponsePayload) -> None:
    payload = encode(response)
    for address in to:
        post(OutgoingMessage(address.topic, payload, 1, retain=False, correlation=address.correlation))
