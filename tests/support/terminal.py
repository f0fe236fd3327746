"""Runs the real program as a person does: on a terminal of its own, where Ctrl-C is a key."""

import contextlib
import os
import re
import subprocess
import termios
import threading
from collections.abc import Iterator

from support.mqtt import wait_until
from support.program import COMMAND, TIMEOUT_SECONDS, environment

_CTRL_C = b"\x03"


class Terminal:
    """A program on a pseudo-terminal. `text`: what it has shown so far, standard output and standard error together."""

    def __init__(self, *arguments: object, size: tuple[int, int] | None = None, **changes: str) -> None:
        self._master, slave = os.openpty()
        if size is not None:
            self.resize(*size)
        # A session of its own whose terminal this is: without one, Ctrl-C reaches nobody.
        become_foreground = "import fcntl,os,sys,termios; os.setsid(); fcntl.ioctl(0,termios.TIOCSCTTY,0); "
        become_foreground += "os.execv(sys.argv[1], sys.argv[1:])"
        self.process = subprocess.Popen(
            [COMMAND[0], "-c", become_foreground, *COMMAND, *map(str, arguments)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment(**changes),
        )
        os.close(slave)
        self._shown = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def text(self) -> str:
        return self._shown.decode(errors="replace").replace("\r\n", "\n")

    @property
    def raw(self) -> str:
        """What it has shown so far, with every sequence that moves the cursor."""
        return self._shown.decode(errors="replace")

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    def wait(self, pattern: str) -> None:
        """Wait until a line matches."""
        wait_until(lambda: re.search(pattern, self.text) is not None or self.process.poll() is not None)
        assert re.search(pattern, self.text), self.text

    def type(self, text: str) -> None:
        """Type a line, and Enter. A surrogate stands for a byte that is not UTF-8 (PEP 383)."""
        os.write(self._master, f"{text}\n".encode(errors="surrogateescape"))

    def press(self, keys: str) -> None:
        """Press keys, without Enter."""
        os.write(self._master, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        """Give the terminal another size."""
        termios.tcsetwinsize(self._master, (lines, columns))

    def answer(self, question: str, text: str) -> None:
        """Wait for a question, which matches the end of what is shown, and type the answer."""
        self.wait(f"{question}[^\n]*: $")
        self.type(text)

    @property
    def screens(self) -> list[list[str]]:
        """What a program that redraws its screen has shown: the lines of each time, without attributes."""
        drawn = self._shown.decode(errors="replace").split("\x1b[H")[1:]
        # The last one may not be complete yet.
        whole = (each.partition("\x1b[J")[0] for each in drawn if "\x1b[J" in each)
        return [re.split(r"\r*\n", re.sub(r"\x1b\[\d*[mK]", "", each)) for each in whole]

    def wait_screen(self, pattern: str) -> list[str]:
        """Wait until the last screen matches; return its lines."""

        def matches() -> bool:
            return bool(self.screens) and re.search(pattern, "\n".join(self.screens[-1])) is not None

        wait_until(lambda: matches() or self.process.poll() is not None)
        assert matches(), self.text
        return self.screens[-1]

    @property
    def echoes(self) -> bool:
        """Whether the terminal shows what is typed."""
        return bool(termios.tcgetattr(self._master)[3] & termios.ECHO)

    def press_ctrl_c(self) -> None:
        os.write(self._master, _CTRL_C)

    def end(self) -> int:
        """Wait for the end of the program; returns its exit code."""
        code = self.process.wait(TIMEOUT_SECONDS)
        self._reader.join(TIMEOUT_SECONDS)
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join(TIMEOUT_SECONDS)
        os.close(self._master)

    def _read(self) -> None:
        # Linux reports the end as an error, once no process has the terminal open.
        with contextlib.suppress(OSError):
            while data := os.read(self._master, 65_536):
                self._shown += data


@contextlib.contextmanager
def on_terminal(*arguments: object, size: tuple[int, int] | None = None, **changes: str) -> Iterator[Terminal]:
    terminal = Terminal(*arguments, size=size, **changes)
    try:
        yield terminal
    finally:
        terminal.close()
