"""Says how large the smallest face is that a search can find, and which sizes are searched first. Pure arithmetic.

Two keys limit it. `detector.min_face` is what is wanted, and `detector.search_width_px` bounds the cost: the larger of
both sizes counts. Neither changes the other, so that somebody who lowered one to save time keeps what they saved.
"""

import math
from typing import Final

import msgspec

from edge.config.schema import MAX_SEARCH_WIDTH_PX, DetectorConfig

_DEFAULTS: Final = DetectorConfig()
_TOLERANCE: Final = 1.02
"""Ratio from which one size counts as larger than another: shares of a frame are rounded when they are written down."""


def smallest_face_px(config: DetectorConfig, shape: tuple[int, ...], window: int) -> float:
    """Return the side of the smallest face that is found in frames of that shape, (height, width, ...), pixels.

    `window`: side of the cascade's window, pixels; in the reduced frame no smaller face is found.
    """
    return max(config.min_face * min(shape[:2]), _window_px(config, shape, window))


def prompt_face_px(config: DetectorConfig, shape: tuple[int, ...], window: int) -> float:
    """Return the side from which a face is searched for at once; smaller ones, where they are wanted, take turns.

    It is the smallest face of the default configuration, or that of `config` where this is larger.
    """
    return max(smallest_face_px(config, shape, window), smallest_face_px(_DEFAULTS, shape, window))


def default_sizes(config: DetectorConfig) -> DetectorConfig:
    """Return `config` with the default sizes: the first frame of a stream is searched whole, at a bounded cost."""
    return msgspec.structs.replace(
        config, min_face=min(_DEFAULTS.min_face, config.max_face), search_width_px=_DEFAULTS.search_width_px
    )


def search_limit(config: DetectorConfig, shape: tuple[int, ...], window: int) -> str | None:
    """Return a sentence where `config` asks for smaller faces than its search can find in frames of that shape.

    None where it does not. Where neither key was changed, frames as small as they are say enough themselves.
    """
    height, width = shape[:2]
    shorter = min(height, width)
    wanted_px, found_px = config.min_face * shorter, _window_px(config, shape, window)
    reduced = width > config.search_width_px
    unchanged = (config.min_face, config.search_width_px) == (_DEFAULTS.min_face, _DEFAULTS.search_width_px)
    if found_px <= _TOLERANCE * wanted_px or (unchanged and not reduced):
        return None
    remedies = []
    if reduced:
        cause = f"because it reduces them to detector.search_width_px = {config.search_width_px}"
        needed = min(width, math.ceil(window * width / wanted_px))
        too = f" and detector.min_face to {_share(window, shorter):g}" if wanted_px * _TOLERANCE < window else ""
        if needed <= MAX_SEARCH_WIDTH_PX and (not too or _share(window, shorter) <= config.max_face):
            smaller_px = max(wanted_px, float(window))
            remedies = [f"set detector.search_width_px to {needed}{too} for faces of {smaller_px:.0f} pixels"]
    else:
        cause = "the window of the cascade"
    if _share(found_px, shorter) <= config.max_face:
        remedies.append(f"set detector.min_face to {_share(found_px, shorter):g}")
    if not reduced or not remedies:
        remedies.append("use larger frames")
    return (
        f"detector.min_face = {config.min_face:g} asks for faces of {max(1.0, wanted_px):.0f} pixels in frames of "
        f"{width}x{height}, but the search finds none below {found_px:.0f} pixels, {cause}: {', or '.join(remedies)}"
    )


def _share(size_px: float, shorter_px: int) -> float:
    """Return a size as a share of the frame's shorter side, rounded up to three digits."""
    return math.ceil(1000 * size_px / shorter_px) / 1000


def _window_px(config: DetectorConfig, shape: tuple[int, ...], window: int) -> float:
    """Return the side of the cascade's window, in pixels of the frame that is reduced for the search."""
    return window * max(1.0, shape[1] / config.search_width_px)
