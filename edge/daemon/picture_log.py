"""Logs what is to be said of the picture: its size, what masks hide of it, and faces too small to be found in it."""

import logging
import time
from typing import Final

from edge.capture.masks import masks_in_words, masks_warning
from edge.logs.outage import LogQuota
from edge.types import Frame
from edge.vision.pipeline import Pipeline

log = logging.getLogger(__name__)

_MOST_SIZE_LOGS: Final = 5
"""Maximum number of changes of the picture's size logged within an hour: some cameras change it with their bit rate."""


class PictureLog:
    """What was said of the picture of one sensor. `pipeline`: knows how small a face may be."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._size_logs = LogQuota(_MOST_SIZE_LOGS)
        self._size: tuple[int, int] | None = None
        self._search_limits: set[str] = set()
        """Sentences about the smallest face that were logged."""
        self._masks_logged: str | None = None

    def look(self, frame: Frame) -> None:
        """Log that the size of the picture has changed; the pipeline starts anew then by itself."""
        height, width = frame.luma.shape
        before, self._size = self._size, (width, height)
        if before is not None and before != self._size and (left := self._size_logs.left(time.monotonic())):
            log.warning(
                "the picture of the source is now %dx%d (was %dx%d): every face is taken as new%s",
                *(*self._size, *before),
                "; further changes within the hour are not logged" if left == 1 else "",
            )
        if before != self._size:
            self.log_search_limit()
        if before != self._size or self._masks_logged is None:
            self._log_masks(frame)

    def masks_changed(self) -> None:
        """Say of the next frame what the masks hide of it."""
        self._masks_logged = None

    def log_search_limit(self) -> None:
        """Log once where smaller faces are asked for than the search can find in frames of this size."""
        if self._size is None:
            return
        width, height = self._size
        sentence = self._pipeline.search_limit((height, width))
        if sentence is not None and sentence not in self._search_limits and len(self._search_limits) < _MOST_SIZE_LOGS:
            self._search_limits.add(sentence)
            log.warning("%s", sentence)

    def _log_masks(self, frame: Frame) -> None:
        """Log how much of the picture the masks hide, where that was not the last thing said of them."""
        sentence, warning = masks_in_words(frame) or "", masks_warning(frame)
        if sentence and sentence != self._masks_logged:
            log.log(logging.INFO if warning is None else logging.WARNING, "%s", warning or sentence)
        self._masks_logged = sentence
