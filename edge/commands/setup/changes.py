"""Writes the files that setup changes, and puts everything back where it is interrupted or fails."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from edge.errors import StateFileError
from edge.system.files import replace_file

_BACKUP: Final = ".before-setup"
_FOLDER_MODE: Final = 0o755
_SECRET_FOLDER_MODE: Final = 0o700
CONFIG_MODE: Final = 0o644
"""Mode of a new configuration: the service's user reads it, and no key holds a secret."""
SECRET_MODE: Final = 0o600


@dataclass
class Changes:
    """The files that were written, and what was there before."""

    _before: list[tuple[Path, bytes | None, os.stat_result | None]] = field(default_factory=list)
    _made: list[Path] = field(default_factory=list)

    def write(self, file: Path, content: bytes, mode: int) -> None:
        """Write a file; it is never there in part. Raises StateFileError.

        `mode`: of a new file, and of a secret in any case; another one keeps its mode and owner. What a link leads to
        is written, and the link stays.
        """
        file = Path(os.path.realpath(file))
        try:
            self._make_folder(file.parent, _SECRET_FOLDER_MODE if mode == SECRET_MODE else _FOLDER_MODE)
            before, status = (file.read_bytes(), file.stat()) if file.exists() else (None, None)
            self._before.append((file, before, status))
            _write(file, content, mode if status is None or mode == SECRET_MODE else status.st_mode & 0o777, status)
        except OSError as error:
            raise StateFileError(
                f"{file} cannot be written ({error.strerror}): check the rights of its folder"
            ) from error

    def keep_copy(self, file: Path) -> Path:
        """Copy a file beside itself under a name that is not in use, and return the copy. Raises StateFileError."""
        copies = (file.with_name(f"{file.name}{_BACKUP}{'' if n == 1 else f'-{n}'}") for n in range(1, 1000))
        copy = next(one for one in copies if not os.path.lexists(one))
        self.write(copy, file.read_bytes(), file.stat().st_mode & 0o777)
        return copy

    def undo(self) -> None:
        """Put everything back as it was."""
        while self._before:
            file, content, status = self._before.pop()
            if content is None or status is None:
                file.unlink(missing_ok=True)
            else:
                _write(file, content, status.st_mode & 0o777, status)
        while self._made:
            with contextlib.suppress(OSError):
                self._made.pop().rmdir()

    def _make_folder(self, folder: Path, mode: int) -> None:
        missing = [one for one in (folder, *folder.parents) if not one.exists()]
        for one in reversed(missing):
            one.mkdir()
            self._made.append(one)
            # Not by mkdir, from whose mode root's mask is taken away: the service must get at the configuration.
            one.chmod(mode if one == folder else _FOLDER_MODE)


@contextlib.contextmanager
def undone_when_interrupted(changes: Changes, undo_more: Callable[[], None]) -> Iterator[None]:
    """Undo the changes where this context ends with an exception; Ctrl-C, SIGTERM and the end of the terminal are.

    `undo_more` is called after the files are as they were. While all this is undone, none of these signals ends it.
    """
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        signal.signal(number, _interrupt)
    try:
        yield
    except BaseException:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        changes.undo()
        undo_more()
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    raise KeyboardInterrupt


def _write(file: Path, content: bytes, mode: int, like: os.stat_result | None) -> None:
    """Replace a file. `like`: has the owner and the group of the new one; None: this process'."""

    def write(partial: Path) -> None:
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as stream:
            if like is not None:
                os.fchown(descriptor, like.st_uid, like.st_gid)
            os.fchmod(descriptor, mode)
            stream.write(content)

    replace_file(file, write)
