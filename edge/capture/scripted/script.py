"""The script of the scripted camera: which expression is played, and when."""

import re
from dataclasses import dataclass

from edge.errors import SourceError

EMOTIONS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
"""In the order of the composites in the package's `actor.png`."""
NOBODY = "none"

DEFAULT_PARTS = "neutral=3,happy=3,surprise=3,sad=3,happy=2.5,angry=3,neutral=2.5,none=2"
"""Some twenty seconds: six changes over five emotions, and an empty picture at the end."""
DEFAULT_FPS = 15.0
DEFAULT_SEED = 1

MORPH_SECONDS = 0.4
"""About what a face takes to change its expression."""

_MAX_FPS = 120.0
_MAX_SECONDS = 86_400.0
_MAX_SEED = 2**32 - 1
_NUMBER = re.compile(r"[0-9]+(\.[0-9]*)?|\.[0-9]+", re.ASCII)
_OPTIONS = ("seed", "fps", "loop")


@dataclass(frozen=True, slots=True)
class Segment:
    """One part: `emotion` (or "none") is played from `start_seconds` up to `end_seconds`."""

    emotion: str
    start_seconds: float
    end_seconds: float

    @property
    def morph_seconds(self) -> float:
        """How long the change from the part before takes, at the beginning of this one."""
        return min(MORPH_SECONDS, self.end_seconds - self.start_seconds)


@dataclass(frozen=True, slots=True)
class Script:
    """What is played: the parts follow each other without a gap, from 0.

    `loop`: from the beginning again, without end. `uri` is the text that it was made from.
    """

    uri: str
    segments: tuple[Segment, ...]
    fps: float = DEFAULT_FPS
    seed: int = DEFAULT_SEED
    loop: bool = False

    @property
    def duration_seconds(self) -> float:
        """Length of one run."""
        return self.segments[-1].end_seconds

    @property
    def frames(self) -> int:
        """Frames of one run, at least 1."""
        return max(1, round(self.duration_seconds * self.fps))

    def index_at(self, seconds: float) -> int:
        """Tell which part is played `seconds` after the start of a run; the last one past its end."""
        for index, segment in enumerate(self.segments):
            if seconds < segment.end_seconds:
                return index
        return len(self.segments) - 1


def parse_script(uri: str) -> Script:
    """Read `scripted:neutral=3,happy=4,none=2?seed=1&fps=15&loop=0`; `scripted:` plays the default.

    Raises `SourceError`, one sentence that names what is wrong and what would be right.
    """
    body, _, query = uri.partition(":")[2].partition("?")
    options = _options(query) if query else {}
    segments: list[Segment] = []
    start = 0.0
    for part in (body or DEFAULT_PARTS).split(","):
        emotion, seconds = _part(part)
        segments.append(Segment(emotion, start, start + seconds))
        start += seconds
    if start > _MAX_SECONDS:
        message = f"The script is {start:g} seconds long: it needs to be at most {_MAX_SECONDS:g} (loop=1 repeats it)"
        raise SourceError(message)
    return Script(
        uri,
        tuple(segments),
        fps=float(options.get("fps", DEFAULT_FPS)),
        seed=int(options.get("seed", DEFAULT_SEED)),
        loop=options.get("loop") == "1",
    )


def _part(text: str) -> tuple[str, float]:
    emotion, mark, length = (piece.strip() for piece in text.partition("="))
    if emotion not in (*EMOTIONS, NOBODY):
        message = f'The script plays "{emotion}": it needs to be one of {", ".join((*EMOTIONS, NOBODY))}'
        raise SourceError(message)
    if not mark or not _NUMBER.fullmatch(length) or float(length) <= 0:
        message = f'The script plays {emotion} for "{length}" seconds: it needs a number above 0, as in {emotion}=3'
        raise SourceError(message)
    return emotion, float(length)


def _options(query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in query.split("&"):
        name, _, value = item.partition("=")
        if name not in _OPTIONS:
            message = f'The script has the option "{name}": it needs to be one of {", ".join(_OPTIONS)}'
            raise SourceError(message)
        if name in found:
            message = f'The script has the option "{name}" twice: it needs to be there once'
            raise SourceError(message)
        _check_option(name, value)
        found[name] = value
    return found


def _check_option(name: str, value: str) -> None:
    if name == "fps":
        good = bool(_NUMBER.fullmatch(value)) and 1 <= float(value) <= _MAX_FPS
        right = f"a number from 1 to {_MAX_FPS:g}"
    elif name == "seed":
        good = bool(re.fullmatch(r"[0-9]{1,10}", value, re.ASCII)) and int(value) <= _MAX_SEED
        right = f"a whole number from 0 to {_MAX_SEED}"
    else:
        good = value in ("0", "1")
        right = "0 (once) or 1 (without end)"
    if not good:
        message = f'The script has {name}="{value}": it needs to be {right}'
        raise SourceError(message)
