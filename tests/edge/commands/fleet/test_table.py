import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.commands.fleet.cells import cells, cut, fit
from edge.commands.fleet.rows import build_rows
from edge.commands.fleet.table import lay_out, totals
from edge.messages.payloads import encode
from support.fleet import NOW_UNIX, device
from support.mqtt import event

ALL = ["device", "status", "since", "version", "model", "source", "fps", "p99/ms", "level", "outbox", "temp"]
"""Titles of one word each; `last event` stands behind them."""
ORDER = ["source", "model", "version", "last", "level", "temp", "outbox", "p99/ms", "fps", "since"]
"""Order in which columns are left out; docs/fleet.md has it."""


def rows(*devices):
    return build_rows(devices, NOW_UNIX)


def test_line_has_every_figure():
    heading, line = lay_out(rows(device("cam-1")), NOW_UNIX)
    assert heading.split() == [*ALL, "last", "event", "problem"]
    assert line.split() == [
        *("cam-1", "online", "2", "h", "0.3.0", "normal", "scripted:", "14.9", "38/100", "full", "0", "52°"),
        *("1", "face,", "happy"),
    ]


def test_what_is_no_longer_true_of_a_device_that_is_away_is_left_out():
    (_, line) = lay_out(rows(device("cam-1", status="stopped")), NOW_UNIX)
    assert line.split() == [
        "cam-1",
        "stopped",
        "1",
        "s",
        "0.3.0",
        "normal",
        "scripted:",
        "-",
        "-",
        "-",
        "0",
        "52°",
        "-",
    ]


def test_last_event_stands_in_place_of_the_faces_in_view():
    one = device("cam-1")
    one.take("event", encode(event(3, type="face_left", time="2027-01-15T07:59:20.000Z")), NOW_UNIX, retained=False)
    assert "left happy 40 s ago" in lay_out(rows(one), NOW_UNIX)[1]


def test_columns_are_left_out_in_the_stated_order_and_lines_keep_the_width():
    made = rows(device("shop-berlin-0001"), device("hot", throttled=True, source_error="x" * 300, source="lost"))
    left_out = []
    for width in range(220, 20, -1):
        lines = lay_out(made, NOW_UNIX, width)
        assert all(cells(line) <= width for line in lines)
        missing = [title for title in ORDER if title not in lines[0].split()]
        left_out += [title for title in missing if title not in left_out]
        if width >= 45:
            assert {"device", "status", "problem"} <= set(lines[0].split())
            assert missing == ORDER[: len(missing)]
    assert left_out == ORDER


def test_eighty_columns_show_rate_and_latency_beside_the_problem():
    lines = lay_out(rows(device("shop-berlin-0001", throttled=True)), NOW_UNIX, 80)
    assert lines == [
        "device            status  since   fps  p99/ms  outbox  problem",
        "shop-berlin-0001  online  2 h    14.9  38/100       0  throttled by the firmware",
    ]


def test_name_that_is_too_long_for_a_sensor_moves_its_own_line_only():
    heading, short, long = lay_out(rows(device("cam-1"), device("x" * 200)), NOW_UNIX)
    assert long.startswith("x" * 200 + "  online")
    assert (heading.index("status"), short.index("online")) == (66, 66)


def test_control_characters_of_names_and_reasons_are_replaced():
    evil = device("\x1b[2Jcam\u202e", source="lost", source_error="\x07\x1b]0;title\x07", info_source="a\nb")
    for line in lay_out(rows(evil), NOW_UNIX) + lay_out(rows(evil), NOW_UNIX, 80):
        assert line.isprintable()


def test_totals_count_by_status_and_name_versions_and_models_where_they_differ():
    alike = rows(device("a"), device("b", status="stopped"), device("c", status="offline"))
    assert totals(alike, 3) == "3 devices: 1 online, 1 stopped, 1 offline; 1 with problems"
    mixed = rows(device("a"), device("b"), device("c", info_version="0.2.0"))
    assert totals(mixed, 9) == (
        "3 of 9 devices: 3 online, 0 stopped, 0 offline; none with problems; versions 0.3.0: 2, 0.2.0: 1"
    )
    many = rows(*(device(f"cam-{number}", info_version=f"0.{number}") for number in range(7)))
    assert totals(many, 7).endswith("versions 0.0: 1, 0.1: 1, 0.2: 1, 0.3: 1, others: 3")


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("door", 6, "door  "),
        ("doorway", 4, "doo…"),
        ("入口カメラ", 6, "入口… "),
        ("e\u0301e\u0301", 3, "e\u0301e\u0301 "),
    ],
)
def test_text_is_fitted_by_the_cells_that_it_takes(text, width, expected):
    assert fit(text, width) == expected


@given(st.text(max_size=20), st.integers(0, 12))
def test_cut_text_never_takes_more_cells(text, width):
    assert cells(cut(text, width)) <= width
