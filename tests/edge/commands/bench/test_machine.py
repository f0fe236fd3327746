import pytest

from edge.commands.bench.machine import board_name, current_conditions, memory_mb, processor_name


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        ("processor\t: 0\nmodel name\t: Intel(R) Core(TM) i5\n", "Intel(R) Core(TM) i5"),
        ("processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd08\nModel\t: Raspberry Pi 4\n", "Cortex-A72"),
        ("Hardware\t: BCM2835\n", "BCM2835"),
    ],
)
def test_processor_is_named(tmp_path, cpuinfo, name):
    path = tmp_path / "cpuinfo"
    path.write_text(cpuinfo, encoding="utf-8")
    assert processor_name(path) == name
    assert processor_name(tmp_path / "absent")


def test_memory_governor_and_board_are_read_from_the_system(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal:        3884288 kB\nMemFree: 1 kB\n", encoding="ascii")
    assert memory_mb(tmp_path / "meminfo") == 3793
    assert memory_mb(tmp_path / "absent") is None
    (tmp_path / "scaling_governor").write_text("ondemand\n", encoding="ascii")
    (tmp_path / "scaling_cur_freq").write_text("1500000\n", encoding="ascii")
    state = current_conditions(tmp_path)
    assert (state.governor, state.clock_mhz) == ("ondemand", 1500.0)
    assert current_conditions(tmp_path / "absent").governor is None
    (tmp_path / "sys_vendor").write_text("Maker\n", encoding="ascii")
    (tmp_path / "product_name").write_text("Box 1\n", encoding="ascii")
    assert board_name(tmp_path) is not None
