import subprocess
import sys
from pathlib import Path

import pytest

from edge.capture.open import create_source
from edge.capture.source import SourceOptions
from edge.config.schema import SourceConfig
from edge.errors import SourceError
from support.sources import write_images, write_video

OPTIONS = SourceOptions(SourceConfig(stall_seconds=0.6))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("empty.mp4").touch()
    Path("empty.png").touch()
    Path("text.mp4").write_text("hello\n" * 100)
    # FFmpeg would play this file, as terminal art.
    Path("text.txt").write_text("hello\n" * 1000)
    Path("latin.txt").write_bytes("déjà vu\n".encode("latin-1") * 1000)
    Path("text.png").write_text("hello\n" * 100)
    Path("noise.mp4").write_bytes(bytes(range(256)) * 100)
    Path("list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\n/etc/passwd\n")
    Path("nothing").mkdir()
    Path("nothing/.hidden.png").touch()
    Path("nothing/notes.txt").touch()
    Path("notes").mkdir()
    Path("notes/a.png").write_text("hello")
    return tmp_path


@pytest.mark.parametrize(
    ("uri", "names", "expected"),
    [
        ("missing.mp4", "missing.mp4", "there is no such file or folder in /"),
        ("missing/folder/", "missing/folder/", "there is no folder missing in /"),
        ("missing/*.jpg", "missing/*.jpg", "there is no folder missing in /"),
        ("/missing/clip.mp4", "/missing/clip.mp4", "there is no folder /missing"),
        ("webcam", "webcam", "existing file or folder, or one of auto: for"),
        ("empty.mp4", "empty.mp4", "empty (0 bytes)"),
        ("empty.png", "empty.png", "empty (0 bytes)"),
        ("text.mp4", "text.mp4", "text file, not a video"),
        ("text.txt", "text.txt", "text file, not a video"),
        ("latin.txt", "latin.txt", "text file, not a video"),
        ("list.m3u8", "list.m3u8", "text file, not a video"),
        ("noise.mp4", "noise.mp4", "FFmpeg can play"),
        ("text.png", "text.png", "PNG, JPEG"),
        ("notes", "notes/a.png", "PNG, JPEG"),
        ("nothing", "nothing", ".png"),
        ("*.jpg", "*.jpg", "pattern that matches"),
        ("text.png,missing.png", "missing.png", "existing file"),
        (",", ",", "at least one file"),
        ("97", "/dev/video97", "this machine has"),
        ("v4l2:/dev/video97", "/dev/video97", "this machine has"),
        ("/dev/video97", "/dev/video97", "this machine has"),
        ("v4l2:97", "/dev/video97", "this machine has"),
        ("v4l2:/dev/null/x", "/dev/null/x", "this machine has"),
        ("v4l2:text.png", "v4l2:text.png", "none is connected"),
        ("v4l2:", "v4l2:", "v4l2:/dev/video0"),
        ("v4l2:by-id/x", "v4l2:by-id/x", "`emotion-edge cameras` lists the names"),
        ("picamera:x", "picamera:x", "picamera:0"),
        ("picamera:-1", "picamera:-1", "picamera:0"),
        ("picamera:0", "picamera2", "install"),  # how, depends on whether this is a container: test_picamera.py
        ("ftp://host/x.mp4", "ftp://host/x.mp4", "rtsp://"),
        ("ftp://me:secret@host/x.mp4", "ftp://***@host/x.mp4", "rtsp://"),
        ("rtsp:", "rtsp:", "rtsp://..."),
        ("http://", "http://", "http://..."),
        ("", '""', "existing file"),
        ("rtsp://me:secret@127.0.0.1:9/x", "rtsp://***@127.0.0.1:9/x", "credentials"),
        ("http://me:secret@127.0.0.1:9/x", "http://***@127.0.0.1:9/x", "credentials"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_error_is_one_sentence_with_the_name_and_what_is_expected(uri, names, expected, monkeypatch):
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(SourceError) as caught:
        create_source(uri, OPTIONS).open()
    message = str(caught.value)
    assert names in message
    assert expected in message
    assert "\n" not in message
    assert "secret" not in message


def test_file_or_device_that_is_not_a_camera_is_refused(folder):
    with pytest.raises(SourceError, match=r"not a camera.*/dev/video0"):
        create_source(f"v4l2:{folder / 'text.png'}", OPTIONS).open()
    # A device, but no camera.
    with pytest.raises(SourceError, match=r"/dev/null cannot be opened"):
        create_source("v4l2:/dev/null", OPTIONS).open()


def test_opencv_and_ffmpeg_write_nothing_to_stderr(folder):
    code = """
import sys
from edge.errors import SourceError
from edge.capture.open import create_source
from edge.capture.source import SourceOptions
from edge.config.schema import SourceConfig
options = SourceOptions(SourceConfig(stall_seconds=0.6))
for uri in sys.argv[1:]:
    try:
        create_source(uri, options).open()
    except SourceError as error:
        print(error)
"""
    uris = ["noise.mp4", "text.png", "v4l2:/dev/null", "rtsp://me:secret@127.0.0.1:9/x", "http://127.0.0.1:9/x"]
    done = subprocess.run([sys.executable, "-c", code, *uris], capture_output=True, text=True, cwd=folder, check=True)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == len(uris)


@pytest.mark.usefixtures("folder")
def test_files_whose_names_look_like_another_kind_of_source():
    write_images(Path("pictures"), ("a,b.png", "a[1].png"))
    write_video(Path("clip.avi"), 2).rename("3")
    Path("clip:1").write_bytes(Path("3").read_bytes())
    for uri in ("pictures/a,b.png", "pictures/a[1].png", "./3", "clip:1"):
        source = create_source(uri, OPTIONS)
        source.open()
        assert source.read() is not None
        source.close()
