"""Keeps the account of the boot that runs in a file in memory, which outlives a killed process but no power cut.

The count of events must not cost a write to an SD card for each event. A file in /run costs
8 microseconds (one x86-64 core), most of them in Python.
"""

import contextlib
import logging
import os
import struct
import zlib
from pathlib import Path
from typing import Final

from edge.mqtt.outbox.account import BootAccount, RunRecord

_LOG: Final = logging.getLogger(__name__)

_MAGIC: Final = b"emRR"
_FORMAT: Final = struct.Struct("<4s64sQQQQQ")
"""Magic, boot id, and the counts of `RunRecord`. The file holds it and its CRC-32. It lies within one page, so a
process that is killed leaves the record before or after a write."""


class RunRecordFile:
    """The record in `file`; without a file every method does nothing. Not thread-safe.

    A record that cannot be written is removed: one that is out of date would claim to be exact.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._descriptor: int | None = None

    def read(self) -> RunRecord | None:
        """Return what the last process has left; None where there is nothing, or nothing that can be read."""
        if self._file is None:
            return None
        try:
            content = self._file.read_bytes()
        except OSError:
            return None
        if len(content) != _FORMAT.size + 4 or zlib.crc32(content[:-4]) != int.from_bytes(content[-4:], "little"):
            return None
        magic, boot_id, decided, settled, dropped, ahead, saved = _FORMAT.unpack(content[:-4])
        if magic != _MAGIC:
            return None
        boot = boot_id.rstrip(b"\0").decode(errors="replace")
        account = BootAccount(boot, decided, exact=True, settled=settled, dropped=dropped, ahead=ahead)
        return RunRecord(account, saved)

    def open(self) -> None:
        """Begin to write. The record of the last process is gone with the first `write`."""
        if self._file is None or self._descriptor is not None:
            return
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            _LOG.debug("%s cannot be written to: %s", self._file, error)

    def write(self, record: RunRecord) -> None:
        """Replace the record."""
        if self._descriptor is None:
            return
        account = record.account
        content = _FORMAT.pack(
            _MAGIC,
            account.boot_id.encode()[:64],
            account.decided,
            account.settled,
            account.dropped,
            account.ahead,
            record.saved,
        )
        try:
            os.pwrite(self._descriptor, content + zlib.crc32(content).to_bytes(4, "little"), 0)
        except OSError as error:
            _LOG.debug("%s cannot be written to: %s", self._file, error)
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            self.close()

    def close(self) -> None:
        """Close the file; the record stays."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
