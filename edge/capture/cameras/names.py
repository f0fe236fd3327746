"""Finds the device that `v4l2:NAME` means: a link below /dev/v4l, or card or bus where one camera alone has it."""

from pathlib import Path

from edge.capture.cameras.judgement import V4l2Camera, judge
from edge.capture.cameras.video_nodes import VideoNodes
from edge.errors import SourceError
from edge.redact import redacted


def find_device(name: str, nodes: VideoNodes | None = None) -> Path:
    """Return the device file of the camera of this name now: it may be another one after the camera was unplugged.

    Raises SourceError where no camera has the name, or more than one; the sentence lists the names that there are.
    """
    nodes = nodes or VideoNodes()
    linked = nodes.linked(name)
    if linked is not None:
        return linked
    cameras, _ = judge(nodes.list())
    same = [camera for camera in cameras if name in {camera.node.card, camera.node.bus}]
    if len(same) == 1:
        return same[0].node.device
    if same:
        message = f"{len(same)} cameras are called v4l2:{name}: choose one of {names_of(same)}"
        raise SourceError(message)
    there = f"connected are {names_of(cameras)}" if cameras else "none is connected"
    message = f"There is no camera {redacted(f'v4l2:{name}')}: {there} (`emotion-edge cameras` shows more)"
    raise SourceError(message)


def names_of(cameras: list[V4l2Camera]) -> str:
    """Return the URIs of cameras, as a list in a sentence."""
    return ", ".join(camera.uri for camera in cameras)
