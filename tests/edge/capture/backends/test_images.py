from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.capture.backends.images import natural_key
from edge.capture.open import make_source
from edge.capture.source import SourceOptions
from edge.errors import SourceError
from support.sources import numbered_picture, write_images


def shown(uri, options=None):
    source = make_source(uri, options or SourceOptions())
    source.open()
    frames = []
    while (frame := source.read()) is not None:
        frames.append(frame)
    source.close()
    return frames


def test_natural_order():
    names = ["f10.png", "f2.png", "F1.png", "f.png", "10.png", "9.png", "f2b.png"]
    ordered = [str(path) for path in sorted(map(Path, names), key=natural_key)]
    assert ordered == ["9.png", "10.png", "F1.png", "f2.png", "f2b.png", "f10.png", "f.png"]


def test_a_folder_in_natural_order(tmp_path):
    write_images(tmp_path / "a", ("f1.png", "f2.png", "f10.png"))
    (tmp_path / "a" / "notes.txt").write_text("no picture")
    frames = shown(str(tmp_path / "a"))
    assert [int(frame.luma[0, 0]) for frame in frames] == [20, 30, 40]
    assert [frame.seconds for frame in frames] == [0, 1, 2]


def test_lists_and_patterns(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_images(Path("a"), ("f1.png", "f2.png", "f10.png"))
    assert [int(frame.luma[0, 0]) for frame in shown("a/f10.png, a/f1.png")] == [40, 20]
    assert [int(frame.luma[0, 0]) for frame in shown("a/f*.png")] == [20, 30, 40]
    assert [int(frame.luma[0, 0]) for frame in shown(f"{tmp_path}/**/f?.png,a/f1.png")] == [20, 30, 20]


def test_pace_of_images(tmp_path):
    frames = shown(str(write_images(tmp_path / "a")), SourceOptions(fps=4))
    assert [frame.seconds for frame in frames] == [0, 0.25, 0.5]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tiff", ".pgm", ""])
def test_kinds_of_images(tmp_path, suffix):
    path = tmp_path / f"picture{suffix}"
    path.write_bytes(cv2.imencode(suffix or ".png", numbered_picture(3))[1])
    (frame,) = shown(str(path))
    assert np.abs(frame.luma.astype(int) - numbered_picture(3)).mean() < 3


def test_deep_and_transparent_images(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), numbered_picture(3).astype(np.uint16) * 257)
    cv2.imwrite(str(tmp_path / "b.png"), cv2.cvtColor(numbered_picture(3), cv2.COLOR_GRAY2BGRA))
    for frame in shown(str(tmp_path), SourceOptions(colour=True)):
        assert np.abs(frame.luma.astype(int) - numbered_picture(3)).max() <= 1
        assert frame.bgr.shape == (*frame.luma.shape, 3)


def test_a_damaged_image_among_good_ones_is_named(tmp_path):
    write_images(tmp_path, ("a.jpg", "b.jpg", "c.jpg"))
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    source = make_source(str(tmp_path), SourceOptions())
    source.open()
    assert source.read() is not None
    with pytest.raises(SourceError, match=r"b\.jpg"):
        source.read()
