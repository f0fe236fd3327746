"""Stores the calm face of a place: what is subtracted from each label, since when, and for which model."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from edge.errors import ConfigError
from edge.system.files import sync_folder, write_atomically

_MAX_FILE_BYTES: Final = 262_144
"""Longest file that is read. One of seven labels has 300 bytes, and a model may have a thousand."""


class StoredCalmFace(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Content of the file. Nothing in it is about a person: no track, no picture, no features of a face.

    `log_odds`: what is subtracted from each label of the model with that `model_sha256`. `since`: RFC 3339, UTC.
    """

    schema: Literal[1] = 1
    since: Annotated[str, Meta(min_length=1, max_length=40)]
    model_sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    log_odds: Mapping[str, Annotated[float, Meta(ge=0, le=100)]]


@dataclass(frozen=True, slots=True)
class CalmFaceFile:
    """The file of one sensor. With None nothing is stored."""

    file: Path | None

    def read(self) -> StoredCalmFace | None:
        """Return what is kept; None where there is no file. Raises ConfigError where it is damaged or unreadable."""
        if self.file is None:
            return None
        try:
            with self.file.open("rb") as stream:
                data = stream.read(_MAX_FILE_BYTES + 1)
            if len(data) > _MAX_FILE_BYTES:
                raise ValueError(f"it has more than {_MAX_FILE_BYTES} bytes")  # noqa: TRY301 - reported like the others
            return msgspec.json.decode(data, type=StoredCalmFace)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(f"calm face file {self.file} cannot be read: {error.strerror}") from None
        except (ValueError, RecursionError) as error:
            reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
            raise ConfigError(
                f"calm face file {self.file} is damaged ({reason}): the next request/calibrate replaces it"
            ) from None

    def write(self, content: StoredCalmFace | None) -> None:
        """Replace what is kept; None removes it. On disk when this returns. Raises ConfigError, and changes nothing."""
        if self.file is None:
            return
        try:
            if content is None:
                self.file.unlink(missing_ok=True)
            else:
                write_atomically(self.file, msgspec.json.format(msgspec.json.encode(content)) + b"\n")
            if self.file.parent.exists():
                sync_folder(self.file.parent)
        except OSError as error:
            raise ConfigError(
                f"calm face file {self.file} cannot be written ({error.strerror}): nothing was changed"
            ) from None
