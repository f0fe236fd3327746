"""Draws the augmented views of a batch, in this process or ahead of time in worker processes.

A batch depends on its seed only, so that it is the same wherever it is drawn. Workers import no framework.
"""

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from convert.data.augment import Augmentation, augment

Images = NDArray[np.uint8]
_AHEAD: Final = 4
"""Batches that wait for each worker: enough that a checkpoint, which takes half a second, leaves no worker idle."""

_images: Images
"""The faces of a worker process, which it receives once and not with each batch."""


@dataclass(frozen=True)
class ViewRequest:
    """The views of one batch: faces by row, seed of the generator, side of the views in pixels, and how to augment."""

    rows: NDArray[np.int64]
    seed: tuple[int, ...]
    side_px: int
    augmentation: Augmentation


Views = tuple[Images, np.random.Generator]
"""Views uint8 (b, side, side), and the generator in the state after them, for what else is drawn for the batch."""


def draw_views(images: Images, request: ViewRequest) -> Views:
    """Return the views of a batch of the faces uint8 (n, 48, 48)."""
    rng = np.random.default_rng(request.seed)
    views = [augment(images[row], request.side_px, request.augmentation, rng) for row in request.rows]
    return np.stack(views), rng


class ViewWorkers:
    """Worker processes that draw the views of the batches to come. Use it as a context manager."""

    def __init__(self, images: Images, workers: int) -> None:
        """Give the faces uint8 (n, 48, 48) to `workers` processes, which start with the first batch."""
        self._ahead = _AHEAD * workers
        # Not fork: the frameworks have threads by then.
        self._pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin, (images,))
        self._drawn: dict[int, Future[Views]] = {}

    def __enter__(self) -> Self:
        """Return the workers."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes, without what they have not begun."""
        self._pool.shutdown(cancel_futures=True)

    def forget(self) -> None:
        """Drop what was drawn ahead: another epoch begins."""
        for future in self._drawn.values():
            future.cancel()
        self._drawn.clear()

    def views(self, index: int, end: int, request: Callable[[int], ViewRequest]) -> Views:
        """Return the views of batch `index`, and have those of the batches after it drawn, up to `end`."""
        for number in range(index, min(index + self._ahead, end)):
            if number not in self._drawn:
                self._drawn[number] = self._pool.submit(_draw, request(number))
        return self._drawn.pop(index).result()


def _begin(images: Images) -> None:
    global _images  # noqa: PLW0603 - the only way to hand something to all tasks of a pool
    _images = images
    # Ctrl-C reaches the whole group of processes; the parent ends the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when its parent was killed, which a pool does not notice."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _draw(request: ViewRequest) -> Views:
    return draw_views(_images, request)
