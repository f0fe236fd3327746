"""Measure what the page costs the pipeline: processor time of its thread per frame, watched and unwatched in turn.

Runs the program on the scripted source, in real time, and goes round three situations: nobody watches, three
pages watch, three watch and a fourth has stopped reading. Prints milliseconds per frame of each round, and the
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
    """The running sensor. `port`: where its page is."""

    def __init__(self) -> None:
        """Start it, and wait until it watches."""
        changes = {"EMOTION_EDGE_PREVIEW_PORT": "0", "EMOTION_EDGE_BUDGET_LATENCY_MS": "10000"}
        self.process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "edge.cli", "run", "--preview", "--source", SOURCE],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **changes},
        )
        said = ""
        while "watching" not in said:
            line = self.process.stderr.readline() if self.process.stderr else ""
            if not line:
                sys.exit(f"the program does not start: {said}")
            said += line
        self.port = int(re.findall(r"http://[^/]*:(\d+)/", said)[0])

    def frames(self) -> float:
        """Return how many frames it has processed."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_SECONDS)
        connection.request("GET", "/metrics")
        found = re.search(rb"(?m)^emotion_edge_frames_total (\S+)", connection.getresponse().read())
        connection.close()
        return float(found[1]) if found else 0.0

    def spent_ms(self, *, all_threads: bool = False) -> float:
        """Return processor time so far, of the pipeline's thread or of all."""
        folder = Path(f"/proc/{self.process.pid}/task")
        tasks = folder.iterdir() if all_threads else [folder / str(self.process.pid)]
        return sum(int((task / "schedstat").read_text(encoding="ascii").split()[0]) for task in tasks) / 1e6

    def resident_mb(self) -> float:
        """Return what it holds in memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024


def reader(port: int, pictures: list[int], number: int) -> http.client.HTTPConnection:
    """Watch, from a thread of this process."""
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
    """Let so many watch, and so many connect and read nothing; gives the pictures that each reader got."""
    pictures = [0] * readers
    connections = [reader(port, pictures, number) for number in range(readers)]
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
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="of each situation (default: 5)")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each (default: 10)")
    arguments = parser.parse_args()
    situations = {"nobody": (0, 0), f"{READERS} watch": (READERS, 0), "and one is stuck": (READERS, 1)}
    per_frame: dict[str, list[float]] = {name: [] for name in situations}
    others: dict[str, list[float]] = {name: [] for name in situations}
    program = Program()
    try:
        time.sleep(3)  # the start is measured by nobody
        for _ in range(arguments.rounds):
            for name, (readers, stuck) in situations.items():
                with watching(program.port, readers, stuck) as pictures:
                    time.sleep(0.5)
                    frames, spent, everything = program.frames(), program.spent_ms(), program.spent_ms(all_threads=True)
                    time.sleep(arguments.seconds)
                    done = program.frames() - frames
                    mine = program.spent_ms() - spent
                    all_of_it = program.spent_ms(all_threads=True) - everything
                per_frame[name].append(mine / done)
                others[name].append((all_of_it - mine) / done)
                got = min(pictures) / arguments.seconds if pictures else 0
                print(
                    f"{name:<18} {mine / done:6.3f} ms per frame, {got:4.1f} pictures/s, "
                    f"{program.resident_mb():.0f} MB",
                    flush=True,
                )
    finally:
        program.process.send_signal(signal.SIGTERM)
        program.process.wait()
    base = statistics.median(per_frame["nobody"])
    print("\nmedian, and against nobody; the other threads beside it")
    for name, values in per_frame.items():
        median, beside = statistics.median(values), statistics.median(others[name])
        print(f"{name:<18} {median:6.3f} ms per frame  x{median / base:.3f}   others {beside:.3f} ms")


if __name__ == "__main__":
    main()
