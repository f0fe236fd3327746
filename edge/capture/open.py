"""Creates the source that a URI names: a camera, a stream, a file or the built-in actor."""

import glob
import re
from collections.abc import Callable
from pathlib import Path

from edge.capture.auto import AutoSource, CameraChoice, is_auto
from edge.capture.backends.http_camera import HttpSource
from edge.capture.backends.images import IMAGE_SUFFIXES, ImagesSource, images_in, natural_key
from edge.capture.backends.network import NetworkSource
from edge.capture.backends.picamera import PicameraSource
from edge.capture.backends.v4l2 import V4l2Source
from edge.capture.backends.video import VideoFileSource
from edge.capture.cameras.find import why_no_camera
from edge.capture.cameras.names import find_device
from edge.capture.lit_source import indicator_light, with_light
from edge.capture.masks import MaskedSource, Masks
from edge.capture.pictures.foreign import FOREIGN_SUFFIXES, is_foreign_still
from edge.capture.pictures.header import is_picture
from edge.capture.scripted.script import parse_script
from edge.capture.scripted.source import ScriptedSource
from edge.capture.source import Source, SourceOptions
from edge.config.schema import Config
from edge.errors import SourceError
from edge.redact import redacted
from edge.system.files import expanded

_KINDS = (
    "auto: for the first camera, picamera:0, v4l2:NAME, 0, rtsp://..., http://..., a video, an image, a folder of "
    "images, or scripted: for the built-in actor"
)
_DEVICE_FILES = ("/dev/video", "/dev/v4l/")
"""Beginnings of the names of USB cameras, which people also write without `v4l2:`."""
_SNIFF_BYTES = 512  # the brands of HEIF are in the first 256
_LONGEST_SHOWN = 200
"""Characters of a name that a message repeats, where it is too long to be that of a file."""
_NETWORK_SCHEMES = {"rtsp", "rtsps", "http", "https"}


def create_masked_source(config: Config, options: SourceOptions, tell: Callable[[str], None] | None = None) -> Source:
    """Create the source of a configuration as `create_source` does, with its masks and its light.

    For what reads frames itself, without a `Capture`. `tell`: as of `CameraChoice`.
    """
    light = indicator_light(config.indicator)
    create = source_creator(config, lambda uri: with_light(create_source(uri, options), light), tell)
    return MaskedSource(create(), Masks(config.masks.values(), config.source))


def source_creator(
    config: Config, make: Callable[[str], Source], tell: Callable[[str], None] | None = None
) -> Callable[[], Source]:
    """Return a function that creates the source of a configuration, for each opening of one run.

    `make` creates the source of a URI, with its light: for `auto:` that of the camera that is chosen.
    `tell`: as of `CameraChoice`.
    """
    if not is_auto(config.source.uri):
        return lambda: make(config.source.uri)
    choice = CameraChoice(make, may_play_actor=not config.mqtt.url, tell=tell)
    return lambda: AutoSource(choice)


def create_source(uri: str, options: SourceOptions) -> Source:
    """Create the source for `uri`, without opening it; `auto:` is a camera here, never the actor.

    Raises `SourceError` where the URI fits no kind of source or names a file that does not exist. A file whose name
    looks like another kind can be given as `./NAME`.
    """
    try:
        return _create_source(uri, options)
    except OSError as error:
        # Whether a path exists cannot always be found out: a name that is too long, a folder that may not be searched.
        shown = redacted(uri)
        shown = shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}..."
        message = f'The source "{shown}" cannot be found ({error.strerror}): it must be one of {_KINDS}'
        raise SourceError(message) from error


def _create_source(uri: str, options: SourceOptions) -> Source:
    if re.fullmatch(r"[0-9]+", uri, re.ASCII):
        return _v4l2_source(uri, f"/dev/video{int(uri)}", options)
    if uri.startswith(_DEVICE_FILES):
        return _v4l2_source(uri, uri, options)
    if is_auto(uri):
        return AutoSource(CameraChoice(lambda chosen: _create_source(chosen, options), may_play_actor=False))
    name, rest = _split_scheme(uri)
    if not name or Path(uri).exists():
        return _file_source(uri, options)
    if name == "scripted":
        return ScriptedSource(parse_script(uri), options)
    if name == "picamera":
        return PicameraSource(uri, _camera_number(uri, rest), options)
    if name == "v4l2":
        return _v4l2_source(uri, _device_path(uri, rest), options)
    if name in _NETWORK_SCHEMES and rest.startswith("//") and len(rest) > len("//"):
        return HttpSource(uri, options) if name in {"http", "https"} else NetworkSource(uri, options)
    message = f'The source "{redacted(uri)}" is of no known kind: it must be one of {_KINDS}'
    raise SourceError(message)


def _split_scheme(uri: str) -> tuple[str, str]:
    """Return the scheme of a URI in lower case, and what follows its colon; "" and the whole where it has none."""
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", uri)
    return ("", uri) if scheme is None else (scheme[1].lower(), uri[scheme.end() :])


def _camera_number(uri: str, rest: str) -> int:
    if not re.fullmatch(r"[0-9]*", rest, re.ASCII):
        message = f'The camera "{redacted(uri)}" needs a number after "picamera:", as in picamera:0'
        raise SourceError(message)
    return int(rest or "0")


def _v4l2_source(uri: str, device: str | Callable[[], Path], options: SourceOptions) -> Source:
    return V4l2Source(uri, device, options, why_no_camera=why_no_camera)


def _device_path(uri: str, rest: str) -> str | Callable[[], Path]:
    """Return the device that follows `v4l2:`; for a name a function that finds it, at each opening anew."""
    if re.fullmatch(r"[0-9]+", rest, re.ASCII):
        return f"/dev/video{int(rest)}"
    if rest.startswith("/"):
        return rest
    if not rest or "/" in rest:
        message = (
            f'The camera "{redacted(uri)}" needs a device or a name after "v4l2:", as in v4l2:/dev/video0; '
            "`emotion-edge cameras` lists the names"
        )
        raise SourceError(message)
    return lambda: find_device(rest)


def _file_source(uri: str, options: SourceOptions) -> Source:
    path = expanded(uri)
    if uri and path.is_dir():
        return ImagesSource(uri, images_in(path), options)
    if uri and path.exists():
        return ImagesSource(uri, [path], options) if _is_image(path) else VideoFileSource(uri, options)
    if "," in uri or glob.has_magic(uri):
        return ImagesSource(uri, _expand_list(uri), options)
    # A name without a dot or slash may mean a camera.
    if uri and ("/" in uri or path.suffix):
        raise SourceError(f'The source "{redacted(uri)}" does not exist: {missing_path(path, "file or folder")}')
    message = f'The source "{redacted(uri)}" does not exist: it must be an existing file or folder, or one of {_KINDS}'
    raise SourceError(message)


def missing_path(path: Path, what: str) -> str:
    """Return the clause that there is no `what` at a path, with the folder that lacks it. May raise OSError."""
    absent = next((folder for folder in reversed(path.parents) if not folder.exists()), None)
    if absent is None:
        return f"there is no such {what} in {path.absolute().parent}"
    return f"there is no folder {absent}" + ("" if path.is_absolute() else f" in {Path.cwd()}")


def describe_other_source(uri: str) -> str | None:
    """Return what a URI names that is a source but no file: "a camera", say; None for the name of a file."""
    if re.fullmatch(r"[0-9]+", uri, re.ASCII) or uri.startswith(_DEVICE_FILES):
        return "a camera"
    name, _ = _split_scheme(uri)
    if name in _NETWORK_SCHEMES:
        return "a network camera"
    cameras = dict.fromkeys(("auto", "picamera", "v4l2"), "a camera")
    return {"scripted": "the built-in actor", **cameras}.get(name)


def _is_image(path: Path) -> bool:
    """Return whether a file is an image: by its suffix, and otherwise by its first bytes.

    HEIC and AVIF count as images under any name, because FFmpeg would play them as videos, and in part. An animated
    GIF is a video for FFmpeg, so that its suffix counts only in a folder.
    """
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES and suffix not in FOREIGN_SUFFIXES:
        return True
    beginning = _beginning(path)
    return is_foreign_still(beginning) or (not suffix and is_picture(beginning))


def _beginning(path: Path) -> bytes:
    """Return the first bytes of a regular file; none where it cannot be read, which is reported when it is opened."""
    try:
        with path.open("rb") as file:
            return file.read(_SNIFF_BYTES) if path.is_file() else b""
    except OSError:
        return b""


def _expand_list(uri: str) -> list[Path]:
    """Expand a comma-separated list of files and patterns.

    The order of the list is kept; the files of one pattern come in natural order.
    """
    paths: list[Path] = []
    for item in filter(None, (part.strip() for part in uri.split(","))):
        path = expanded(item)
        if path.is_file():
            paths.append(path)
            continue
        found = [Path(name) for name in glob.glob(str(path), recursive=True)]  # noqa: PTH207 - takes absolute patterns
        matches = sorted((match for match in found if match.is_file()), key=natural_key)
        if not matches:
            message = f'No image matches "{redacted(item)}": it must be an existing file or a pattern that matches one'
            if not glob.has_magic(str(path.parent)) and not path.parent.exists():
                message = f'No image matches "{redacted(item)}": {missing_path(path, "file")}'
            raise SourceError(message)
        paths += matches
    if not paths:
        message = f'The list of images "{redacted(uri)}" is empty: it needs at least one file'
        raise SourceError(message)
    return paths
