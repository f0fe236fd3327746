"""Decides which video nodes are cameras, why the others are none, and by which name each camera is found again.

Pure functions. A board has many nodes that are no cameras: a Raspberry Pi 5 has some thirty, for the stages of its
image processor and its decoder, a USB camera a second one for metadata.
"""

import errno
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.capture.cameras.ioctls import (
    IO_MC,
    META_CAPTURE,
    META_OUTPUT,
    VIDEO_CAPTURE,
    VIDEO_CAPTURE_MPLANE,
    VIDEO_M2M,
    VIDEO_M2M_MPLANE,
    VIDEO_OUTPUT,
    VIDEO_OUTPUT_MPLANE,
)
from edge.capture.cameras.video_nodes import LINK_FOLDERS, VideoNode

_CAPTURE: Final = VIDEO_CAPTURE | VIDEO_CAPTURE_MPLANE
_OUTPUT: Final = VIDEO_OUTPUT | VIDEO_OUTPUT_MPLANE
_M2M: Final = VIDEO_M2M | VIDEO_M2M_MPLANE
_META: Final = META_CAPTURE | META_OUTPUT

BUSY: Final = "is in use by another program: end that program, or choose another camera"
"""Why a camera of which another program takes pictures cannot be opened."""

_RIBBON: Final = "receives the ribbon camera's raw picture, which libcamera reads: use picamera:0"
_PROCESSOR: Final = "is a stage of the board's image processor: it changes pictures that are in memory"
_DECODER: Final = "is the board's video decoder"
_DRIVERS: Final = {
    "unicam": _RIBBON,
    "rp1-cfe": _RIBBON,
    "pispbe": _PROCESSOR,
    "bcm2835-isp": _PROCESSOR,
    "rpivid": _DECODER,
    "rpi-hevc-dec": _DECODER,
    "bcm2835-codec": "is the board's video encoder, decoder or scaler",
}
"""What the nodes of Raspberry Pi boards are, by driver (linux/drivers/media/platform, and drivers/staging of Raspberry
Pi's kernel). Some of them claim to capture video, and OpenCV opens them and then waits for ever."""


@dataclass(frozen=True, slots=True)
class V4l2Camera:
    """A camera: its node, and the name by which it is found again, or the node's file where it has no such name."""

    node: VideoNode
    name: str

    @property
    def uri(self) -> str:
        """The camera as `source.uri` names it."""
        return f"v4l2:{self.name}"


@dataclass(frozen=True, slots=True)
class OtherNode:
    """A node that is no camera, or cannot be asked; `reason`: why, a clause without a subject."""

    node: VideoNode
    reason: str


def judge(nodes: Sequence[VideoNode]) -> tuple[list[V4l2Camera], list[OtherNode]]:
    """Divide nodes into cameras, sorted by name, and others, in their own order."""
    others = [OtherNode(node, reason) for node in nodes if (reason := why_no_camera(node)) is not None]
    capturing = [node for node in nodes if why_no_camera(node) is None]
    first: dict[tuple[str, str, str], VideoNode] = {}
    for node in sorted(capturing, key=lambda node: (node.index, node.number)):
        # Two cameras of the kernel's test driver share the parent, the two of a laptop (colour, infrared) the bus.
        key = (node.parent, node.bus, "" if node.parent else str(node.device))
        main = first.setdefault(key, node)
        if main is not node:
            others.append(OtherNode(node, f"is a second node of the camera at {main.device}"))
    names = _names(list(first.values()))
    cameras = [V4l2Camera(node, names[node.device]) for node in first.values()]
    others.sort(key=lambda other: other.node.number)
    return sorted(cameras, key=lambda camera: (camera.name.startswith(os.sep), camera.name)), others


def why_no_camera(node: VideoNode) -> str | None:
    """Return why a node alone is no camera, or why that cannot be known, as a clause; None for a camera."""
    if node.problem is not None:
        return _problem(node.problem)
    if node.driver in _DRIVERS:
        return _DRIVERS[node.driver]
    if node.caps & _M2M:
        return "converts, encodes or decodes pictures that are in memory"
    if not node.caps & _CAPTURE:
        if node.caps & _META:
            return "carries data about the pictures of a camera, and no pictures"
        if node.caps & _OUTPUT:
            return "is an output: it shows pictures and takes none"
        return "captures no video"
    if node.caps & IO_MC:
        return "gives pictures only through libcamera, which sets up the way from the sensor to it: use picamera:0"
    if not node.formats:
        return "offers no format of pictures: nothing is connected to it"
    return None


def _problem(number: int) -> str:
    if number in {errno.EACCES, errno.EPERM}:
        return (
            "may not be opened by this user (no permission): use sudo, or add the user to its group with "
            "`sudo usermod -aG video USER` and log in again"
        )
    if number == errno.EBUSY:
        return "is in use by another program, which lets nobody else open it: end that program"
    if number in {errno.ENOENT, errno.ENODEV, errno.ENXIO}:
        return "is gone: its device was unplugged"
    if number == errno.ENOTTY:
        return "is no video device of the kernel"
    return f"cannot be asked ({os.strerror(number)})"


def _names(cameras: Sequence[VideoNode]) -> dict[Path, str]:
    """Return a name for each camera that no other has: of a link, else the card's, else the bus', else its file's.

    Cameras of one model without serial numbers share one id, and its link leads now to one of them, now to another.
    Likewise devices of one driver can share a path. Where not each camera of a card has a link of a kind, that kind
    does not count for any of them.
    """
    cards, buses = Counter(node.card for node in cameras), Counter(node.bus for node in cameras)
    linked = Counter((node.card, folder) for node in cameras for folder in node.links)
    names: dict[Path, str] = {}
    for node in cameras:
        folders = [folder for folder in LINK_FOLDERS if linked[node.card, folder] == cards[node.card]]
        own = [name for folder in folders for name in node.links[folder]]
        own += [node.card] * (cards[node.card] == 1) + [node.bus] * (buses[node.bus] == 1)
        names[node.device] = next((name for name in own if _can_be_named(name)), str(node.device))
    return names


def _can_be_named(name: str) -> bool:
    """Return whether `v4l2:` takes a name as one: a number and a path mean a node."""
    return bool(name) and "/" not in name and not name.isdigit()
