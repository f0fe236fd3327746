import pytest

from edge.latency.stats import FrameStats
from edge.system import board


def test_the_id_comes_from_the_machine_id_and_does_not_show_it(tmp_path):
    path = tmp_path / "machine-id"
    path.write_text("0123456789abcdef0123456789abcdef\n", encoding="ascii")
    first = board.device_id(path=path)
    assert first == board.device_id(path=path)
    assert len(first) == 12
    assert first not in path.read_text(encoding="ascii")
    path.write_text("f" * 32, encoding="ascii")
    assert board.device_id(path=path) != first


def test_without_a_machine_id_there_is_an_id_all_the_same(tmp_path):
    assert len(board.device_id(path=tmp_path / "absent")) == 12


@pytest.mark.parametrize(("text", "degrees"), [("48312\n", 48.312), ("", None), ("hot", None)])
def test_temperature(tmp_path, text, degrees):
    path = tmp_path / "temp"
    path.write_text(text, encoding="ascii")
    assert board.temperature_c(path) == degrees
    assert board.temperature_c(tmp_path / "absent") is None


@pytest.mark.parametrize(
    ("text", "expected"), [("0\n", False), ("50000", False), ("50005", True), ("2", True), ("x", None)]
)
def test_only_throttling_now_counts(tmp_path, text, expected):
    path = tmp_path / "get_throttled"
    path.write_text(text, encoding="ascii")
    assert board.throttled(path) is expected


def test_the_boards_name_loses_its_nul(tmp_path):
    path = tmp_path / "model"
    path.write_bytes(b"Raspberry Pi 4 Model B Rev 1.5\0")
    assert board.board_name(path) == "Raspberry Pi 4 Model B Rev 1.5"


def test_a_report_covers_the_frames_since_the_last_one():
    meter = FrameStats(100.0)
    for latency in range(1, 101):
        meter.frame(float(latency), {"detect": latency / 2})
    fps, latency, stages = meter.report(110.0)
    assert fps == 10.0
    assert latency.p50 == pytest.approx(50.5)
    assert latency.p99 == pytest.approx(99.01)
    assert latency.max == 100
    assert stages == {"detect": 25.25}
    assert meter.frames == 100
    assert meter.report(120.0) == (0.0, None, {})
    assert meter.frames == 100


def test_asked_again_at_once_it_says_the_same():
    meter = FrameStats(100.0)
    assert meter.report(100.1) == (0.0, None, {})
    meter.frame(7.0, {})
    first = meter.report(101.1)
    assert first[0] == 1.0
    assert meter.report(101.9) == first
    meter.frame(9.0, {})
    assert meter.report(102.0)[1].max == 9.0
    assert meter.report(103.1) == (0.0, None, {})
