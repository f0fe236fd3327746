"""The check of the source `picamera:`, with the real picamera2 and a libcamera that has a virtual camera."""

import json
from typing import Final

from .actor_frames import EMOTIONS
from .bench import CURRENT, UNIT, Bench, ensure

_FRAMES: Final = 30
_SETTINGS: Final = (
    "EMOTION_EDGE_BUDGET_LATENCY_MS=10000 EMOTION_EDGE_DETECTOR_MIN_FACE=0.3 EMOTION_EDGE_TRACKER_LOST_SECONDS=10"
)
_CONFIG: Final = "/usr/share/libcamera/pipeline/virtual"


def picamera(bench: Bench) -> str:
    """picamera2 on libcamera's virtual camera, as source picamera:0."""
    device = bench.device
    if not bench.there("/mnt/picamera2"):
        return "left out: this suite's libcamera has no virtual camera"
    device.tell(f"mkdir -p {_CONFIG} && cp /mnt/virtual.yaml {_CONFIG}/ && systemctl stop {UNIT}")
    program = f"{CURRENT}/bin/python /mnt/virtual_camera.py /mnt/picamera2"
    run = f"{_SETTINGS} {program} run --source picamera:0 --max-frames {_FRAMES}"
    said = device.tell(f"{run} 2>/run/picamera.log || tail -n 30 /run/picamera.log", 300)
    events = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    ensure(events, f"no event: {said}")
    ensure(events[0]["type"] == "face_appeared", f"the first event is {events[0]}")
    ensure(EMOTIONS[0] in {event["emotion"] for event in events}, f"no event shows {EMOTIONS[0]}: {events}")
    return f"{len(events)} event(s) of {_FRAMES} frames, {events[0]['emotion']}"
