"""Takes a terminal over for a screen of its own: keys one by one, the screen line by line, and back at the end.

Plain escape sequences that every terminal of the last decades knows, in place of `curses`: that would draw one line
after another as well, wants a description of the terminal that minimal systems lack, and keeps its state globally.
"""

import codecs
import os
import select
import termios
import tty
from collections.abc import Mapping, Sequence
from typing import Any, Final, Self, TextIO

from edge.logs.setup import is_terminal

_ENTER: Final = "\x1b[?1049h\x1b[?25l"
_LEAVE: Final = "\x1b[?25h\x1b[?1049l"
"""The other screen without a cursor, and back."""
_HOME, _END_OF_LINE, _BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
_SEQUENCES: Final[Mapping[str, str]] = {
    "\x1b[5~": "page_up",
    "\x1b[6~": "page_down",
    "\x1b[A": "up",
    "\x1b[B": "down",
    "\x1bOA": "up",
    "\x1bOB": "down",
    "\x1b[H": "home",
    "\x1b[F": "end",
    "\x1b[1~": "home",
    "\x1b[4~": "end",
}
_KEYS: Final[Mapping[str, str]] = {
    "\r": "enter",
    "\n": "enter",
    "\x7f": "backspace",
    "\x08": "backspace",
    "\x1b": "escape",
}
_USUAL_SIZE: Final = (80, 24)
_READ_BYTES: Final = 1024


def parse_keys(text: str) -> list[str]:
    """Return the keys in what a terminal sent at once, each a letter or a word. Unknown sequences are left out."""
    keys = []
    while text:
        known = next((one for one in _SEQUENCES if text.startswith(one)), None)
        if known is not None:
            keys.append(_SEQUENCES[known])
            text = text[len(known) :]
        elif text.startswith(("\x1b[", "\x1bO")):
            # Parameters, then one letter or a tilde ends the sequence (ECMA-48).
            end = next((at for at, letter in enumerate(text[2:], 2) if "@" <= letter <= "~"), len(text))
            text = text[end + 1 :]
        else:
            keys.append(_KEYS.get(text[0], text[0]))
            text = text[1:]
    return keys


def can_be_screen(keys: TextIO, screen: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether keys can be read and a screen be drawn: on a terminal that knows escape sequences."""
    return is_terminal(keys) and is_terminal(screen) and environ.get("TERM") != "dumb"


def terminal_size(screen: TextIO) -> tuple[int, int]:
    """Return columns and lines of a terminal now; those of old terminals where it does not say.

    $COLUMNS and $LINES do not count: a shell that exports them does not change them with the window.
    """
    columns, lines = os.get_terminal_size(screen.fileno())
    return columns or _USUAL_SIZE[0], lines or _USUAL_SIZE[1]


class TerminalScreen:
    """The terminal of `keys` and `screen`, taken over while this context lasts."""

    def __init__(self, keys: TextIO, screen: TextIO) -> None:
        self._keys, self._screen = keys.fileno(), screen
        self._before: list[Any] = []
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._shown: list[str] = []
        self._ended = False

    def __enter__(self) -> Self:
        """Take the terminal over. Ctrl-C stays a signal; Ctrl-Z, which would leave the shell on this screen, is off."""
        self._before = termios.tcgetattr(self._keys)
        tty.setcbreak(self._keys)
        changed = termios.tcgetattr(self._keys)
        changed[6][termios.VSUSP] = b"\0"
        termios.tcsetattr(self._keys, termios.TCSADRAIN, changed)
        self._write(_ENTER)
        return self

    def __exit__(self, *_: object) -> None:
        """Give it back as it was."""
        self._write(_LEAVE)
        termios.tcsetattr(self._keys, termios.TCSADRAIN, self._before)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines."""
        return terminal_size(self._screen)

    @property
    def ended(self) -> bool:
        """Whether the terminal has gone: nothing more can be read."""
        return self._ended

    def draw(self, lines: Sequence[str]) -> None:
        """Show these lines, where they are not shown already."""
        if list(lines) != self._shown:
            self._shown = list(lines)
            self._write(_HOME + "\r\n".join(f"{line}{_END_OF_LINE}" for line in lines) + _BELOW)

    def wait_keys(self, timeout_seconds: float) -> list[str]:
        """Return the keys that were pressed, after `timeout_seconds` at most."""
        if not select.select([self._keys], [], [], timeout_seconds)[0]:
            return []
        try:
            data = os.read(self._keys, _READ_BYTES)
        except OSError:
            data = b""
        self._ended = not data
        return parse_keys(self._decoder.decode(data))

    def _write(self, text: str) -> None:
        self._screen.write(text)
        self._screen.flush()
