"""Plays the actor's frames into the kernel's virtual camera: frames written to its output appear at its input.

Runs in the emulated device, started by actor.service, with the standard library only: actor.py FRAMES FPS.
"""

import re
import subprocess
import sys
import time
from pathlib import Path

OUTPUT, CAPTURE = "/dev/video1", "/dev/video0"
WIDTH, HEIGHT = 640, 480

# The camera runs at the 60 Hz of its HDMI signal. An emulated processor cannot handle that many frames beside the
# sensor; frames dropped here cost nothing.
DROPPED_PERCENT = 92


def connect() -> None:
    """Connect the output to the input: a switch up to Linux 6.10, later a menu whose last entry is the only output."""
    controls = subprocess.run(["v4l2-ctl", "-d", CAPTURE, "-L"], check=True, capture_output=True, text=True).stdout
    menu = re.search(r"hdmi_000_0_is_connected_to .*max=([0-9]+)", controls)
    loop = f"hdmi_000_0_is_connected_to={menu[1]}" if menu else "loop_video=1"
    no_text = "osd_text_mode=2"
    settings = (loop, no_text, f"percentage_of_dropped_buffers={DROPPED_PERCENT}")
    subprocess.run(["v4l2-ctl", "-d", CAPTURE, "-c", ",".join(settings)], check=True)


def main(frames: Path, fps: float) -> None:
    """Send the frames repeatedly until the device disappears."""
    connect()
    # v4l2-ctl, because the driver refuses write() for its output.
    picture = f"width={WIDTH},height={HEIGHT},pixelformat=GREY"
    player = subprocess.Popen(
        ["v4l2-ctl", "-d", OUTPUT, f"--set-fmt-video-out={picture}", "--stream-out-mmap=3", "--stream-from=-"],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # one character per frame
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
            # Late frames are skipped; otherwise a slow machine would play in slow motion.
            number = max(number + 1, int((time.monotonic() - began) * fps))
            time.sleep(max(0.0, began + number / fps - time.monotonic()))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
