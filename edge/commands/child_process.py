"""Ends child processes, and reads what they have cost: processor time and memory."""

import resource
import subprocess
from pathlib import Path
from typing import Any


def end_process(process: "subprocess.Popen[Any]", stop_seconds: float) -> None:
    """End a process with SIGTERM, and with SIGKILL if it has not ended after `stop_seconds`.

    Returns once it has ended; one that has ended already is only waited for.
    """
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(stop_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def close_pipes(process: "subprocess.Popen[Any]") -> None:
    """Close the pipes from a process's standard output and standard error, where there are any."""
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def children_cpu_ms() -> float:
    """Return the processor time of all children that have ended and been waited for, in milliseconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (used.ru_utime + used.ru_stime)


def peak_resident_mb(pid: int) -> float | None:
    """Return the peak of resident memory so far, in units of 1024 * 1024 bytes; None where it is unknown.

    It is read from /proc, because the figure of wait4 starts with that of the process which forked.
    """
    try:
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return None
