"""Check of the source `picamera:`, with the real picamera2 and libcamera's virtual camera."""

import json
from typing import Final

from .actor_frames import EMOTIONS
from .rig import CURRENT, UNIT, Rig, ensure

_FRAMES: Final = 30
_SETTINGS: Final = (
    "EMOTION_EDGE_BUDGET_LATENCY_MS=10000 EMOTION_EDGE_DETECTOR_MIN_FACE=0.3 EMOTION_EDGE_TRACKER_LOST_SECONDS=10"
)
_CONFIG: Final = "/usr/share/libcamera/pipeline/virtual"


def picamera(rig: Rig) -> str:
    """The source picamera:0 works with picamera2 on libcamera's virtual camera."""
    device = rig.device
    if not rig.exists("/mnt/picamera2"):
        return "skipped: this suite's libcamera has no virtual camera"
    device.run_checked(f"mkdir -p {_CONFIG} && cp /mnt/virtual.yaml {_CONFIG}/ && systemctl stop {UNIT}")
    program = f"{CURRENT}/bin/python /mnt/virtual_camera.py /mnt/picamera2"
    run = f"{_SETTINGS} {program} run --source picamera:0 --max-frames {_FRAMES}"
    output = device.run_checked(f"{run} 2>/run/picamera.log || tail -n 30 /run/picamera.log", 300)
    events = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    ensure(events, f"no event: {output}")
    ensure(events[0]["type"] == "face_appeared", f"the first event is {events[0]}")
    ensure(EMOTIONS[0] in {event["emotion"] for event in events}, f"no event shows {EMOTIONS[0]}: {events}")
    return f"{len(events)} event(s) of {_FRAMES} frames, {events[0]['emotion']}"
