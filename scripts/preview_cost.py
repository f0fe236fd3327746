"""Measures what the preview page costs the pipeline: processor time of its thread per frame, with and without watchers.

Runs the program on the scripted source, in real time, and alternates between three situations: no page is open, three
pages are open, three are open and a fourth has stopped reading. Prints milliseconds per frame of each round, and the
ratios of the medians. The pipeline's thread is the process' main thread; the kernel counts its time in
nanoseconds (/proc/PID/task/TID/schedstat).
"""

import argparse
import contextlib
import http.client
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

SOURCE = "scripted:happy=2,surprise=2,sad=2,angry=2?seed=5&fps=25&loop=1"
READERS = 3
START_SECONDS = 60.0


class Program:
    """The running sensor. `port`: port of its page."""

    def __init__(self) -> None:
        """Start it, and wait until it processes frames."""
        changes = {"EMOTION_EDGE_PREVIEW_PORT": "0", "EMOTION_EDGE_BUDGET_LATENCY_MS": "10000"}
        self.process = subprocess.Popen(  # noqa: S603 - this project's own command
            [sys.executable, "-m", "edge.cli", "run", "--preview", "--source", SOURCE],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **changes},
        )
        log = ""
        while "sensor started" not in log:
            line = self.process.stderr.readline() if self.process.stderr else ""
            if not line:
                sys.exit(f"the program does not start: {log}")
            log += line
        self.port = int(re.findall(r"http://[^/]*:(\d+)/", log)[0])

    def frames(self) -> float:
        """Return the number of frames processed so far."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_SECONDS)
        connection.request("GET", "/metrics")
        found = re.search(rb"(?m)^emotion_edge_frames_total (\S+)", connection.getresponse().read())
        connection.close()
        return float(found[1]) if found else 0.0

    def processor_ms(self, *, all_threads: bool = False) -> float:
        """Return the processor time so far, of the pipeline's thread or of all threads."""
        folder = Path(f"/proc/{self.process.pid}/task")
        tasks = folder.iterdir() if all_threads else [folder / str(self.process.pid)]
        return sum(int((task / "schedstat").read_text(encoding="ascii").split()[0]) for task in tasks) / 1e6

    def resident_mb(self) -> float:
        """Return its resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024


def open_reader(port: int, pictures: list[int], number: int) -> http.client.HTTPConnection:
    """Open the stream and read it in a thread of this process; counts the pictures in `pictures[number]`."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/stream")
    answer = connection.getresponse()

    def read() -> None:
        with contextlib.suppress(OSError, AttributeError, ValueError, http.client.HTTPException):
            while data := answer.read1(65_536):
                pictures[number] += data.count(b"\xff\xd8\xff")

    threading.Thread(target=read, daemon=True).start()
    return connection


@contextlib.contextmanager
def watching(port: int, readers: int, stuck: int) -> Iterator[list[int]]:
    """Open `readers` streams that are read and `stuck` ones that are not; yields the pictures that each reader got."""
    pictures = [0] * readers
    connections = [open_reader(port, pictures, number) for number in range(readers)]
    for _ in range(stuck):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/stream")
        connections.append(connection)
    try:
        yield pictures
    finally:
        for connection in connections:
            if connection.sock:
                connection.sock.close()
            connection.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each situation (default: 5)")
    parser.add_argument("--seconds", type=float, default=10.0, help="seconds for each situation (default: 10)")
    arguments = parser.parse_args()
    situations = {"no page": (0, 0), f"{READERS} pages": (READERS, 0), "and one stuck": (READERS, 1)}
    per_frame: dict[str, list[float]] = {name: [] for name in situations}
    other_threads: dict[str, list[float]] = {name: [] for name in situations}
    program = Program()
    try:
        time.sleep(3)  # the start is not measured
        for _ in range(arguments.rounds):
            for name, (readers, stuck) in situations.items():
                with watching(program.port, readers, stuck) as pictures:
                    time.sleep(0.5)
                    frames_before = program.frames()
                    pipeline_before = program.processor_ms()
                    total_before = program.processor_ms(all_threads=True)
                    time.sleep(arguments.seconds)
                    frames = program.frames() - frames_before
                    pipeline_ms = program.processor_ms() - pipeline_before
                    total_ms = program.processor_ms(all_threads=True) - total_before
                per_frame[name].append(pipeline_ms / frames)
                other_threads[name].append((total_ms - pipeline_ms) / frames)
                got = min(pictures) / arguments.seconds if pictures else 0
                print(
                    f"{name:<18} {pipeline_ms / frames:6.3f} ms per frame, {got:4.1f} pictures/s, "
                    f"{program.resident_mb():.0f} MB",
                    flush=True,
                )
    finally:
        program.process.send_signal(signal.SIGTERM)
        program.process.wait()
    base = statistics.median(per_frame["no page"])
    print("\nmedian, ratio to no page, and the other threads")
    for name, values in per_frame.items():
        median, beside = statistics.median(values), statistics.median(other_threads[name])
        print(f"{name:<18} {median:6.3f} ms per frame  x{median / base:.3f}   others {beside:.3f} ms")


if __name__ == "__main__":
    main()
