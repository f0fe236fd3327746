import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from edge.capture.backends.v4l2 import V4l2Source, fourcc_text, luma_of
from edge.capture.source import SourceOptions
from edge.errors import SourceError, SourceLostError
from support.sources import HEIGHT, WIDTH, FakeVideoCapture, numbered_picture

SIZES = st.tuples(st.integers(1, 12), st.integers(1, 12)).map(lambda halves: (2 * halves[0], 2 * halves[1]))
LUMAS = SIZES.flatmap(lambda size: st_numpy.arrays(np.uint8, size))


def packed(fourcc, luma, other=0x80):
    """Put luma into a buffer of the format, with bytes that must not be taken for it."""
    filler = np.full_like(luma, other)
    if fourcc in {"YUYV", "YVYU"}:
        return np.dstack([luma, filler])
    if fourcc in {"UYVY", "VYUY"}:
        return np.dstack([filler, luma])
    if fourcc == "GREY":
        return luma
    return np.vstack([luma, filler[: luma.shape[0] // 2]])


@pytest.mark.parametrize("fourcc", ["YUYV", "YVYU", "UYVY", "VYUY", "GREY", "NV12", "NV21", "YU12", "YV12"])
@given(luma=LUMAS, tail=st.binary(max_size=8), flat=st.booleans())
def test_luma_comes_out_as_it_went_in(fourcc, luma, tail, flat):
    raw = packed(fourcc, luma)
    if flat or tail:
        raw = np.concatenate([raw.reshape(-1), np.frombuffer(tail, np.uint8)])
    height, width = luma.shape
    result = luma_of(fourcc, raw, width, height)
    assert np.array_equal(result, luma)
    assert result.flags.c_contiguous
    assert not np.shares_memory(result, raw)


@pytest.mark.parametrize("fourcc", ["YUYV", "UYVY", "GREY", "NV12", "YU12", "MJPG"])
@given(st.data())
def test_a_buffer_cut_off_is_no_frame(fourcc, data):
    luma = np.arange(96, dtype=np.uint8).reshape(8, 12)
    needed = 96 * (2 if fourcc in {"YUYV", "UYVY"} else 1)
    raw = np.zeros(data.draw(st.integers(0, needed - 1)), np.uint8)
    assert luma_of(fourcc, raw, luma.shape[1], luma.shape[0]) is None


def test_jpeg_is_decoded_to_grey():
    picture = numbered_picture(5)
    raw = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))[1].reshape(1, -1)
    luma = luma_of("MJPG", raw, WIDTH, HEIGHT)
    assert np.abs(luma.astype(int) - picture).mean() < 3
    # Drivers hand over the whole buffer, of which the picture fills the beginning.
    padded = np.concatenate([raw.reshape(-1), np.zeros(1000, np.uint8)])
    assert np.array_equal(luma_of("MJPG", padded, WIDTH, HEIGHT), luma)
    assert luma_of("MJPG", raw, WIDTH * 2, HEIGHT) is None


def test_an_unknown_format_is_our_own_mistake():
    with pytest.raises(ValueError, match="H264"):
        luma_of("H264", np.zeros(100, np.uint8), 2, 2)


def test_formats_are_spelled():
    assert fourcc_text(float(cv2.VideoWriter.fourcc(*"YUYV"))) == "YUYV"
    assert fourcc_text(-1) == "\xff\xff\xff\xff"


@pytest.fixture
def camera(tmp_path, monkeypatch):
    """Make a source over a fake device with the given formats; its `_capture` is the fake."""
    monkeypatch.setattr("edge.capture.backends.v4l2.cv2.VideoCapture", FakeVideoCapture)
    monkeypatch.setattr("edge.capture.backends.v4l2.stat.S_ISCHR", lambda _mode: True)
    device = tmp_path / "video0"
    device.touch()

    def make(formats, **options):
        monkeypatch.setattr(FakeVideoCapture, "formats", formats)
        source = V4l2Source("0", str(device), SourceOptions(**{"width": WIDTH, "height": HEIGHT, **options}))
        source.open()
        return source

    return make


@pytest.mark.parametrize(
    ("formats", "options", "chosen", "raw"),
    [
        (("MJPG", "YUYV"), {}, "YUYV", True),
        (("MJPG", "YUYV", "GREY"), {}, "GREY", True),
        (("MJPG",), {}, "MJPG", True),
        (("YUYV", "MJPG"), {"width": 1280, "height": 720}, "MJPG", True),
        (("YUYV",), {"width": 1280, "height": 720}, "YUYV", True),
        (("YUYV",), {"colour": True}, "YUYV", False),
        (("UYVY",), {}, "UYVY", True),
        ((), {}, "RGB3", False),
        (("H264",), {}, "H264", False),
    ],
)
def test_the_format_that_gives_luma_cheapest(camera, formats, options, chosen, raw):
    source = camera(formats, fps=15, **options)
    capture = source._capture
    assert capture.fourcc == chosen
    assert capture.backend == cv2.CAP_V4L2
    assert capture.properties[cv2.CAP_PROP_CONVERT_RGB] == (0 if raw else 1)
    assert capture.properties[cv2.CAP_PROP_FPS] == 15


@pytest.mark.parametrize("formats", [("YUYV",), ("MJPG",), ()])
def test_frames_show_what_the_camera_saw(camera, formats):
    source = camera(formats)
    for number in range(3):
        frame = source.read()
        assert frame.number == number
        assert np.abs(frame.luma.astype(int) - numbered_picture(number)).mean() < 3


def test_a_broken_frame_is_passed_over(camera, monkeypatch):
    source = camera(("MJPG",))
    good = FakeVideoCapture.read
    answers = iter([(True, np.zeros((1, 100), np.uint8)), (True, np.zeros((1, 0), np.uint8)), None])
    monkeypatch.setattr(FakeVideoCapture, "read", lambda self: next(answers) or good(self))
    assert source.read().number == 0


def test_nothing_but_broken_frames_is_a_lost_camera(camera, monkeypatch):
    source = camera(("MJPG",))
    monkeypatch.setattr(FakeVideoCapture, "read", lambda _self: (True, np.zeros((1, 100), np.uint8)))
    with pytest.raises(SourceLostError, match="broken frames"):
        source.read()


def test_unplugged(camera):
    source = camera(("YUYV",))
    assert source.read() is not None
    source._capture.gone = True
    with pytest.raises(SourceLostError, match="gives no frame any more"):
        source.read()


def test_in_use(camera, monkeypatch):
    monkeypatch.setattr(FakeVideoCapture, "opens", False)
    with pytest.raises(SourceError, match=r'no other program holds.*group "video"'):
        camera(("YUYV",))
