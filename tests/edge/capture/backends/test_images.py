import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.capture.backends.images import natural_key
from edge.capture.open import create_source
from edge.capture.source import SourceOptions
from edge.config.schema import SourceConfig
from edge.errors import SourceError, SourceIncompleteError
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


def read_incomplete(source):
    """Read a source to its end: the grey values of its frames, their seconds, and the error at the end."""
    frames = []

    def read_on():
        while (frame := source.read()) is not None:
            frames.append(frame)

    source.open()
    with pytest.raises(SourceIncompleteError) as caught:
        read_on()
    assert source.read() is None
    source.close()
    return [int(frame.luma[0, 0]) for frame in frames], [frame.seconds for frame in frames], str(caught.value)


def test_bad_images_are_left_out_named_and_reported_at_the_end(tmp_path, caplog):
    write_images(tmp_path, ("a.png", "b.png", "c.png", "d.png", "e.png", "f.png"))
    (tmp_path / "a.png").write_bytes(b"not an image")
    (tmp_path / "c.png").write_bytes(b"")
    (tmp_path / "d.png").write_bytes((tmp_path / "e.png").read_bytes()[:-30])
    (tmp_path / "g.png").mkdir()
    (tmp_path / "h.png").symlink_to("nowhere")
    (tmp_path / "i.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(99))
    os.mkfifo(tmp_path / "j.png")
    good = [int(frame.luma[0, 0]) for frame in read_all(f"{tmp_path}/b.png,{tmp_path}/e.png,{tmp_path}/f.png")]
    shown, seconds, error = read_incomplete(create_source(str(tmp_path), SourceOptions()))
    assert shown == good
    assert seconds == [0, 3, 4]  # as if the others were there
    assert error.startswith("7 of 10 images could not be read")
    lines = [record.message for record in caplog.records]
    expected = {
        "a.png": "is not an image: it must be",
        "c.png": "is empty (0 bytes)",
        "d.png": "this PNG is cut off",
        "g.png": "is a folder",
        "h.png": "No such file",
        "i.heic": "this is HEIC, which is not supported",
        "j.png": "is no regular file",
    }
    assert len(lines) == len(expected)
    for line, (name, reason) in zip(lines, expected.items(), strict=True):
        assert str(tmp_path / name) in line
        assert reason in line


def test_folder_without_one_readable_image_is_an_error_at_once(tmp_path):
    write_images(tmp_path, ("a.jpg", "b.jpg"))
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(SourceError, match="None of the 2 images of"):
        create_source(str(tmp_path), SourceOptions()).open()


def test_single_bad_image_is_named_with_its_reason(tmp_path):
    write_images(tmp_path, ("a.jpg",))
    path = tmp_path / "a.jpg"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(SourceError, match=rf"The image {path} cannot be used: this JPEG is cut off"):
        create_source(str(path), SourceOptions()).open()


def test_image_that_is_damaged_inside_is_shown_with_a_warning(tmp_path, caplog):
    noise = np.random.default_rng(2).integers(0, 255, (64, 64), np.uint8)
    data = bytearray(cv2.imencode(".jpg", noise)[1].tobytes())
    data[len(data) // 2 : len(data) // 2 + 64] = bytes(64)
    (tmp_path / "a.jpg").write_bytes(data)
    assert len(read_all(str(tmp_path / "a.jpg"))) == 1
    (line,) = [record.message for record in caplog.records]
    assert "a.jpg is damaged" in line
    assert "Corrupt JPEG data" in line


@pytest.mark.parametrize("name", ["photo.heic", "photo.mp4", "photo"])
def test_heic_is_no_video_under_any_name(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + bytes(99))
    with pytest.raises(SourceError, match="this is HEIC"):
        create_source(str(path), SourceOptions()).open()


def test_file_that_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "a.png"
    with path.open("wb") as file:
        file.truncate(1 << 31)
    with pytest.raises(SourceError, match=r"has 2\.1 GB"):
        create_source(str(path), SourceOptions()).open()
