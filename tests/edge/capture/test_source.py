import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.capture.source import SourceOptions, oriented
from edge.config.schema import SourceConfig
from edge.redact import redacted

PICTURE = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)


@pytest.mark.parametrize(
    ("rotate", "flip", "expected"),
    [
        (0, "none", [[1, 2, 3], [4, 5, 6]]),
        (90, "none", [[4, 1], [5, 2], [6, 3]]),
        (180, "none", [[6, 5, 4], [3, 2, 1]]),
        (270, "none", [[3, 6], [2, 5], [1, 4]]),
        (0, "horizontal", [[3, 2, 1], [6, 5, 4]]),
        (0, "vertical", [[4, 5, 6], [1, 2, 3]]),
        (90, "horizontal", [[1, 4], [2, 5], [3, 6]]),
        (270, "vertical", [[1, 4], [2, 5], [3, 6]]),
    ],
)
def test_turned_clockwise_then_mirrored(rotate, flip, expected):
    options = SourceOptions(rotate=rotate, flip=flip)
    assert oriented(PICTURE, options).tolist() == expected
    assert oriented(PICTURE[:, ::-1], options).flags.c_contiguous
    colour = oriented(np.dstack([PICTURE] * 3), options)
    assert colour[:, :, 1].tolist() == expected


def test_options_from_configuration():
    config = SourceConfig(uri="0", width=320, height=240, fps=12.5, rotate=180, flip="vertical", stall_seconds=2.0)
    options = SourceOptions.from_config(config, colour=True)
    assert options == SourceOptions(320, 240, 12.5, 180, "vertical", 2.0, colour=True)
    assert options.read_timeout_seconds < 2.0


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("rtsp://cam/stream", "rtsp://cam/stream"),
        ("rtsp://user:secret@cam:554/stream1", "rtsp://***@cam:554/stream1"),
        ("http://cam/video?user=me&pwd=secret", "http://cam/video?user=***&pwd=***"),
        ("http://cam/video?secret", "http://cam/video?***"),
        ("rtsp://u:se/cret@cam/x", "rtsp://***@cam/x"),
        ("rtsp://u:se?cret@cam/x", "rtsp://***"),
        ("rtsp://u:se#cret@cam/x", "rtsp://***"),
        ("rtsp://u:se@cret@cam/x", "rtsp://***@cam/x"),
        ("rtsp://cam:554/", "rtsp://cam:554/"),
        ("rtsp://[fe80::1]:554/x", "rtsp://[fe80::1]:554/x"),
        ("rtsp://u:secretcam/x", "rtsp://u:***/x"),
        ("rtsp://u:secretcam", "rtsp://u:***"),
        ("mqtt://localhost:1883x", "mqtt://localhost:1883x"),
        ("rtsp:/u:secret@cam/x", "***@cam/x"),
        ("u:secret@cam", "***@cam"),
        ("clips/me@home.mp4", "clips/me@home.mp4"),
        ("clips/a.mp4", "clips/a.mp4"),
        ("scripted:happy=3?seed=1", "scripted:happy=3?seed=1"),
        ("0", "0"),
    ],
)
def test_redacted(uri, shown):
    assert redacted(uri) == shown


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12), st.sampled_from(["rtsp", "http"]))
def test_no_password_is_shown(middle, scheme):
    password = f"Zq{middle}qZ"
    for uri in (
        f"{scheme}://me:{password}@cam/live",
        f"{scheme}://me:{password}@cam",
        f"{scheme}://cam/v?pwd={password}",
    ):
        shown = redacted(uri)
        assert "Zq" not in shown or "qZ" not in shown
        assert password not in shown
