"""A kernel with video devices, as strict as Linux: it refuses what v4l2-core and drivers refuse, with their errors.

`FakeKernel` makes folders like /dev and /sys/class/video4linux, and has the two system calls. Its boards are records:
capabilities, names and buses are those that `v4l2-ctl --all` printed on such boards (the Pi 4 with Linux 6.1, the Pi 5
with 6.1 to 6.6, webcams with 5.3 to 7.1); flags of nodes that no such listing shows are those of the driver's source.
"""

import errno
import os
import stat
import struct
from dataclasses import dataclass, field
from pathlib import Path

CAPTURE, OUTPUT, CAPTURE_MPLANE, OUTPUT_MPLANE, M2M_MPLANE = 0x1, 0x2, 0x1000, 0x2000, 0x4000
META_CAPTURE, META_OUTPUT, EXT_PIX, STREAMING, IO_MC = 0x800000, 0x8000000, 0x200000, 0x4000000, 0x20000000
READWRITE, DEVICE_CAPS = 0x1000000, 0x80000000
_BASE = EXT_PIX | STREAMING

VGA, HD = (640, 480), (1280, 720)
WEBCAM_FORMATS = {
    "YUYV": {VGA: [(1, 30), (1, 15)], HD: [(1, 10)]},
    "MJPG": {VGA: [(1, 30)], HD: [(1, 30)], (1920, 1080): [(1, 30)]},
}


@dataclass
class Node:
    """One video node. `caps`: device_caps; `all_caps`: of the whole driver. `formats`: by name, intervals by size.

    `any_size`: sizes are a range, from the first to the last of each format.
    """

    driver: str
    card: str
    bus: str
    caps: int
    formats: dict = field(default_factory=dict)
    all_caps: int = 0
    parent: str = ""
    index: int = 0
    by_id: str = ""
    by_path: tuple[str, ...] = ()
    any_size: bool = False
    streaming: bool = False
    open_error: int = 0


def webcam(name="HD Pro Webcam C920", serial="EE6C2C9F", port="1", vendor="046d"):
    """The two nodes of a USB camera with one interface: pictures, and metadata."""
    identifier = f"usb-{vendor}_{name.replace(' ', '_')}" + f"_{serial}" * bool(serial)
    bus, parent = f"usb-0000:01:00.0-1.{port}", f"usb1/1-1/1-1.{port}/1-1.{port}:1.0"
    path = f"platform-fd500000.pcie-pci-0000:01:00.0-usb-0:1.{port}:1.0"
    shared = {"all_caps": CAPTURE | META_CAPTURE | _BASE, "parent": parent}
    return [
        Node("uvcvideo", name, bus, CAPTURE | _BASE, WEBCAM_FORMATS, by_id=f"{identifier}-video-index0",
             by_path=(f"{path}-video-index0", f"{path.replace('usb-', 'usbv2-')}-video-index0"), **shared),
        Node("uvcvideo", name, bus, META_CAPTURE | _BASE, index=1, by_id=f"{identifier}-video-index1",
             by_path=(f"{path}-video-index1",), **shared),
    ]  # fmt: skip


def pi4():
    """A Pi 4 with a ribbon camera, by node number."""
    codec, caps = "bcm2835-codec", M2M_MPLANE | _BASE
    kinds = {10: "decode", 11: "encode", 12: "isp", 18: "image_fx", 31: "encode_image"}
    nodes = {
        number: Node(codec, f"{codec}-{kind}", f"platform:{codec}", caps, {"H264": {}}, parent=codec, index=index)
        for index, (number, kind) in enumerate(kinds.items())
    }
    for first in (13, 20):
        for index, caps in enumerate((OUTPUT, CAPTURE, CAPTURE, META_CAPTURE, META_OUTPUT)):
            number = first + index if first == 20 or index < 4 else 25
            nodes[number] = Node("bcm2835-isp", "bcm2835-isp", "platform:bcm2835-isp", caps | _BASE, {"YUYV": {}})
    nodes[0] = Node("unicam", "unicam", "platform:fe801000.csi", CAPTURE | READWRITE | _BASE, {"pBAA": {}},
                    parent="fe801000.csi", by_path=("platform-fe801000.csi-video-index0",))  # fmt: skip
    nodes[1] = Node("unicam", "unicam", "platform:fe801000.csi", META_CAPTURE | _BASE, parent="fe801000.csi", index=1)
    nodes[19] = Node("rpivid", "rpivid", "platform:rpivid", M2M_MPLANE | _BASE, {"NC12": {}})
    return nodes


def pi5():
    """A Pi 5 with a ribbon camera."""
    cfe = ("rp1-cfe", "rp1-cfe", "platform:1f00110000.csi")
    caps = [CAPTURE | META_CAPTURE] * 4 + [CAPTURE, CAPTURE, META_CAPTURE, META_OUTPUT]
    nodes = {n: Node(*cfe, each | IO_MC | _BASE, {"pBAA": {}}) for n, each in enumerate(caps)}
    be = ("pispbe", "pispbe", "platform:1000880000.pisp_be")
    kinds = [OUTPUT_MPLANE] * 3 + [CAPTURE_MPLANE] * 4 + [META_OUTPUT]
    nodes |= {20 + n: Node(*be, each | _BASE, {"RGB3": {}}) for n, each in enumerate(kinds)}
    nodes[19] = Node("rpivid", "rpivid", "platform:rpivid", M2M_MPLANE | _BASE, {"NC12": {}})
    return nodes


class FakeKernel:
    """Makes /dev and /sys below `root`. `nodes`: by the number of the node; `plug` and `unplug` change them."""

    def __init__(self, root: Path, nodes=None):
        self.dev, self.sysfs = root / "dev", root / "sys/class/video4linux"
        self._devices = root / "sys/devices"
        for folder in (self.dev, self.sysfs, self._devices):
            folder.mkdir(parents=True, exist_ok=True)
        self.nodes: dict[Path, Node] = {}
        self.opened: dict[int, Path] = {}
        for number, node in (nodes or {}).items():
            self.plug(number, node)

    def plug(self, number, *nodes):
        for offset, node in enumerate(nodes):
            device = self.dev / f"video{number + offset}"
            device.touch()
            self.nodes[device] = node
            description = self.sysfs / device.name
            description.mkdir()
            (description / "index").write_text(f"{node.index}\n")
            if node.parent:
                (self._devices / node.parent).mkdir(parents=True, exist_ok=True)
                (description / "device").symlink_to(self._devices / node.parent)
            for link in self._links(node):
                link.parent.mkdir(parents=True, exist_ok=True)
                # As udev does: of two devices with one id the last one has the link.
                link.unlink(missing_ok=True)
                link.symlink_to(f"../../{device.name}")

    def unplug(self, number):
        device = self.dev / f"video{number}"
        for link in self._links(self.nodes.pop(device)):
            if link.is_symlink() and Path(os.path.realpath(link)) == device:
                link.unlink()
        device.unlink()
        for entry in (self.sysfs / device.name).iterdir():
            entry.unlink()
        (self.sysfs / device.name).rmdir()

    def _links(self, node):
        names = [("by-id", node.by_id)] * bool(node.by_id) + [("by-path", path) for path in node.by_path]
        return [self.dev / "v4l" / folder / name for folder, name in names]

    def open_file(self, path, flags):
        device = Path(os.path.realpath(path))
        node = self.nodes.get(device)
        if node is not None and node.open_error:
            raise OSError(node.open_error, os.strerror(node.open_error))
        fd = os.open(path, flags)
        assert stat.S_ISREG(os.fstat(fd).st_mode)
        self.opened[fd] = device
        return fd

    def ioctl(self, fd, request, argument):
        """Answer as VIDIOC_* does; `argument`: the struct as ctypes lays it out, read and written as bytes."""
        raw = memoryview(argument).cast("B")
        assert request >> 16 & 0x3FFF == len(raw), "the size in the request is not that of the struct"
        node = self.nodes.get(self.opened[fd])
        if node is None:
            raise OSError(errno.ENODEV, "unplugged")
        assert request >> 8 & 0xFF == ord("V")
        handler = {0: self._querycap, 2: self._enum_fmt, 8: self._reqbufs, 74: self._sizes, 75: self._intervals}
        if not node.driver or request & 0xFF not in handler:
            raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")
        handler[request & 0xFF](node, raw)

    def _querycap(self, node, raw):
        every = (node.all_caps or node.caps) | DEVICE_CAPS
        raw[:] = struct.pack(
            "<16s32s32sIII12x", node.driver.encode(), node.card.encode(), node.bus.encode(), 0x60100, every, node.caps
        )

    def _enum_fmt(self, node, raw):
        index, kind = struct.unpack_from("<II", raw)
        names = list(node.formats)
        if not _captures(node, kind) or index >= len(names) or any(raw[52:]):
            raise OSError(errno.EINVAL, "Invalid argument")
        struct.pack_into("<II32sI", raw, 4, kind, 0, names[index].encode(), _code(names[index]))

    def _sizes(self, node, raw):
        index, code = struct.unpack_from("<II", raw)
        sizes = self._known(node, code, raw[36:])
        if index >= (1 if node.any_size else len(sizes)):
            raise OSError(errno.EINVAL, "Invalid argument")
        if node.any_size:
            (least_w, least_h), (most_w, most_h) = sizes[0], sizes[-1]
            struct.pack_into("<7I", raw, 8, 3, least_w, most_w, 2, least_h, most_h, 2)
        else:
            struct.pack_into("<3I", raw, 8, 1, *sizes[index])

    def _intervals(self, node, raw):
        index, code, width, height = struct.unpack_from("<4I", raw)
        self._known(node, code, raw[44:])
        intervals = node.formats[_name(node, code)].get((width, height), [])
        if index >= (min(1, len(intervals)) if node.any_size else len(intervals)):
            raise OSError(errno.EINVAL, "Invalid argument")
        if node.any_size:
            struct.pack_into("<7I", raw, 16, 3, *intervals[0], *intervals[-1], 1, 1)
        else:
            struct.pack_into("<3I", raw, 16, 1, *intervals[index])

    @staticmethod
    def _known(node, code, reserved):
        if _name(node, code) is None or any(reserved):
            raise OSError(errno.EINVAL, "Invalid argument")
        sizes = list(node.formats[_name(node, code)])
        if not sizes:
            raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")
        return sizes

    @staticmethod
    def _reqbufs(node, raw):
        count, kind, memory = struct.unpack_from("<III", raw)
        assert count == 0, "buffers are requested of a camera that is only asked"
        if not _captures(node, kind) or memory != 1:
            raise OSError(errno.EINVAL, "Invalid argument")
        if node.streaming:
            raise OSError(errno.EBUSY, "Device or resource busy")


def _captures(node, kind):
    return bool(node.caps & {1: CAPTURE, 9: CAPTURE_MPLANE | M2M_MPLANE}.get(kind, 0))


def _code(name):
    return int.from_bytes(name.ljust(4).encode(), "little")


def _name(node, code):
    return next((name for name in node.formats if _code(name) == code), None)
