"""Plays the actor into the kernel's virtual camera: what is written to its output shows in its capture side.

Runs in the emulated device, by actor.service, with the system's Python and nothing else: actor.py FRAMES FPS.
"""

import re
import subprocess
import sys
import time
from pathlib import Path

OUTPUT, CAPTURE = "/dev/video1", "/dev/video0"
WIDTH, HEIGHT = 640, 480

# The camera's clock is that of its HDMI signal, 60 Hz. An emulated processor has no time for as many frames
# of its own, let alone for a sensor beside them; those that are dropped here cost nothing.
DROPPED_PERCENT = 92


def connect() -> None:
    """Lead the output into the input: up to Linux 6.10 a switch, then a menu whose last entry is our only output."""
    controls = subprocess.run(["v4l2-ctl", "-d", CAPTURE, "-L"], check=True, capture_output=True, text=True).stdout
    menu = re.search(r"hdmi_000_0_is_connected_to .*max=([0-9]+)", controls)
    loop = f"hdmi_000_0_is_connected_to={menu[1]}" if menu else "loop_video=1"
    no_text = "osd_text_mode=2"
    settings = (loop, no_text, f"percentage_of_dropped_buffers={DROPPED_PERCENT}")
    subprocess.run(["v4l2-ctl", "-d", CAPTURE, "-c", ",".join(settings)], check=True)


def main(frames: Path, fps: float) -> None:
    """Send frame after frame, over and over, until the device goes."""
    connect()
    # Not write(): the driver refuses it for its output.
    picture = f"width={WIDTH},height={HEIGHT},pixelformat=GREY"
    player = subprocess.Popen(
        ["v4l2-ctl", "-d", OUTPUT, f"--set-fmt-video-out={picture}", "--stream-out-mmap=3", "--stream-from=-"],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # a mark per frame
    )
    assert player.stdin is not None
    size = WIDTH * HEIGHT
    count = frames.stat().st_size // size
    began, number = time.monotonic(), 0
    with frames.open("rb") as stream:
        while True:
            stream.seek(number % count * size)
            player.stdin.write(stream.read(size))
            player.stdin.flush()
            # Late is late: what was missed is left out, or a slow machine would play in slow motion.
            number = max(number + 1, int((time.monotonic() - began) * fps))
            time.sleep(max(0.0, began + number / fps - time.monotonic()))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
