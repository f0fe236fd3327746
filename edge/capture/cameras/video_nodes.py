"""Lists the video nodes of this machine, /dev/video*, with what the kernel and udev say of each.

Names come from udev's links below /dev/v4l, the order of a device's nodes from sysfs. Where either is missing, as in a
container, the nodes are listed without.
"""

import errno
import fcntl
import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from edge.capture.cameras.ioctls import Ioctl, OpenFile, OpenVideoDevice

LINK_FOLDERS: Final = ("by-id", "by-path")
"""Folders of /dev/v4l with names that stay, the better kind first: an id belongs to the camera, a path to the socket
that it is plugged into."""
_NODE: Final = re.compile(r"video([0-9]+)")
_MOST_SIZES: Final = 64
"""Sizes of one format that are asked for their rates: UVC cameras have some twenty."""


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """A pixel format with its sizes: width and height in pixels, and the rates there, frames per second.

    `any_size`: the sizes are the smallest and the largest, and any between them will do.
    """

    fourcc: str
    sizes: tuple[tuple[tuple[int, int], tuple[float, ...]], ...] = ()
    any_size: bool = False


@dataclass(frozen=True, slots=True)
class VideoNode:
    """One video node.

    `caps`: what it does, flags of `ioctls`. `links`: names below /dev/v4l, by folder. `parent`: the device in sysfs
    that it belongs to, "" where that is not known; `index`: its number among the nodes of that device. `problem`: the
    number of the error (`errno`) with which it could not be asked; the rest is empty then. `busy`: another program
    streams from it; only where details were asked for.
    """

    device: Path
    driver: str = ""
    card: str = ""
    bus: str = ""
    caps: int = 0
    links: dict[str, tuple[str, ...]] = field(default_factory=dict)
    parent: str = ""
    index: int = 0
    formats: tuple[PixelFormat, ...] = ()
    problem: int | None = None
    busy: bool = False

    @property
    def number(self) -> int:
        """Number of the node: 0 of /dev/video0."""
        found = _NODE.fullmatch(self.device.name)
        return int(found[1]) if found else 0


class VideoNodes:
    """The video nodes of a machine.

    `dev`, `sysfs`: the folders of devices and of their descriptions. `ioctl`, `open_file`: the system calls.
    """

    def __init__(
        self,
        dev: Path = Path("/dev"),
        sysfs: Path = Path("/sys/class/video4linux"),
        ioctl: Ioctl = fcntl.ioctl,
        open_file: OpenFile = os.open,
    ) -> None:
        self.dev = dev
        self._sysfs = sysfs
        self._ioctl = ioctl
        self._open_file = open_file

    def devices(self) -> list[Path]:
        """Return the files of the nodes, by their number."""
        try:
            names = [name for name in os.listdir(self.dev) if _NODE.fullmatch(name)]  # noqa: PTH208 - names alone
        except OSError:
            return []
        return [self.dev / name for name in sorted(names, key=lambda name: int(name.removeprefix("video")))]

    def linked(self, name: str) -> Path | None:
        """Return the file to which the link of this name below /dev/v4l points; None where there is no such link."""
        for folder in LINK_FOLDERS:
            link = self.dev / "v4l" / folder / name
            if os.path.lexists(link):
                return Path(os.path.realpath(link))
        return None

    def list(self, *, details: bool = False) -> list[VideoNode]:
        """Return every node. `details`: with sizes, rates, and whether another program streams from it."""
        links = self._links()
        return [self._node(device, links, details=details) for device in self.devices()]

    def node(self, device: Path) -> VideoNode:
        """Return the node of a file, with details."""
        return self._node(device, self._links(), details=True)

    def _links(self) -> dict[Path, dict[str, tuple[str, ...]]]:
        """Return the names below /dev/v4l of each file, by folder, sorted."""
        found: dict[Path, dict[str, tuple[str, ...]]] = {}
        for folder in LINK_FOLDERS:
            try:
                links = sorted((self.dev / "v4l" / folder).iterdir())
            except OSError:
                continue
            for link in links:
                names = found.setdefault(Path(os.path.realpath(link)), {})
                names[folder] = (*names.get(folder, ()), link.name)
        return found

    def _node(self, device: Path, links: dict[Path, dict[str, tuple[str, ...]]], *, details: bool) -> VideoNode:
        folder = self._sysfs / device.name
        parent = folder / "device"
        node = VideoNode(
            device,
            links=links.get(Path(os.path.realpath(device)), {}),
            parent=os.path.realpath(parent) if parent.exists() else "",
            index=_whole_number(folder / "index"),
        )
        try:
            with OpenVideoDevice(device, self._ioctl, self._open_file) as video:
                found = video.identity()
                return replace(
                    node,
                    driver=found.driver,
                    card=found.card,
                    bus=found.bus,
                    caps=found.caps,
                    formats=_formats(video, found.caps, details=details),
                    busy=details and video.is_busy(found.caps),
                )
        except OSError as error:
            return replace(node, problem=error.errno or errno.EIO)


def _formats(video: OpenVideoDevice, caps: int, *, details: bool) -> tuple[PixelFormat, ...]:
    names = video.formats(caps)
    if not details:
        return tuple(PixelFormat(name) for name in names)
    return tuple(_detailed(video, name) for name in names)


def _detailed(video: OpenVideoDevice, fourcc: str) -> PixelFormat:
    sizes, any_size = video.sizes(fourcc)
    rated = tuple((size, video.rates(fourcc, *size)) for size in sizes[:_MOST_SIZES])
    return PixelFormat(fourcc, rated, any_size)


def _whole_number(file: Path) -> int:
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0
