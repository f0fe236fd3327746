import re

import msgspec
import pytest

from edge.messages.text import clock, describe_health, describe_state, printable
from support.mqtt import NOW, health, state


def test_control_characters_are_replaced() -> None:
    assert printable("\x1b[2Jhäppy\n\u2028→") == "�[2Jhäppy��→"


def test_time_stamp_is_a_local_time_of_day() -> None:
    assert re.fullmatch(r"\d\d:\d\d:\d\d", clock(NOW))


@pytest.mark.parametrize("timestamp", ["", "soon", "2026-01-31T99:15:00.250Z"])
def test_impossible_time_stamp_is_dashes(timestamp: str) -> None:
    assert clock(timestamp) == "--:--:--"


def test_paused_sensor_is_described_as_paused() -> None:
    paused = msgspec.structs.replace(state(None), paused=True)
    assert describe_state(paused) == "paused: no frames are captured"
    assert describe_health(health(paused=True)) == "health: paused, no frames are captured"
