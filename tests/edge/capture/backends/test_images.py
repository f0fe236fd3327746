from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.capture.backends.images import natural_key
from edge.capture.open import create_source
from edge.capture.source import SourceOptions
from edge.config.schema import SourceConfig
from edge.errors import SourceError
from support.sources import numbered_picture, write_images


def read_all(uri, options=None):
    source = create_source(uri, options or SourceOptions())
    source.open()
    frames = []
    while (frame := source.read()) is not None:
        frames.append(frame)
    source.close()
    return frames


def test_numbers_in_names_are_sorted_by_value():
    names = ["f10.png", "f2.png", "F1.png", "f.png", "10.png", "9.png", "f2b.png"]
    ordered = [str(path) for path in sorted(map(Path, names), key=natural_key)]
    assert ordered == ["9.png", "10.png", "F1.png", "f2.png", "f2b.png", "f10.png", "f.png"]


def test_folder_is_shown_in_natural_order(tmp_path):
    write_images(tmp_path / "a", ("f1.png", "f2.png", "f10.png"))
    (tmp_path / "a" / "notes.txt").write_text("not an image")
    frames = read_all(str(tmp_path / "a"))
    assert [int(frame.luma[0, 0]) for frame in frames] == [20, 30, 40]
    assert [frame.seconds for frame in frames] == [0, 1, 2]


def test_lists_keep_their_order_and_patterns_are_sorted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_images(Path("a"), ("f1.png", "f2.png", "f10.png"))
    assert [int(frame.luma[0, 0]) for frame in read_all("a/f10.png, a/f1.png")] == [40, 20]
    assert [int(frame.luma[0, 0]) for frame in read_all("a/f*.png")] == [20, 30, 40]
    assert [int(frame.luma[0, 0]) for frame in read_all(f"{tmp_path}/**/f?.png,a/f1.png")] == [20, 30, 20]


def test_fps_sets_the_pace(tmp_path):
    frames = read_all(str(write_images(tmp_path / "a")), SourceOptions(SourceConfig(fps=4)))
    assert [frame.seconds for frame in frames] == [0, 0.25, 0.5]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tiff", ".pgm", ""])
def test_image_formats_are_decoded(tmp_path, suffix):
    path = tmp_path / f"picture{suffix}"
    path.write_bytes(cv2.imencode(suffix or ".png", numbered_picture(3))[1])
    (frame,) = read_all(str(path))
    assert np.abs(frame.luma.astype(int) - numbered_picture(3)).mean() < 3


def test_16_bit_and_transparent_images_are_decoded(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), numbered_picture(3).astype(np.uint16) * 257)
    cv2.imwrite(str(tmp_path / "b.png"), cv2.cvtColor(numbered_picture(3), cv2.COLOR_GRAY2BGRA))
    for frame in read_all(str(tmp_path), SourceOptions(colour=True)):
        assert np.abs(frame.luma.astype(int) - numbered_picture(3)).max() <= 1
        assert frame.bgr.shape == (*frame.luma.shape, 3)


def test_error_names_the_damaged_image(tmp_path):
    write_images(tmp_path, ("a.jpg", "b.jpg", "c.jpg"))
    (tmp_path / "b.jpg").write_bytes(b"not an image")
    source = create_source(str(tmp_path), SourceOptions())
    source.open()
    assert source.read() is not None
    with pytest.raises(SourceError, match=r"b\.jpg"):
        source.read()
