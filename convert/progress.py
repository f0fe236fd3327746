"""Prints the progress of long measurements and training runs."""

import threading
import time
from collections.abc import Callable
from typing import Final, Self

PrintLine = Callable[[str], None]
"""Prints one line of text for the user at once."""
Tick = Callable[[int, int], None]
"""Called with the number of items done and the number of items in total."""

HEARTBEAT_SECONDS: Final = 10.0
"""Longest silence of a long step. Users are promised a line every 15 seconds, and a busy machine delays threads."""
_SECONDS_PER_MINUTE: Final = 60


def no_tick(done: int, total: int) -> None:
    """Count nothing: the `Tick` of a caller who wants no progress."""
    del done, total


def progress_text(name: str, done: int, total: int, elapsed_seconds: float) -> str:
    """Return a line on `done` (above 0) of `total` items, and on the minutes left at the average speed so far."""
    minutes = elapsed_seconds / done * (total - done) / _SECONDS_PER_MINUTE
    return f"{name}: {done} of {total}, about {minutes:.1f} minutes left"


class Heartbeat:
    """Prints what is being done whenever no line was printed for a while, from a thread of its own.

    Some steps take minutes and cannot report: loading, compiling, the first batch. Use it as a context manager, and
    print through `line`; outside the context `line` just prints.
    """

    def __init__(self, print_line: PrintLine, interval_seconds: float = HEARTBEAT_SECONDS) -> None:
        """Print through `print_line`, at the latest after `interval_seconds` without a line."""
        self._print_line, self._interval_seconds = print_line, interval_seconds
        self._describe: Callable[[], str] = lambda: ""
        # Reentrant: a signal handler of the main thread may print while `line` prints.
        self._changed = threading.Condition(threading.RLock())
        self._due = 0.0
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        """Start the thread."""
        self._due = time.monotonic() + self._interval_seconds
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the thread. No line is printed after this."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join()

    def status(self, what: str | Callable[[], str]) -> None:
        """Set what is printed from now on: a text, with the seconds since this call, or what a function returns.

        The function is called in the thread. It prints nothing by itself, and an empty text prints nothing.
        """
        describe = _with_elapsed(what) if isinstance(what, str) else what
        with self._changed:
            self._describe = describe

    def counted(self, name: str) -> Tick:
        """Make work called `name` the status, and return the function that counts it."""
        started, counts = time.monotonic(), (0, 0)

        def tick(done: int, total: int) -> None:
            nonlocal counts
            counts = (done, total)

        def describe() -> str:
            done, total = counts
            if not done:
                return f"{name}: {time.monotonic() - started:.0f} s so far"
            return progress_text(name, done, total, time.monotonic() - started)

        self.status(describe)
        return tick

    def step(self, text: str) -> None:
        """Print what begins now, and make it the status."""
        self.line(text)
        self.status(text)

    def line(self, text: str) -> None:
        """Print a line at once."""
        with self._changed:
            self._due = time.monotonic() + self._interval_seconds
            self._print_line(text)

    def _run(self) -> None:
        with self._changed:
            while not self._ended:
                left = self._due - time.monotonic()
                if left > 0:
                    self._changed.wait(left)
                    continue
                self._due = time.monotonic() + self._interval_seconds
                text = self._describe()
                try:
                    if text:
                        self._print_line(text)
                except OSError:
                    # A pipe that nobody reads any more. The next line of the work itself meets the same error, where
                    # it can be reported.
                    return


def _with_elapsed(text: str) -> Callable[[], str]:
    started = time.monotonic()
    return lambda: f"{text}, {time.monotonic() - started:.0f} s so far" if text else ""
