"""Behaviour that all sources have in common."""

import itertools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from edge.capture.auto import AutoSource, CameraChoice
from edge.capture.backends.picamera import PicameraSource
from edge.capture.backends.v4l2 import V4l2Source
from edge.capture.cameras.find import FoundCameras
from edge.capture.open import create_source
from edge.capture.scripted.script import parse_script
from edge.capture.scripted.source import ScriptedSource
from edge.capture.source import SourceOptions
from edge.config.schema import SourceConfig
from support.fake_picamera2 import FakeWorld
from support.sources import HEIGHT, WIDTH, FakeV4l2Driver, numbered_picture, write_images, write_strip, write_video


@dataclass
class Backend:
    make: Callable[[SourceOptions], object]
    size: tuple[int, int]
    frames: int | None  # None: live
    grey: bool = False


@pytest.fixture(params=["picamera", "v4l2 raw", "v4l2 converted", "video", "images", "scripted", "auto"])
def backend(request, tmp_path):
    if request.param == "picamera":

        def load():
            return FakeWorld(lambda number: numbered_picture(number, 160, 120)).driver

        return Backend(lambda options: PicameraSource("picamera:0", 0, options, load), (WIDTH, HEIGHT), None)
    if request.param.startswith("v4l2"):
        driver = FakeV4l2Driver(("YUYV",) if request.param.endswith("raw") else ())
        return Backend(lambda options: V4l2Source("0", os.devnull, options, driver.open), (WIDTH, HEIGHT), None)
    if request.param == "video":
        path = write_video(tmp_path / "clip.avi", frames=5)
        return Backend(lambda options: create_source(str(path), options), (WIDTH, HEIGHT), 5)
    if request.param == "images":
        folder = write_images(tmp_path / "pictures")
        return Backend(lambda options: create_source(str(folder), options), (WIDTH, HEIGHT), 3)
    if request.param == "auto":
        choice = {"may_play_actor": True, "find": lambda: FoundCameras((), ())}
        return Backend(
            lambda options: AutoSource(CameraChoice(lambda uri: create_source(uri, options), **choice)),
            (640, 480),
            None,
            grey=True,
        )
    strip = write_strip(tmp_path / "strip.png")
    script = parse_script("scripted:happy=0.5?fps=10")
    return Backend(lambda options: ScriptedSource(script, options, strip), (640, 480), 5, grey=True)


def options(*, colour=False, **config):
    return SourceOptions(SourceConfig(**{"width": WIDTH, "height": HEIGHT, "stall_seconds": 1.0, **config}), colour)


OPTIONS = options()


def frames_of(source, count=3):
    source.open()
    try:
        frames = []
        while len(frames) < count and (frame := source.read()) is not None:
            frames.append(frame)
        return frames
    finally:
        source.close()


def test_frames_have_consecutive_numbers_times_and_contiguous_luma(backend):
    before = time.monotonic(), time.time()
    frames = frames_of(backend.make(OPTIONS))
    after = time.monotonic(), time.time()
    assert [frame.number for frame in frames] == [0, 1, 2]
    assert frames[0].seconds == 0
    assert all(later.seconds > earlier.seconds for earlier, later in itertools.pairwise(frames))
    for frame in frames:
        assert frame.luma.shape == backend.size[::-1]
        assert frame.luma.dtype == np.uint8
        assert frame.luma.flags.c_contiguous
        assert frame.bgr is None
        assert before[0] <= frame.captured_monotonic <= after[0]
        assert before[1] - 1 <= frame.captured_unix <= after[1] + 1


def test_frame_keeps_its_pixels_after_the_next_read(backend):
    source = backend.make(OPTIONS)
    source.open()
    first = source.read()
    copy = first.luma.copy()
    source.read()
    assert np.array_equal(first.luma, copy)
    source.close()


def test_colour_frames_have_bgr_that_matches_the_luma(backend):
    frames = frames_of(backend.make(options(colour=True)))
    for frame in frames:
        assert frame.bgr.shape == (*backend.size[::-1], 3)
        assert frame.bgr.dtype == np.uint8
        assert frame.bgr.flags.c_contiguous
        # All sources of these tests are grey, so that colour and luma show the same.
        assert np.abs(frame.bgr.astype(int).mean(axis=2) - frame.luma).mean() < 20


def test_colour_is_decoded_on_demand_as_it_would_have_been_at_once(backend):
    at_once = frames_of(backend.make(options(colour=True, rotate=90)), 2)
    later = frames_of(backend.make(options(rotate=90)), 2)
    for one, other in zip(at_once, later, strict=True):
        assert other.bgr is None
        assert np.array_equal(one.in_colour(), one.bgr)
        if (bgr := other.in_colour()) is None:
            assert backend.grey
            continue
        assert bgr.shape == (*other.luma.shape, 3)
        assert bgr.flags.c_contiguous
        assert np.abs(bgr.astype(int) - one.bgr).mean() < 20
        assert np.array_equal(other.in_colour(), bgr)


def test_frames_are_rotated_then_mirrored(backend):
    plain = frames_of(backend.make(OPTIONS), 1)[0]
    turned = frames_of(backend.make(options(rotate=90, flip="horizontal")), 1)[0]
    expected = np.rot90(plain.luma, -1)[:, ::-1]
    assert turned.luma.shape == expected.shape
    assert np.array_equal(turned.luma, expected)
    assert turned.luma.flags.c_contiguous


def test_finite_source_ends_and_stays_ended(backend):
    source = backend.make(OPTIONS)
    assert source.live is (backend.frames is None)
    if source.live:
        return  # a camera does not end
    source.open()
    frames = 0
    while source.read() is not None:
        frames += 1
    assert frames == backend.frames
    assert source.read() is None
    source.close()


def test_read_needs_an_open_source_and_close_may_be_repeated(backend):
    source = backend.make(OPTIONS)
    source.close()
    with pytest.raises(RuntimeError, match="not open"):
        source.read()
    source.open()
    assert source.read() is not None
    source.close()
    source.close()
    with pytest.raises(RuntimeError, match="not open"):
        source.read()


def test_new_source_can_be_opened_after_the_old_one(backend):
    assert len(frames_of(backend.make(OPTIONS))) == len(frames_of(backend.make(OPTIONS))) == 3
