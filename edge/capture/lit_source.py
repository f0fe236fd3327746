"""Keeps the light on for exactly as long as a camera is open.

The light goes on before the camera is opened, and off after it was closed. Where it cannot be switched on, the camera
stays closed: people rely on a dark light. A thread that hangs in a driver keeps its camera open, and so the light on.
"""

import logging
import time
from collections.abc import Callable
from typing import Final

from edge.capture.source import Source
from edge.config.privacy_schema import IndicatorConfig
from edge.errors import IndicatorError, SourceError, SourceLostError
from edge.logs.outage import LogQuota
from edge.system.led import IndicatorLight
from edge.types import Frame

log = logging.getLogger(__name__)

_CHECK_SECONDS: Final = 1.0
"""Time between two looks at the LED while frames come: two short reads, 16 microseconds on one x86-64 core
(files of the same length in memory)."""
_MOST_LOGS: Final = 5
"""Maximum number of lines within an hour that something else has switched the LED."""


def indicator_light(config: IndicatorConfig) -> IndicatorLight | None:
    """Return the configured light, which nothing has touched yet; None where none is configured."""
    return IndicatorLight(config.led) if config.led else None


def with_light(source: Source, light: IndicatorLight | None) -> Source:
    """Return `source`, with the light if there is one and the source is a camera: files and the actor see nobody."""
    return source if light is None or not source.live else LitSource(source, light)


class LitSource:
    """A camera that is open only while `light` is on; a `Source`, used by one thread at a time.

    `clock`: monotonic seconds.
    """

    def __init__(self, source: Source, light: IndicatorLight, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._light = light
        self._clock = clock
        self._is_lit = False
        self._check_due = 0.0
        self._logs = LogQuota(_MOST_LOGS)

    @property
    def uri(self) -> str:
        """URI of the camera, without credentials."""
        return self._source.uri

    @property
    def live(self) -> bool:
        """Whether frames come at their own pace, as from every camera."""
        return self._source.live

    def open(self) -> None:
        """Switch the light on, then open the camera. Raises `SourceError`, and leaves the light off."""
        try:
            self._light.hold()
        except IndicatorError as error:
            raise SourceError(str(error)) from error
        self._is_lit = True
        self._check_due = self._clock() + _CHECK_SECONDS
        try:
            self._source.open()
        except BaseException:
            self._darken()
            raise

    def read(self) -> Frame | None:
        """Return the next frame. Raises `SourceLostError` also where the light has gone out for good."""
        frame = self._source.read()
        now = self._clock()
        if self._is_lit and now >= self._check_due:
            self._check_due = now + _CHECK_SECONDS
            try:
                changed = self._light.ensure()
            except IndicatorError as error:
                raise SourceLostError(str(error)) from error
            if changed is not None and self._logs.left(now):
                log.warning("%s", changed)
        return frame

    def close(self) -> None:
        """Close the camera, then switch the light off; closing again does nothing."""
        try:
            self._source.close()
        finally:
            self._darken()

    def _darken(self) -> None:
        if self._is_lit:
            self._is_lit = False
            self._light.release()
