import itertools
import queue
import threading
import time

import cv2
import numpy as np
import pytest

from edge.capture.backends.ffmpeg import SizeWatch, stream_size
from edge.capture.backends.network import NetworkSource
from edge.capture.source import SourceOptions
from edge.config.schema import SourceConfig
from edge.errors import SourceLostError
from support.scripted_camera import ScriptedCamera, answer
from support.shaped_videos import ramp, write_frames


class Asked:
    """What a `SizeWatch` asks for the size: gives `answer`, and counts."""

    def __init__(self, answer):
        self.answer, self._threads = answer, queue.Queue()
        self.count = 0

    def __call__(self):
        self.count += 1
        self._threads.put(threading.current_thread())
        return self.answer

    def wait(self):
        """Wait until it is asked, and until the thread that asks has stored the answer and ended."""
        thread = self._threads.get(timeout=20)
        thread.join(20)
        assert not thread.is_alive()


def test_size_is_asked_for_once_the_lowest_rows_have_been_still_and_then_seldom():
    asked = Asked((64, 48))
    watch = SizeWatch(asked)
    still = np.zeros((48, 64, 3), np.uint8)
    for number in range(100):
        moving = still.copy()
        moving[-1, 0, 0] = number % 2
        assert watch.changed(moving, number / 25) is None
    assert not asked.count
    for number in range(100):
        assert watch.changed(still, 4 + number / 25) is None
    asked.wait()
    for second in range(10, 60):
        assert watch.changed(still, second) is None
    assert asked.count == 1
    watch.changed(still, 70)
    asked.wait()
    assert watch.changed(still, 150) is None
    assert asked.count == 2, "the pause has doubled"


@pytest.mark.parametrize("answered", [(32, 24), None, (64, 48)])
def test_only_another_size_is_a_change(answered):
    asked = Asked(answered)
    watch = SizeWatch(asked)
    still = np.zeros((48, 64, 3), np.uint8)
    watch.changed(still, 0)
    watch.changed(still, 5)
    asked.wait()
    assert watch.changed(still, 6) == (answered if answered == (32, 24) else None)


SCALES = tuple(map(int, cv2.__version__.split(".")[:2])) >= (4, 13)


@pytest.mark.skipif(SCALES, reason="from 4.13 on OpenCV scales each picture to the first size: nothing is wrong then")
@pytest.mark.parametrize("sizes", [[(128, 96), (64, 48)], [(64, 48), (128, 96)]])
def test_stream_for_ffmpeg_that_changes_its_size_is_lost_with_both_sizes(tmp_path, sizes):
    before, after = (
        write_frames(
            tmp_path / f"{width}.ts", [ramp(number, width, height) for number in range(20)], "mp4v"
        ).read_bytes()
        for width, height in sizes
    )

    def reply(_request, send):
        send(answer(kind="video/mp2t", length=False))
        if len(camera.requests) == 1:
            send(before)
        while True:  # a viewer who comes later sees the new size at once
            send(after)
            time.sleep(0.2)

    camera = ScriptedCamera(reply)
    uri = f"http://me:S3cret@127.0.0.1:{camera.port}/live.ts"
    watch = SizeWatch(lambda: stream_size(uri, 9000), frozen_seconds=0.0)
    source = NetworkSource(uri, SourceOptions(SourceConfig(stall_seconds=10)), watch)
    source.open()
    (width, height), (new_width, new_height) = sizes
    expected = rf"http://\*\*\*@127.*changed its picture from {width}x{height} to {new_width}x{new_height}"
    with pytest.raises(SourceLostError, match=expected):
        list(itertools.islice(iter(source.read, None), 2000))
    source.close()
    camera.close()
