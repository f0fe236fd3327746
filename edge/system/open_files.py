"""Finds which programs have a file open, such as a camera that one program at a time can use."""

import os
from pathlib import Path


def programs_with(file: Path, proc: Path = Path("/proc")) -> list[str]:
    """Return the programs that have `file` open, each as "name (process 12)"; without this process.

    Root sees all of them, other users only their own: the list may be empty although the file is in use. `proc`: the
    folder of processes (proc(5)).
    """
    others = sorted(int(name) for name in _processes(proc) if int(name) != os.getpid())
    return [f"{_name(proc / str(each))} (process {each})" for each in others if _has_open(proc / str(each), file)]


def _processes(proc: Path) -> list[str]:
    try:
        return [folder.name for folder in proc.iterdir() if folder.name.isdigit()]
    except OSError:
        return []


def _has_open(process: Path, file: Path) -> bool:
    try:
        return any(os.readlink(entry) == str(file) for entry in os.scandir(process / "fd"))  # noqa: PTH115
    except OSError:  # another user's, or ended meanwhile
        return False


def _name(process: Path) -> str:
    """Return the name of a program: of an interpreter, that of the script that it runs."""
    try:
        arguments = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
        name = (process / "comm").read_text(errors="replace").strip()
    except OSError:
        return "a program"
    script = arguments[1] if len(arguments) > 1 else ""
    return Path(script).name if name.startswith("python") and script and not script.startswith("-") else name
