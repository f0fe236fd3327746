import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.commands.fleet.cells import cells
from edge.commands.fleet.filters import Filter
from edge.commands.fleet.rows import build_rows
from edge.commands.fleet.screen import Screen
from edge.commands.fleet.terminal import can_be_screen, parse_keys, terminal_size
from support.fleet import NOW_UNIX, device

ROWS = build_rows([device(f"cam-{number}", throttled=number == 7) for number in range(50)], NOW_UNIX)
SIZE = (80, 14)
KEYS = ["page_down", "page_up", "up", "down", "home", "end", "enter", "escape", "backspace", *" nbpjkgG/qcam-*ö,\t"]


def shown(screen, size=SIZE, rows=ROWS):
    lines = screen.show(rows, NOW_UNIX, "broker", size)
    return [re.sub(r"\x1b\[\dm", "", line) for line in lines]


def devices(screen):
    return [line.split()[0] for line in shown(screen)[3:-1] if line]


def test_screen_has_title_totals_heading_devices_and_keys():
    lines = shown(Screen(Filter()))
    assert len(lines) == 14
    assert lines[0] == "broker"
    assert lines[1].startswith("50 devices: 50 online")
    assert lines[2].split()[0] == "device"
    assert lines[3].split()[0] == "cam-7"  # the one with a problem
    assert lines[-1] == "1-10 of 50   space next, b back, / filter, q quit"


def test_keys_page_through_the_devices():
    screen = Screen(Filter())
    first = devices(screen)
    for key, expected in ((" ", "11-20"), ("n", "21-30"), ("b", "11-20"), ("p", "1-10"), ("p", "1-10"), ("G", "41-50")):
        screen.key(key)
        assert shown(screen)[-1].startswith(f"{expected} of 50")
    screen.key("page_down")
    assert shown(screen)[-1].startswith("41-50 of 50")
    screen.key("g")
    assert devices(screen) == first
    screen.key("down")
    assert devices(screen)[:-1] == first[1:]


def test_typed_filter_chooses_and_escape_shows_all():
    screen = Screen(Filter())
    for key in "/cam-1?x":
        screen.key(key)
    assert shown(screen)[-1].startswith("/cam-1?x_ ")
    screen.key("backspace")
    screen.key("enter")
    assert devices(screen) == [f"cam-{number}" for number in range(10, 20)]
    assert shown(screen)[-1].endswith('only "cam-1?", Esc: all')
    # `/` begins with the filter that is in force; q is a letter of it.
    for key in ["/", *" problem q", "escape", "escape"]:
        screen.key(key)
    assert not screen.ended
    assert len(devices(screen)) == 10
    assert shown(screen)[-1].startswith("1-10 of 50")
    screen.key("q")
    assert screen.ended


def test_fewer_devices_than_before_leave_no_empty_page():
    screen = Screen(Filter())
    screen.key("G")
    shown(screen)
    assert shown(screen, rows=ROWS[:5])[-1].startswith("1-5 of 5 ")
    assert shown(screen, rows=[])[-1].startswith("0-0 of 0 ")


@given(st.lists(st.sampled_from(KEYS), max_size=30), st.integers(1, 130), st.integers(1, 60), st.integers(0, 50))
def test_screen_fits_its_terminal_whatever_is_pressed(keys, width, height, count):
    screen = Screen(Filter())
    for key in keys:
        screen.key(key)
        lines = shown(screen, (width, height), ROWS[:count])
        assert len(lines) <= height
        assert all(cells(line) <= width and line.isprintable() for line in lines)


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        ("q", ["q"]),
        ("\x1b[6~\x1b[5~", ["page_down", "page_up"]),
        ("\x1b[A\x1bOB\x1b[H\x1b[4~", ["up", "down", "home", "end"]),
        ("\r\n\x7f\x08", ["enter", "enter", "backspace", "backspace"]),
        ("\x1b", ["escape"]),
        ("a\x1b[1;5Cb\x1b[24~c", ["a", "b", "c"]),  # keys that mean nothing here
        ("\x1b[12", []),
        ("ö", ["ö"]),
    ],
)
def test_keys_of_a_terminal_are_named(sent, keys):
    assert parse_keys(sent) == keys


@given(st.text(max_size=30))
def test_any_text_of_a_terminal_is_parsed(text):
    assert all(isinstance(key, str) for key in parse_keys(text))


def test_terminal_without_escape_sequences_or_a_file_is_no_screen(tmp_path):
    master, slave = os.openpty()
    try:
        with open(slave, "w", closefd=False) as terminal, (tmp_path / "out").open("w") as file:
            assert can_be_screen(terminal, terminal, {"TERM": "xterm"})
            assert not can_be_screen(terminal, terminal, {"TERM": "dumb"})
            assert not can_be_screen(terminal, file, {})
            assert not can_be_screen(file, terminal, {})
            assert terminal_size(terminal) == (80, 24)
    finally:
        os.close(slave)
        os.close(master)
