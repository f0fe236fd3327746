"""Shows the sensor a calm face: starts the look of five seconds, keeps what comes of it, and resets it.

Used by the pipeline's thread alone, after construction.
"""

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, Protocol

import numpy as np
from msgspec import Meta, Struct

from edge.config.schema import Config
from edge.config.state_dir import calm_face_file
from edge.errors import ConfigError, EdgeError
from edge.messages.calm_face import CalmFaceInfo
from edge.messages.payload_builder import timestamp
from edge.system.kept_file import KeptFile
from edge.types import SourceState
from edge.vision.calm_face import BOUND, CalmFaceLook, CalmShift, neutral_label, offsets_of
from edge.vision.classification.manifest import Manifest

_LOG: Final = logging.getLogger(__name__)


class CalmPipeline(Protocol):
    """The part of the pipeline that a calm face needs."""

    calm_face: CalmShift | None
    look: CalmFaceLook | None


class CalmFaceError(EdgeError):
    """There is no calm face; the message is the reason."""


class StoredCalmFace(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Content of the file. Nothing in it is about a person: no track, no picture, no features of a face.

    `log_odds`: what is subtracted from each label of the model with that `model_sha256`. `since`: RFC 3339, UTC.
    """

    schema: Literal[1] = 1
    since: Annotated[str, Meta(min_length=1, max_length=40)]
    model_sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    log_odds: Mapping[str, Annotated[float, Meta(ge=0, le=100)]]


class CalmFaceFile(KeptFile[StoredCalmFace]):
    """The file of one sensor's calm face. Where its path is None nothing is kept."""

    def __init__(self, file: Path | None) -> None:
        super().__init__(file, StoredCalmFace, name="calm face", remedy="the next request/calibrate replaces it")


class CalmFace:
    """The calm face of the place of one sensor. Construction reads the file, and never fails over what is in it.

    `manifest`: of the model. `unix`: as `time.time`. `changed` is called after each change; the daemon sets it.
    """

    def __init__(self, manifest: Manifest, file: CalmFaceFile, unix: Callable[[], float] = time.time) -> None:
        self._manifest, self.file, self._unix = manifest, file, unix
        self._neutral = neutral_label(manifest.labels)
        self._pipeline: CalmPipeline | None = None
        self._source: Callable[[], SourceState] = lambda: "opening"
        self.changed: Callable[[], object] = lambda: None
        self.ignored: str | None = None
        """Why a calm face that is kept is not in force; None where it is."""
        self._kept = self._read()

    @property
    def shift(self) -> CalmShift | None:
        """What is subtracted from each reading; None where no calm face is in force."""
        if self._kept is None or self._neutral is None:
            return None
        lowered = [min(self._kept.log_odds[label], BOUND) for label in self._manifest.labels]
        lowered[self._neutral] = 0.0
        return CalmShift(np.array(lowered), self._neutral)

    @property
    def info(self) -> CalmFaceInfo:
        """What `info` says of it."""
        possible = self._neutral is not None and bool(self._manifest.neutral_reading)
        return CalmFaceInfo(possible=possible, since=None if self._kept is None else self._kept.since)

    def attach(self, pipeline: CalmPipeline, source: Callable[[], SourceState]) -> None:
        """Shift the readings of `pipeline` from now on. `source`: returns the state of the camera."""
        self._pipeline, self._source = pipeline, source
        pipeline.calm_face = self.shift

    def use(self, manifest: Manifest) -> None:
        """Be the calm face of another model from now on: what was shown to the one before is not in force with it."""
        self._manifest, self.ignored = manifest, None
        self._neutral = neutral_label(manifest.labels)
        self._kept = self._read()
        if self._pipeline is not None:
            self._pipeline.look, self._pipeline.calm_face = None, self.shift

    def log_kept(self) -> None:
        """Log which calm face is in force, or why the one that is kept is not."""
        if self.ignored is not None:
            _LOG.warning("calm face that is not in force: %s", self.ignored)
        elif self._kept is not None:
            _LOG.info("readings are shifted by the calm face that was shown here on %s", self._kept.since)

    def start(self) -> None:
        """Begin to look. Raises CalmFaceError where that is not possible now."""
        model = self._manifest.name
        if self._neutral is None:
            raise CalmFaceError(f"the model {model} has no label neutral, so no calm face can be shown to it")
        if not self._manifest.neutral_reading:
            raise CalmFaceError(
                f"the manifest of the model {model} has no neutral_reading, so no calm face can be compared to it"
            )
        if self._pipeline is None:
            raise CalmFaceError("the sensor has not started yet")
        self._check_camera()
        if self._pipeline.look is not None:
            raise CalmFaceError("the sensor is looking already: wait for its answer")
        self._pipeline.look = CalmFaceLook(self._neutral)

    def finish(self) -> bool:
        """Return whether the look has ended with a calm face, which is in force and kept then.

        Raises CalmFaceError where it has ended without one, and ConfigError where that cannot be kept; both change
        nothing. Call it only after `start`, between two frames, until it returns true or raises.
        """
        if self._pipeline is None or self._pipeline.look is None:
            raise CalmFaceError("the sensor has ended the look")
        look = self._pipeline.look
        try:
            if not look.ended:
                self._check_camera()
                return False
            self._keep(look)
        except BaseException:  # a look that stayed would refuse every later one
            self._pipeline.look = None
            raise
        self._pipeline.look = None
        return True

    def reset(self) -> None:
        """Subtract nothing from now on, and remove what is kept. Raises ConfigError, and changes nothing then."""
        self.file.write(None)
        had = self._kept is not None or self.ignored is not None
        self._put(None)
        if had:
            _LOG.info("calm face reset by request")

    def _keep(self, look: CalmFaceLook) -> None:
        reading = self._manifest.neutral_reading
        if look.mean is None or not reading or self._neutral is None:
            raise CalmFaceError(look.refusal or "the model has no neutral reading")
        reference = np.asarray(reading.log_odds) - reading.log_odds[self._neutral]
        offsets = offsets_of(look.mean, reference)
        content = StoredCalmFace(
            since=timestamp(self._unix()),
            model_sha256=self._manifest.sha256,
            log_odds={label: round(float(one), 4) for label, one in zip(self._manifest.labels, offsets, strict=True)},
        )
        self.file.write(content)
        self._put(content)
        lowered = [f"{label} by {one:.2f}" for label, one in content.log_odds.items() if one]
        _LOG.info("calm face kept; log-odds lowered: %s", ", ".join(lowered) or "none, the model reads it as neutral")

    def _put(self, content: StoredCalmFace | None) -> None:
        self._kept, self.ignored = content, None
        if self._pipeline is not None:
            self._pipeline.calm_face = self.shift
        self.changed()

    def _check_camera(self) -> None:
        state = self._source()
        if state != "ok":
            reason = {"paused": "the sensor is paused", "ended": "the source has ended"}
            raise CalmFaceError(reason.get(state, f"the camera gives no pictures (it is {state})"))

    def _read(self) -> StoredCalmFace | None:
        try:
            kept = self.file.read()
        except ConfigError as error:
            self.ignored = str(error)
            return None
        if kept is None:
            return None
        if kept.model_sha256 != self._manifest.sha256 or set(kept.log_odds) != set(self._manifest.labels):
            self.ignored = (
                f"{self.file.file} is of another model than {self._manifest.name}: request/calibrate replaces it, and "
                'with {"reset": true} removes it'
            )
            return None
        return kept


def create_calm_face(config: Config, device: str, manifest: Manifest) -> CalmFace:
    """Return the calm face of the place of `device`. Raises ConfigError if `mqtt.outbox_directory` cannot be used."""
    return CalmFace(manifest, CalmFaceFile(calm_face_file(config.mqtt, device)))
