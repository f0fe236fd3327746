"""Parses the script of the scripted source: which emotion is shown, when, and how the head is tilted."""

import re
from dataclasses import dataclass

from edge.errors import SourceError

EMOTIONS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
"""Emotions that the actor can show, in the order of the composite faces in the package's `actor.png`."""
NO_ACTOR = "none"
"""Name of a segment in which the actor is out of view."""

DEFAULT_SEGMENTS = "neutral=3,happy=3,surprise=3,sad=3,happy=2.5,angry=3,neutral=2.5,none=2"
"""Default script, about twenty seconds: six changes over five emotions, and an empty scene at the end."""
DEFAULT_FPS = 15.0
DEFAULT_SEED = 1

MORPH_SECONDS = 0.4
"""Duration of a change of expression, about that of a real face."""

TILT_PERIOD_SECONDS = 8.0
"""Duration of a tilt there and back: between -45 and 45 degrees at most 45 degrees a second."""

_MAX_TILT_DEGREES = 90.0
_MAX_FPS = 120.0
_MAX_SECONDS = 86_400.0
_MAX_SEED = 2**32 - 1
_NUMBER = re.compile(r"[0-9]+(\.[0-9]*)?|\.[0-9]+", re.ASCII)
_OPTIONS = ("seed", "fps", "loop", "tilt")
_TILT_RANGE = ".."


def source_in_words(uri: str) -> str:
    """Return how a text calls a source: "the built-in actor", with the script if there is one, else the URI."""
    scheme, _, script = uri.partition(":")
    if scheme.lower() != "scripted":
        return uri
    return f"the built-in actor ({uri})" if script else "the built-in actor"


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a script: `emotion` (or "none") is shown from `start_seconds` up to `end_seconds`."""

    emotion: str
    start_seconds: float
    end_seconds: float

    @property
    def morph_seconds(self) -> float:
        """Duration of the change from the segment before, at the beginning of this one."""
        return min(MORPH_SECONDS, self.end_seconds - self.start_seconds)


@dataclass(frozen=True, slots=True)
class Script:
    """A script: segments that follow each other without a gap, from 0.

    `fps`: frames per second. `seed` varies background, noise and movement. `loop`: repeat without end. `tilt_degrees`:
    the head is tilted from the first to the second angle and back, clockwise in the picture. `uri`: the text that the
    script was parsed from.
    """

    uri: str
    segments: tuple[Segment, ...]
    fps: float = DEFAULT_FPS
    seed: int = DEFAULT_SEED
    loop: bool = False
    tilt_degrees: tuple[float, float] = (0.0, 0.0)

    @property
    def duration_seconds(self) -> float:
        """Duration of one run."""
        return self.segments[-1].end_seconds

    @property
    def frames(self) -> int:
        """Number of frames in one run, at least 1."""
        return max(1, round(self.duration_seconds * self.fps))

    def tilt_at(self, seconds: float) -> float:
        """Return the tilt of the head, degrees clockwise in the picture, `seconds` after the start of the source."""
        first, second = self.tilt_degrees
        if first == second:
            return first
        return (first + second) / 2 + (second - first) / 2 * wave(seconds / TILT_PERIOD_SECONDS + 0.25)

    def index_at(self, seconds: float) -> int:
        """Return the index of the segment shown `seconds` after the start of a run; past the end, of the last one."""
        for index, segment in enumerate(self.segments):
            if seconds < segment.end_seconds:
                return index
        return len(self.segments) - 1


def wave(turns: float) -> float:
    """Return a wave between -1 and 1, one period per turn: parabolas, because libraries round sin() differently.

    It is -1 at a quarter of a turn, and 1 at three quarters.
    """
    part = 2 * (turns % 1.0) - 1
    return 4 * part * (1 - abs(part))


def parse_script(uri: str) -> Script:
    """Parse `scripted:neutral=3,happy=4,none=2?seed=1&fps=15&loop=0&tilt=-45..45`; `scripted:` is the default script.

    Raises `SourceError`, one sentence that names the wrong value and what would be right.
    """
    body, _, query = uri.partition(":")[2].partition("?")
    options = _parse_options(query) if query else {}
    segments: list[Segment] = []
    start = 0.0
    for text in (body or DEFAULT_SEGMENTS).split(","):
        emotion, seconds = _parse_segment(text)
        segments.append(Segment(emotion, start, start + seconds))
        start += seconds
    if start > _MAX_SECONDS:
        message = f"The script is {start:g} seconds long: it must be at most {_MAX_SECONDS:g} (loop=1 repeats it)"
        raise SourceError(message)
    return Script(
        uri,
        tuple(segments),
        fps=float(options.get("fps", DEFAULT_FPS)),
        seed=int(options.get("seed", DEFAULT_SEED)),
        loop=options.get("loop") == "1",
        tilt_degrees=_parse_tilt(options.get("tilt", "0")) or (0.0, 0.0),
    )


def _parse_segment(text: str) -> tuple[str, float]:
    emotion, sign, length = (piece.strip() for piece in text.partition("="))
    if emotion not in (*EMOTIONS, NO_ACTOR):
        message = f'The script has the emotion "{emotion}": it must be one of {", ".join((*EMOTIONS, NO_ACTOR))}'
        raise SourceError(message)
    if not sign or not _NUMBER.fullmatch(length) or float(length) <= 0:
        message = f'The script shows {emotion} for "{length}" seconds: it needs a number above 0, as in {emotion}=3'
        raise SourceError(message)
    return emotion, float(length)


def _parse_options(query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in query.split("&"):
        name, _, value = item.partition("=")
        if name not in _OPTIONS:
            message = f'The script has the option "{name}": it must be one of {", ".join(_OPTIONS)}'
            raise SourceError(message)
        if name in found:
            message = f'The script has the option "{name}" twice: it may be given once'
            raise SourceError(message)
        _check_option(name, value)
        found[name] = value
    return found


def _parse_tilt(text: str) -> tuple[float, float] | None:
    """Return the first and the second angle, equal where there is one; None where the text is wrong."""
    angles = text.split(_TILT_RANGE, 1)
    if not all(_NUMBER.fullmatch(angle.removeprefix("-")) for angle in angles):
        return None
    first, second = float(angles[0]), float(angles[-1])
    return (first, second) if max(abs(first), abs(second)) <= _MAX_TILT_DEGREES else None


def _check_option(name: str, value: str) -> None:
    if name == "fps":
        valid = bool(_NUMBER.fullmatch(value)) and 1 <= float(value) <= _MAX_FPS
        expected = f"a number from 1 to {_MAX_FPS:g}"
    elif name == "seed":
        valid = bool(re.fullmatch(r"[0-9]{1,10}", value, re.ASCII)) and int(value) <= _MAX_SEED
        expected = f"a whole number from 0 to {_MAX_SEED}"
    elif name == "tilt":
        valid = _parse_tilt(value) is not None
        limit = f"{_MAX_TILT_DEGREES:g}"
        expected = f"an angle from -{limit} to {limit} degrees, as in 30, or two, as in -45{_TILT_RANGE}45"
    else:
        valid = value in ("0", "1")
        expected = "0 (once) or 1 (without end)"
    if not valid:
        message = f'The script has {name}="{value}": it must be {expected}'
        raise SourceError(message)
