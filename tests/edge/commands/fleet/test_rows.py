import json

from edge.commands.fleet.filters import Filter
from edge.commands.fleet.rows import build_rows, json_line
from edge.messages.payload_builder import timestamp
from edge.messages.payloads import encode
from support.fleet import NOW_UNIX, device
from support.mqtt import NOW, event


def test_devices_come_by_trouble_then_by_natural_name():
    made = [
        device("cam-10"),
        device("fine-stopped", status="stopped"),
        device("cam-2"),
        device("hot", throttled=True),
        device("blind", source="lost"),
        device("blind-and-hot", source="lost", throttled=True),
        device("gone", status="offline"),
        device("clock", time=timestamp(NOW_UNIX + 999)),
    ]
    names = [row.name for row in build_rows(made, NOW_UNIX)]
    assert names == ["gone", "blind-and-hot", "blind", "hot", "clock", "cam-2", "cam-10", "fine-stopped"]


def test_since_is_the_start_of_a_sensor_that_is_online_and_else_the_last_sign_of_it():
    rows = {row.name: row for row in build_rows([device("a"), device("b", status="offline")], NOW_UNIX)}
    assert rows["a"].since_unix == NOW_UNIX - 2 - 7200
    assert rows["b"].since_unix == NOW_UNIX - 1


def test_json_has_every_figure_of_a_device():
    one = device("cam", within_budget=False, outbox_depth=4, info_settings_ignored=["bad\nvalue"])
    one.take("event", encode(event(7)), NOW_UNIX, retained=False)
    (row,) = build_rows([one], NOW_UNIX)
    assert json.loads(json_line(row)) == {
        "device": "cam",
        "status": "online",
        "since": timestamp(NOW_UNIX - 7202),
        "heard": timestamp(NOW_UNIX - 1),
        "version": "0.3.0",
        "model": "normal",
        "source": "scripted:",
        "source_state": "ok",
        "fps": 14.9,
        "p99_ms": 38.0,
        "budget_ms": 100.0,
        "within_budget": False,
        "level": "full",
        "outbox": 4,
        "outbox_dropped": 0,
        "temperature_c": 52.0,
        "faces": 1,
        "emotion": "happy",
        "event": {"time": NOW, "type": "emotion_changed", "emotion": "happy"},
        "wrong": True,
        "problems": [
            {"kind": "budget", "text": "p99 of 38 ms over the budget of 100 ms"},
            {"kind": "settings", "text": "setting ignored: bad�value"},
        ],
    }


def names(text):
    made = [device("door-1"), device("door-2", status="stopped"), device("hall", throttled=True)]
    return {row.name for row in Filter.parse(text).apply(build_rows(made, NOW_UNIX))}


def test_filter_takes_patterns_of_which_one_fits_and_words_that_all_hold():
    assert names("") == {"door-1", "door-2", "hall"}
    assert names("door-*") == {"door-1", "door-2"}
    assert names("door-* hall") == names("door-*,hall") == {"door-1", "door-2", "hall"}
    assert names("door") == set()
    assert names("problem") == {"hall"}
    assert names("online") == {"door-1", "hall"}
    assert names("online ok") == {"door-1"}
    assert names("door-* stopped") == {"door-2"}
    assert names("[h]all") == {"hall"}
    assert names("[") == set()
