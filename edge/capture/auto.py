"""The source `auto:`: the first camera that is found, and the built-in actor while there is none.

The camera of a run is chosen once. From then on the run waits for that camera, by its name, whatever else is connected.
The actor plays only where no broker is configured: what nobody acted out before a camera must not be published.
"""

import logging
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from edge.capture.cameras.find import FoundCameras, find_cameras
from edge.capture.cameras.video_nodes import VideoNodes
from edge.capture.source import Source
from edge.errors import SourceError, SourceLostError
from edge.types import Frame

log = logging.getLogger(__name__)

AUTO: Final = "auto:"
ACTOR: Final = "scripted:?loop=1"
"""What plays while there is no camera: the script of `scripted:`, repeated, because a service must not end."""
_LOOK_SECONDS: Final = 5.0
"""Time between two looks for new video nodes while the actor plays: a list of one folder, 30 microseconds."""


def is_auto(uri: str) -> bool:
    """Return whether a source's URI is `auto:`. Raises SourceError where something follows the colon."""
    if not re.match(AUTO, uri, re.IGNORECASE):
        return False
    if len(uri) > len(AUTO):
        message = f'The source "{uri}" is of no known kind: nothing may follow "auto:", which takes the first camera'
        raise SourceError(message)
    return True


class CameraChoice:
    """Chooses the camera of one run, and remembers it.

    `make` creates the source of a URI. `may_play_actor`: no broker is configured. `tell` is given what is not as the
    user may expect: that the actor plays (once), that a camera was passed over; None: it is logged. `find`, `devices`:
    the cameras and the video nodes that there are.
    """

    def __init__(
        self,
        make: Callable[[str], Source],
        *,
        may_play_actor: bool,
        tell: Callable[[str], None] | None = None,
        find: Callable[[], FoundCameras] = find_cameras,
        devices: Callable[[], list[Path]] | None = None,
    ) -> None:
        self._make = make
        self._may_play_actor = may_play_actor
        self._find = find
        self._devices = devices or VideoNodes().devices
        self._tell = tell or (lambda sentence: log.warning("%s", sentence))
        self._chosen: str | None = None
        self._is_actor_logged = False
        self._devices_without_camera: list[Path] = []

    def open(self) -> Source:
        """Return an open source: the camera of this run, else the first that can be opened, else the actor.

        Raises SourceError, and leaves nothing open.
        """
        if self._chosen is not None:
            return self._opened(self._chosen)
        self._devices_without_camera = self._devices()
        found = self._find()
        if not found.uris:
            return self._open_actor(found)
        problems = []
        for uri in found.uris:
            try:
                source = self._opened(uri)
            except (SourceError, SourceLostError) as error:
                problems.append(str(error))
                continue
            for problem in problems:
                self._tell(f"{problem}; the next camera is taken")
            log.info("the camera is %s", uri)
            self._chosen = uri
            return source
        raise SourceError("; ".join(problems))

    def find_new(self) -> str | None:
        """Return the URI of a camera that was connected since the actor plays; None while there is none."""
        devices = self._devices()
        if not set(devices) - set(self._devices_without_camera):
            # One that is unplugged and plugged in again is new.
            self._devices_without_camera = devices
            return None
        return next(iter(self._find().uris), None)

    def _open_actor(self, found: FoundCameras) -> Source:
        cause = found.why_none
        if not self._may_play_actor:
            cause = cause[:1].upper() + cause[1:]
            message = f'{cause}: source.uri = "auto:" needs one (`emotion-edge cameras` lists what is there)'
            raise SourceError(message)
        if not self._is_actor_logged:
            self._is_actor_logged = True
            self._tell(
                f"{cause}: the built-in actor plays, and its events are made up; a camera that is connected takes its "
                "place, and with a broker (mqtt.url) the actor never plays"
            )
        return self._opened(ACTOR)

    def _opened(self, uri: str) -> Source:
        source = self._make(uri)
        source.open()
        return source


class AutoSource:
    """The source `auto:`; live, also while the actor plays: then its frames come at their own pace, too.

    `clock`: monotonic seconds. `sleep` waits some seconds.
    """

    live = True

    def __init__(
        self,
        choice: CameraChoice,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._choice = choice
        self._clock = clock
        self._sleep = sleep
        self._source: Source | None = None
        self._began = 0.0
        self._look_due = 0.0
        self.uri = AUTO

    def open(self) -> None:
        """Choose and open. Raises `SourceError`."""
        self._source = self._choice.open()
        self.uri = self._source.uri
        self._began = self._clock()
        self._look_due = self._began + _LOOK_SECONDS

    def read(self) -> Frame | None:
        """Return the next frame. Raises `SourceLostError` also where a camera takes the place of the actor."""
        if self._source is None:
            message = "read() of a source that is not open"
            raise RuntimeError(message)
        frame = self._source.read()
        if self._source.live or frame is None:
            return frame
        self._look_for_camera()
        early_seconds = self._began + frame.seconds - self._clock()
        if early_seconds > 0:
            self._sleep(early_seconds)
        return replace(frame, captured_monotonic=time.monotonic(), captured_unix=time.time())

    def close(self) -> None:
        """Close the source; closing again does nothing."""
        source, self._source = self._source, None
        if source is not None:
            source.close()

    def _look_for_camera(self) -> None:
        if self._clock() < self._look_due:
            return
        self._look_due = self._clock() + _LOOK_SECONDS
        uri = self._choice.find_new()
        if uri is not None:
            message = f"A camera was connected ({uri}) and takes the place of the built-in actor"
            raise SourceLostError(message)
