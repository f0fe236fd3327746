"""Words and JSON for what `emotion-edge cameras` has found."""

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from edge.capture.backends.picamera import RibbonCamera
from edge.capture.cameras.find import FoundCameras
from edge.capture.cameras.judgement import OtherNode
from edge.capture.cameras.video_nodes import PixelFormat, VideoNode
from edge.messages.text import count

ProgramsWith = Callable[[Path], list[str]]
"""Returns the programs that have a file open."""
_MOST_SIZES: Final = 12
"""Sizes of a format that a line shows: a webcam has some twenty, and the smallest and largest say what it can."""
_MOST_FORMATS: Final = 6
"""Names of formats that a line shows: webcams have two or three, and the kernel's test driver has eighty."""


def in_words(found: FoundCameras, programs_with: ProgramsWith) -> str:
    """Return what was found for people, in lines."""
    lines: list[str] = []
    for ribbon in found.ribbon:
        lines += [f"Ribbon camera {ribbon.model}".rstrip(), _line_for(ribbon.uri), *_ribbon_sizes(ribbon), ""]
    if found.ribbon and found.busy_receivers:
        which = "The ribbon camera" if len(found.ribbon) == 1 else "One of the ribbon cameras"
        lines += [f"{which} is {_in_use(found.busy_receivers, programs_with)}", ""]
    for camera in found.v4l2:
        node = camera.node
        lines += [f"{node.card or 'Camera'} ({node.device}, driver {node.driver})", _line_for(camera.uri)]
        lines += [f"  {_in_use([node], programs_with)}"] * node.busy
        lines += [f"  {line}" for line in format_lines(node.formats)]
        lines.append("")
    if not found.uris:
        lines += ["No camera was found. A network camera needs its address (rtsp://...), the built-in actor scripted:"]
        if found.ribbon_problem is not None and not found.hides_ribbon_camera:
            lines += [f"Ribbon cameras, of a Raspberry Pi, were not looked for: {found.ribbon_problem}"]
        lines.append("")
    if found.hides_ribbon_camera:
        lines += [f"A ribbon camera is connected, but {found.ribbon_problem}", ""]
    if found.others:
        lines.append(f"No cameras ({count(len(found.others), 'video node')}):")
        lines += _other_lines(found.others)
    return "\n".join(lines).rstrip() + "\n"


def format_lines(formats: Sequence[PixelFormat]) -> list[str]:
    """Return pixel formats with their sizes and rates, in frames per second: a line for those that have the same."""
    lines = []
    for (sizes, any_size), group in groupby(formats, key=lambda form: (form.sizes, form.any_size)):
        names = [form.fourcc for form in group]
        more = f" and {count(len(names) - _MOST_FORMATS, 'more format')}" if len(names) > _MOST_FORMATS else ""
        name = ", ".join(names[:_MOST_FORMATS]) + more
        lines.append(f"{name}: {_sizes(sizes, any_size=any_size)}" if sizes else name)
    return lines


def _sizes(sizes: Sequence[tuple[tuple[int, int], tuple[float, ...]]], *, any_size: bool) -> str:
    left_out = max(0, len(sizes) - _MOST_SIZES)
    shown = [*sizes[: _MOST_SIZES - 1], sizes[-1]] if left_out else sizes
    parts = [f"{width}x{height}{_rates(rates)}" for (width, height), rates in shown]
    more = f" and {count(left_out, 'more size')}" if left_out else ""
    return (" to " if any_size else ", ").join(parts) + more


def as_json(found: FoundCameras, programs_with: ProgramsWith) -> dict[str, Any]:
    """Return what was found for programs."""
    receivers = found.busy_receivers
    # Which of several cameras a receiver belongs to is known to libcamera alone.
    ribbon_busy = bool(receivers) if len(found.ribbon) == 1 or not receivers else None
    ribbon = [
        {
            "uri": one.uri,
            "kind": "ribbon",
            "name": one.model,
            "sizes": [list(size) for size in one.sizes],
            "busy": ribbon_busy,
            "used_by": list(dict.fromkeys(program for node in receivers for program in programs_with(node.device))),
        }
        for one in found.ribbon
    ]
    v4l2 = [
        {
            "uri": camera.uri,
            "kind": "v4l2",
            "name": camera.node.card,
            "driver": camera.node.driver,
            "bus": camera.node.bus,
            "device": str(camera.node.device),
            "links": {folder: list(names) for folder, names in camera.node.links.items()},
            "busy": camera.node.busy,
            "used_by": programs_with(camera.node.device) if camera.node.busy else [],
            "formats": [_format_json(each) for each in camera.node.formats],
        }
        for camera in found.v4l2
    ]
    others = [
        {"device": str(other.node.device), "name": other.node.card, "driver": other.node.driver, "reason": other.reason}
        for other in found.others
    ]
    return {"cameras": [*ribbon, *v4l2], "others": others, "ribbon_problem": found.ribbon_problem}


def _format_json(form: PixelFormat) -> dict[str, Any]:
    sizes = [{"width": width, "height": height, "fps": list(rates)} for (width, height), rates in form.sizes]
    return {"format": form.fourcc, "any_size": form.any_size, "sizes": sizes}


def _line_for(uri: str) -> str:
    # A JSON string is a TOML one: a card's name may hold a quotation mark.
    return f"  uri = {json.dumps(uri, ensure_ascii=False)}"


def _ribbon_sizes(camera: RibbonCamera) -> list[str]:
    sizes = ", ".join(f"{width}x{height}" for width, height in camera.sizes)
    return [f"  sizes of the sensor: {sizes}"] if sizes else []


def _rates(rates: tuple[float, ...]) -> str:
    return f" ({', '.join(f'{rate:.4g}' for rate in rates)} fps)" if rates else ""


def _in_use(nodes: Iterable[VideoNode], programs_with: ProgramsWith) -> str:
    programs = dict.fromkeys(program for node in nodes for program in programs_with(node.device))
    by = " and ".join(programs) if programs else "another program (sudo shows which one)"
    return f"in use by {by}: end it before you use this camera"


def _other_lines(others: Iterable[OtherNode]) -> list[str]:
    """Return a line for each run of neighbouring nodes of which the same is to be said."""
    lines = []
    for (card, reason), group in groupby(others, key=lambda other: (other.node.card, other.reason)):
        nodes = [other.node for other in group]
        device = str(nodes[0].device) + (f" to {nodes[-1].number}" if len(nodes) > 1 else "")
        lines.append(f"  {device}{f' ({card})' if card else ''} {reason}")
    return lines
