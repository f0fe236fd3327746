"""Opens the chosen camera for a moment, and says what is seen: a face or none, how large, how bright.

No picture is kept, written or sent. Masks hide what they hide, and the light is on meanwhile.
"""

from dataclasses import dataclass
from typing import Final

from edge.capture.open import create_masked_source
from edge.capture.probe import probe_source
from edge.capture.source import SourceOptions
from edge.config.schema import Config
from edge.types import Frame
from edge.vision.detection.detector import Detector

_FRAMES: Final = 30
"""Frames that are read: cameras need about a second until exposure and white balance are right."""
_DARK: Final = 60
"""Mean luma below which a picture is called dark. Of 79 pictures of three clips, made darker, a face was found in 79
at a brightness of 70, 75 at 60, 48 at 55 and 43 at 50 (of the clip with the grinning man none from 55 on)."""
_BRIGHT: Final = 235
"""Mean luma above which a picture is called too bright. Of 31 pictures of one clip, made brighter, a face was found in
31 at a brightness of 234, 11 at 237 and none at 243."""


@dataclass(frozen=True, slots=True)
class CameraVerdict:
    """What was seen. `size`: width and height of the picture in pixels. `face_px`: width of the largest face, or None.

    `brightness`: mean luma, 0 to 255. `faces`: how many were found. `uri`: of the source that gave the picture.
    """

    size: tuple[int, int]
    brightness: float
    faces: int
    face_px: float | None
    uri: str

    @property
    def in_words(self) -> str:
        """Two or three sentences."""
        width, height = self.size
        light = f"brightness {self.brightness:.0f} of 255"
        if self.brightness < _DARK:
            light += ", too dark: add light"
        elif self.brightness > _BRIGHT:
            light += ", too bright: turn the camera away from the light"
        text = f"It gives pictures of {width}x{height} pixels ({light})."
        if self.face_px is None:
            return (
                f"{text} No face is in the picture now. Sit in front of the camera and set up again to see one found."
            )
        share = 100 * self.face_px / width
        found = "A face is found," if self.faces == 1 else f"{self.faces} faces are found; the largest is"
        return f"{text} {found} {self.face_px:.0f} pixels wide ({share:.0f} % of the picture)."


def try_camera(config: Config) -> CameraVerdict:
    """Open the source of a configuration, look at its last frame, and close it. Raises EdgeError."""
    source = create_masked_source(config, SourceOptions(config.source), lambda _: None)
    probe = probe_source(source, frames=_FRAMES)
    detector = Detector(config.detector)
    face_px, faces = max(_looked_at(frame, detector) for frame in (probe.first, probe.last))
    height, width = probe.last.luma.shape
    return CameraVerdict((width, height), float(probe.last.luma.mean()), faces, face_px or None, source.uri)


def _looked_at(frame: Frame, detector: Detector) -> tuple[float, int]:
    """Return the width of the largest face in pixels, 0 without one, and the number of faces."""
    # Without a second cascade nothing is verified.
    faces = [one for one in detector.detect(frame.luma, frame.in_colour) if one.verified is not False]
    return max((one.box.width for one in faces), default=0.0), len(faces)
