"""`emotion-edge cameras`: lists what is there, with the line for the configuration of each camera.

Exit codes:
    0: there is a camera
    1: there is none, or --device-of names one that is not there
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from edge.capture.auto import is_auto
from edge.capture.cameras.find import FoundCameras, find_cameras
from edge.capture.cameras.names import find_device
from edge.capture.cameras.video_nodes import VideoNodes
from edge.commands.cameras.text import as_json, in_words
from edge.config.schema import Config
from edge.errors import ConfigError, SourceError
from edge.system.files import escape_what_cannot_be_shown
from edge.system.open_files import programs_with

_NONE: Final = 1


def run(arguments: argparse.Namespace, config: Config) -> int:
    """List the cameras, or with `--device-of` the files of one; returns the exit code.

    Raises what `device_files` raises.
    """
    del config  # which cameras there are depends on nothing that is configured
    if arguments.device_of is not None:
        for file in device_files(arguments.device_of):
            sys.stdout.write(f"{file}\n")
        return 0
    found = find_cameras(details=True)
    if arguments.json:
        sys.stdout.write(json.dumps(as_json(found, programs_with), indent=2) + "\n")
    else:
        escape_what_cannot_be_shown(sys.stdout)
        sys.stdout.write(in_words(found, programs_with))
    return 0 if found.uris else _NONE


def device_files(
    uri: str,
    nodes: VideoNodes | None = None,
    find: Callable[[], FoundCameras] = find_cameras,
) -> list[Path]:
    """Return the files that a sensor with the source `uri` may have open; none for a source that is no local camera.

    libcamera opens the media devices of all ribbon cameras. For `auto:` they are those of all cameras. Raises
    SourceError where the URI is none, or no camera has the name, and ConfigError where it is empty.
    """
    if not uri:
        raise ConfigError("--device-of is '', but must be a source, as in --device-of auto:")
    nodes = nodes or VideoNodes()
    if is_auto(uri):
        found = find()
        media = _media_devices(nodes.dev) if found.ribbon else []
        return [*media, *(camera.node.device for camera in found.v4l2)]
    scheme, _, rest = uri.partition(":")
    if scheme.lower() == "picamera":
        return _media_devices(nodes.dev)
    if uri.isascii() and uri.isdigit():
        return [nodes.dev / f"video{int(uri)}"]
    if uri.startswith(("/dev/video", "/dev/v4l/")):
        return [Path(uri).resolve()]
    if scheme.lower() != "v4l2":
        return []
    if not rest:
        raise SourceError(f'The camera "{uri}" needs a device or a name after "v4l2:", as in v4l2:/dev/video0')
    if rest.isascii() and rest.isdigit():
        return [nodes.dev / f"video{int(rest)}"]
    return [Path(rest).resolve() if rest.startswith("/") else find_device(rest, nodes)]


def _media_devices(dev: Path) -> list[Path]:
    return sorted(dev.glob("media[0-9]*"), key=lambda file: (len(file.name), file.name))
