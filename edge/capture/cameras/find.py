"""Finds the cameras of this machine: those on the ribbon connector, then V4L2 cameras in the order of their names."""

import errno
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.capture.backends.picamera import RibbonCamera, ribbon_cameras
from edge.capture.cameras import judgement
from edge.capture.cameras.judgement import OtherNode, V4l2Camera, judge
from edge.capture.cameras.video_nodes import VideoNode, VideoNodes
from edge.errors import SourceError

_RIBBON_DRIVERS: Final = frozenset({"unicam", "rp1-cfe"})
"""Drivers of the Pi's receivers; where picamera2 is missing, their nodes show that a ribbon camera may be there."""

_MAY_BE_A_CAMERA: Final = frozenset({errno.EACCES, errno.EPERM, errno.EBUSY})
"""Errors of nodes that could not be asked what they are."""


@dataclass(frozen=True, slots=True)
class FoundCameras:
    """What there is. `ribbon_problem`: why ribbon cameras cannot be looked for, one sentence, or None."""

    ribbon: tuple[RibbonCamera, ...]
    v4l2: tuple[V4l2Camera, ...]
    others: tuple[OtherNode, ...] = ()
    ribbon_problem: str | None = None

    @property
    def uris(self) -> list[str]:
        """The cameras as `source.uri` names them, in the order in which `auto:` tries them."""
        return [*(camera.uri for camera in self.ribbon), *(camera.uri for camera in self.v4l2)]

    @property
    def busy_receivers(self) -> list[VideoNode]:
        """The nodes through which ribbon cameras are streaming; only where details were asked for."""
        return [one.node for one in self.others if one.node.driver in _RIBBON_DRIVERS and one.node.busy]

    @property
    def why_none(self) -> str:
        """Why there is no camera, a clause: one that is there and cannot be used, or none is connected."""
        if self.hides_ribbon_camera:
            return self.ribbon_problem or ""
        closed = (one for one in self.others if one.node.problem in _MAY_BE_A_CAMERA)
        return next((f"{one.node.device} {one.reason}" for one in closed), "no camera is connected")

    @property
    def hides_ribbon_camera(self) -> bool:
        """Whether a ribbon camera may be there that cannot be used, because picamera2 cannot."""
        return self.ribbon_problem is not None and any(one.node.driver in _RIBBON_DRIVERS for one in self.others)


def find_cameras(
    nodes: VideoNodes | None = None,
    list_ribbon: Callable[..., list[RibbonCamera]] = ribbon_cameras,
    *,
    details: bool = False,
) -> FoundCameras:
    """Return the cameras of this machine without opening a stream. `details`: with sizes and rates, for people."""
    cameras, others = judge((nodes or VideoNodes()).list(details=details))
    problem: str | None = None
    ribbon: list[RibbonCamera] = []
    try:
        ribbon = list_ribbon(details=details)
    except SourceError as error:
        problem = str(error)
    return FoundCameras(tuple(ribbon), tuple(cameras), tuple(others), problem)


def why_no_camera(device: Path) -> str | None:
    """Return why a device that cannot be opened is no camera, as a clause; None where nothing is known against it."""
    node = VideoNodes().node(device.resolve())
    return judgement.why_no_camera(node) or (judgement.BUSY if node.busy else None)
