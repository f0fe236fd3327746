"""What is read from a message: columns, fields of later versions, and everything that may arrive on a topic."""

import datetime

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.archive.records import (
    LONGEST_PAYLOAD_BYTES,
    EndedBoot,
    EventRecord,
    InfoRecord,
    MalformedMessageError,
    StateRecord,
    StatusRecord,
    SummaryRecord,
    read_message,
)
from edge.messages.payloads import PreviousBoot, encode
from edge.messages.topics import KINDS, DeviceTopic, Kind
from support.archive import summary
from support.mqtt import event, health, info, state

VALID = {
    "event": encode(event(1)),
    "state": encode(state()),
    "health": encode(health()),
    "summary": encode(summary("2026-01-31T08:15:00.000Z", 3)),
    "info": encode(info()),
    "status": b"online",
}


def read(kind: Kind, payload: bytes, device: str = "cam", *, retained: bool = False):
    return read_message(DeviceTopic(device, kind), payload, retained=retained)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_read(kind: Kind) -> None:
    records = read(kind, VALID[kind])
    assert len(records) == (2 if kind == "summary" else 1)
    assert {record.device for record in records} == {"cam"}


@pytest.mark.parametrize("kind", KINDS)
def test_removed_retained_message_is_nothing(kind: Kind) -> None:
    assert read(kind, b"") == []


def test_time_with_another_offset_is_the_same_moment() -> None:
    (record,) = read("event", encode(event(1)).replace(b"2026-01-31T08:15:00.250Z", b"2026-01-31T09:45:00.25+01:30"))
    assert isinstance(record, EventRecord)
    assert record.time == datetime.datetime(2026, 1, 31, 8, 15, 0, 250_000, datetime.UTC)


def test_event_of_the_shortest_form_is_enough() -> None:
    (record,) = read("event", b'{"boot_id":"b","seq":1,"time":"2026-01-31T08:15:00Z","type":"glance"}')
    assert isinstance(record, EventRecord)
    assert (record.type, record.emotion, record.zones, record.replayed) == ("glance", None, [], False)


def test_state_counts_its_faces() -> None:
    (record,) = read("state", VALID["state"])
    assert isinstance(record, StateRecord)
    assert (record.faces, record.present, record.emotion) == (1, True, "happy")


def test_periods_of_a_summary_are_records_of_their_own() -> None:
    payload = msgspec.json.decode(VALID["summary"])
    payload["last_hour"] = payload["hour"] | {"start": "2026-01-31T07:00:00.000Z", "complete": True, "visits": 9}
    records = [one for one in read("summary", msgspec.json.encode(payload)) if isinstance(one, SummaryRecord)]
    assert [(one.period, one.complete, one.visits) for one in records] == [
        ("hour", False, 3),
        ("day", False, 3),
        ("hour", True, 9),
    ]
    assert msgspec.json.decode(records[2].payload)["visits"] == 9


def test_info_names_earlier_boots() -> None:
    boot = PreviousBoot(
        boot_id="before",
        events_decided=7,
        events_decided_exact=True,
        events_delivered=4,
        events_waiting=2,
        events_dropped=0,
        events_unaccounted=1,
    )
    payload = encode(msgspec.structs.replace(info(), previous_boots=[boot]))
    (record,) = read("info", payload, retained=True)
    assert isinstance(record, InfoRecord)
    assert (record.live, record.ended, record.model) == (False, [EndedBoot("before", 7, 2)], "normal")


@pytest.mark.parametrize(
    ("kind", "payload", "reason"),
    [
        ("status", b"on", "'on' is none of online, stopped, offline"),
        ("event", b"[]", "Expected `object`, got `array`"),
        (
            "event",
            b'{"boot_id":"b","seq":0,"time":"2026-01-31T08:15:00Z","type":"x"}',
            "Expected `int` >= 1 - at `$.seq`",
        ),
        (
            "event",
            b'{"boot_id":"b","seq":1,"time":"2026-01-31T08:15:00","type":"x"}',
            "Expected `datetime` with a timezone",
        ),
        ("event", VALID["event"].replace(b'"happy"', b'"ha\\u0000ppy"'), "the character U+0000"),
        ("event", VALID["event"][:-1] + b',"later":"\\ud800"}', ""),
        ("event", VALID["event"][:-1] + b',"later":"\xff"}', "utf-8"),
        ("event", VALID["event"][:-1] + b',"later":' + b"[" * 5000 + b"]" * 5000 + b"}", "recursion"),
        ("event", VALID["event"].replace(b"2026-01-31T08:15:00.250Z", b"0001-01-01T00:00:00+09:00"), ""),
        ("event", VALID["event"] + b" " * LONGEST_PAYLOAD_BYTES, "bytes, but at most"),
    ],
)
def test_malformed_message_is_refused_with_a_reason(kind: Kind, payload: bytes, reason: str) -> None:
    with pytest.raises(MalformedMessageError) as refusal:
        read(kind, payload)
    assert reason in str(refusal.value)


def test_backslash_before_a_zero_is_no_zero() -> None:
    assert read("event", VALID["event"][:-1] + b',"later":"\\\\u0000"}')


@pytest.mark.parametrize("device", ["x" * 129, "a\nb", "a\x7f"])
def test_device_that_no_table_could_show_is_refused(device: str) -> None:
    with pytest.raises(MalformedMessageError, match="no id of a device"):
        read("status", b"online", device)
    assert isinstance(read("status", b"online", "x" * 128)[0], StatusRecord)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=4,
)
few = settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])


@few
@given(kind=st.sampled_from(KINDS), changes=st.dictionaries(st.text(), json_values, max_size=3), data=st.data())
def test_any_payload_is_read_or_refused(kind: Kind, changes: dict[str, object], data: st.DataObject) -> None:
    if kind == "status" or data.draw(st.booleans()):
        payload = data.draw(st.binary(max_size=64))
    else:
        valid = msgspec.json.decode(VALID[kind])
        known = data.draw(st.dictionaries(st.sampled_from(sorted(valid)), json_values, max_size=2))
        payload = msgspec.json.encode(valid | changes | known)
    try:
        records = read(kind, payload)
    except MalformedMessageError:
        return
    assert all(record.device == "cam" for record in records)


@few
@given(changes=st.dictionaries(st.text(min_size=1), json_values, max_size=4))
def test_fields_of_a_later_version_change_no_column(changes: dict[str, object]) -> None:
    valid = msgspec.json.decode(VALID["event"])
    payload = msgspec.json.encode({key: value for key, value in changes.items() if key not in valid} | valid)
    try:
        (record,) = read("event", payload)
    except MalformedMessageError:
        assert b"\\u0000" in payload
        return
    (plain,) = read("event", VALID["event"])
    columns = {name: getattr(record, name) for name in plain.__struct_fields__ if name != "payload"}
    assert columns == {name: getattr(plain, name) for name in columns}
