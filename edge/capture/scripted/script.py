"""Parses the script of the scripted source: which emotion is shown, and when."""

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

_MAX_FPS = 120.0
_MAX_SECONDS = 86_400.0
_MAX_SEED = 2**32 - 1
_NUMBER = re.compile(r"[0-9]+(\.[0-9]*)?|\.[0-9]+", re.ASCII)
_OPTIONS = ("seed", "fps", "loop")


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

    `fps`: frames per second. `seed` varies background, noise and movement. `loop`: repeat without end. `uri`: the text
    that the script was parsed from.
    """

    uri: str
    segments: tuple[Segment, ...]
    fps: float = DEFAULT_FPS
    seed: int = DEFAULT_SEED
    loop: bool = False

    @property
    def duration_seconds(self) -> float:
        """Duration of one run."""
        return self.segments[-1].end_seconds

    @property
    def frames(self) -> int:
        """Number of frames in one run, at least 1."""
        return max(1, round(self.duration_seconds * self.fps))

    def index_at(self, seconds: float) -> int:
        """Return the index of the segment shown `seconds` after the start of a run; past the end, of the last one."""
        for index, segment in enumerate(self.segments):
            if seconds < segment.end_seconds:
                return index
        return len(self.segments) - 1


def parse_script(uri: str) -> Script:
    """Parse `scripted:neutral=3,happy=4,none=2?seed=1&fps=15&loop=0`; `scripted:` is the default script.

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


def _check_option(name: str, value: str) -> None:
    if name == "fps":
        valid = bool(_NUMBER.fullmatch(value)) and 1 <= float(value) <= _MAX_FPS
        expected = f"a number from 1 to {_MAX_FPS:g}"
    elif name == "seed":
        valid = bool(re.fullmatch(r"[0-9]{1,10}", value, re.ASCII)) and int(value) <= _MAX_SEED
        expected = f"a whole number from 0 to {_MAX_SEED}"
    else:
        valid = value in ("0", "1")
        expected = "0 (once) or 1 (without end)"
    if not valid:
        message = f'The script has {name}="{value}": it must be {expected}'
        raise SourceError(message)
