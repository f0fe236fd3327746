import pytest

from edge.system import board


def test_device_id_is_derived_from_the_machine_id_and_hides_it(tmp_path):
    path = tmp_path / "machine-id"
    path.write_text("0123456789abcdef0123456789abcdef\n", encoding="ascii")
    first = board.device_id(path=path)
    assert first == board.device_id(path=path)
    assert len(first) == 12
    assert first not in path.read_text(encoding="ascii")
    path.write_text("f" * 32, encoding="ascii")
    assert board.device_id(path=path) != first


def test_id_of_an_instance_is_the_machines_with_its_name():
    assert board.device_id(instance="door") == f"{board.device_id()}-door"
    assert board.device_id("hall", instance="door") == "hall"


def test_without_a_machine_id_the_device_id_has_another_source(tmp_path):
    assert len(board.device_id(path=tmp_path / "absent")) == 12


def test_container_is_known_by_its_variable_or_its_file(tmp_path):
    assert not board.in_container({}, tmp_path)
    assert board.in_container({"container": "oci"}, tmp_path)
    # A whole system, which may have picamera2 and a camera.
    assert not board.in_container({"container": "systemd-nspawn"}, tmp_path)
    (tmp_path / ".dockerenv").touch()
    assert board.in_container({}, tmp_path)


@pytest.mark.parametrize(("text", "degrees"), [("48312\n", 48.312), ("", None), ("hot", None)])
def test_temperature_is_in_degrees_and_none_where_unreadable(tmp_path, text, degrees):
    path = tmp_path / "temp"
    path.write_text(text, encoding="ascii")
    assert board.temperature_c(path) == degrees
    assert board.temperature_c(tmp_path / "absent") is None


@pytest.mark.parametrize(
    ("text", "expected"), [("0\n", False), ("50000", False), ("50005", True), ("2", True), ("x", None)]
)
def test_only_present_throttling_counts(tmp_path, text, expected):
    path = tmp_path / "get_throttled"
    path.write_text(text, encoding="ascii")
    assert board.throttled(path) is expected


def test_board_name_has_no_trailing_nul(tmp_path):
    path = tmp_path / "model"
    path.write_bytes(b"Raspberry Pi 4 Model B Rev 1.5\0")
    assert board.board_name(path) == "Raspberry Pi 4 Model B Rev 1.5"
