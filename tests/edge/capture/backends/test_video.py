import http.server
import itertools
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.capture.backends.video import VideoFileSource, looks_like_text
from edge.capture.open import create_source
from edge.capture.source import SourceOptions
from edge.config.schema import SourceConfig
from edge.errors import SourceError, SourceLostError
from support.footage import footage
from support.sources import numbered_picture, write_video


def read_all(path):
    source = create_source(str(path), SourceOptions())
    source.open()
    frames = []
    while (frame := source.read()) is not None:
        frames.append(frame)
    source.close()
    return frames


def test_every_frame_comes_at_its_time_stamp(tmp_path):
    frames = read_all(write_video(tmp_path / "clip.avi", frames=12, fps=8))
    assert [frame.number for frame in frames] == list(range(12))
    assert [frame.seconds for frame in frames] == pytest.approx([number / 8 for number in range(12)])
    for frame in frames:
        assert np.abs(frame.luma.astype(int) - numbered_picture(frame.number)).mean() < 4


def test_file_that_is_cut_off_ends_after_its_last_whole_frame(tmp_path):
    whole = write_video(tmp_path / "whole.avi", frames=40)
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    frames = read_all(cut)
    assert 5 < len(frames) < 40
    for frame, original in zip(frames[:-1], read_all(whole), strict=False):
        assert np.array_equal(frame.luma, original.luma)


def test_file_without_frames_is_refused(tmp_path):
    whole = write_video(tmp_path / "whole.avi", frames=4).read_bytes()
    header = tmp_path / "header.avi"
    header.write_bytes(whole[: whole.index(b"movi") + 4])
    with pytest.raises(SourceError, match=r"header\.avi"):
        create_source(str(header), SourceOptions()).open()


def test_text_is_distinguished_from_video(tmp_path):
    assert looks_like_text("plain, äöü\n".encode())
    assert looks_like_text(b"\x1b[31mred")
    assert not looks_like_text(write_video(tmp_path / "clip.avi").read_bytes()[:4096])
    assert not looks_like_text(b"YUV4MPEG2 W2 H2 F25:1\nFRAME\n@@@@@@")


@pytest.mark.footage
def test_footage_keeps_the_rate_of_its_file():
    source = create_source(str(footage("head-pose-face-detection-male.mp4")), SourceOptions())
    source.open()
    frames = [source.read() for _ in range(20)]
    source.close()
    assert [frame.seconds for frame in frames] == pytest.approx([number / 12.5 for number in range(20)], abs=1e-3)
    assert frames[0].luma.shape == (270, 480)


@pytest.fixture
def server(tmp_path):
    """Serve tmp_path. /silent accepts and sends nothing; /motion sends Motion JPEG as cheap cameras do."""
    done = threading.Event()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(tmp_path))

        def do_GET(self):
            if self.path == "/motion":
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                for number in range(60):
                    picture = cv2.imencode(".jpg", numbered_picture(number % 20))[1].tobytes()
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                    self.wfile.write(head.encode() + picture + b"\r\n")
                done.wait(10)
            elif self.path == "/silent":
                done.wait(10)
            else:
                super().do_GET()

        def log_message(self, *_arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        thread = threading.Thread(target=running.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://me:secret@127.0.0.1:{running.server_port}"
        done.set()
        running.shutdown()
        thread.join()


def test_http_camera_is_live_and_lost_when_it_stops_sending(server):
    source = create_source(f"{server}/motion", SourceOptions(SourceConfig(stall_seconds=1.0)))
    assert source.live
    assert "secret" not in source.uri
    source.open()
    frames = []
    with pytest.raises(SourceLostError, match=r"\*\*\*@127") as caught:
        frames.extend(iter(source.read, None))
    assert "secret" not in str(caught.value)
    source.close()
    assert len(frames) > 20
    assert [frame.number for frame in frames] == list(range(len(frames)))
    assert all(later.seconds >= earlier.seconds for earlier, later in itertools.pairwise(frames))


def test_stream_that_ends_is_lost(server, tmp_path):
    write_video(tmp_path / "clip.avi", frames=3)
    source = create_source(f"{server}/clip.avi", SourceOptions(SourceConfig(stall_seconds=2.0)))
    source.open()
    for _ in range(3):
        assert source.read() is not None
    with pytest.raises(SourceLostError, match="ended or gave no frame in time"):
        source.read()
    source.close()


def test_opening_a_silent_server_fails_in_time(server):
    with pytest.raises(SourceError, match="No video stream at"):
        create_source(f"{server}/silent", SourceOptions(SourceConfig(stall_seconds=0.6))).open()


def test_tilde_is_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_video(tmp_path / "clip.avi", frames=2)
    assert isinstance(create_source("~/clip.avi", SourceOptions()), VideoFileSource)
    assert len(read_all(Path("~/clip.avi"))) == 2
