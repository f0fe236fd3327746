import json

from hypothesis import given
from hypothesis import strategies as st

from edge.commands.fleet.devices import Fleet
from edge.commands.fleet.rows import build_rows, json_line
from edge.commands.fleet.table import lay_out, totals
from edge.messages.topics import KINDS, OFFLINE, ONLINE
from support.fleet import NOW_UNIX, messages

FIELDS = st.sampled_from(
    [
        *("time", "fps", "source", "uptime_seconds", "latency_ms", "p99", "budget", "level", "faces", "emotion"),
        *("model", "name", "health_interval_seconds", "settings_ignored", "desired", "step", "outbox_dropped"),
        *("temperature_c", "budget_latency_ms", "within_budget", "source_error", "version", "paused", "type"),
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(FIELDS, inner, max_size=2))
PAYLOADS = (
    st.binary(max_size=40)
    | st.just(b"[" * 100_000)
    | st.dictionaries(FIELDS, VALUES).map(lambda fields: json.dumps(fields).encode(errors="replace"))
    | st.sampled_from([ONLINE.encode(), OFFLINE.encode(), b'{"fps":1e999,"uptime_seconds":1e308,"outbox_depth":1e99}'])
)
MESSAGES = st.tuples(st.text(min_size=1, max_size=8), st.sampled_from(KINDS), PAYLOADS, st.booleans())


@given(st.lists(MESSAGES, max_size=8), st.integers(1, 200))
def test_whatever_is_published_gives_one_printable_line_each(published, width):
    fleet = Fleet()
    for name, kind, payload, retained in published:
        fleet.take(name, kind, payload, NOW_UNIX, retained=retained)
    rows = build_rows(fleet.devices, NOW_UNIX)
    assert len(rows) == len(fleet)
    for lines in (lay_out(rows, NOW_UNIX), lay_out(rows, NOW_UNIX, width)):
        assert len(lines) == len(rows) + 1
        assert all(line.isprintable() for line in lines)
    assert totals(rows, len(fleet)).isprintable()
    objects = [json_line(row) for row in rows]
    assert all(line.isprintable() for line in objects)
    assert [json.loads(line)["device"] for line in objects] == [row.name for row in rows]


def test_device_whose_retained_messages_are_removed_is_gone():
    fleet = Fleet()
    for kind, payload in messages().items():
        fleet.take("cam", kind, payload, NOW_UNIX, retained=True)
    for kind in ("status", "info", "health"):
        fleet.take("cam", kind, b"", NOW_UNIX, retained=False)
    (left,) = fleet.devices
    assert (left.status, left.info, left.health) == (None, None, None)
    fleet.take("cam", "state", b"", NOW_UNIX, retained=False)
    assert len(fleet) == 0
    assert fleet.take("never", "info", b"", NOW_UNIX, retained=False) is None
    assert len(fleet) == 0


def test_devices_beyond_the_limit_are_counted_and_not_kept():
    fleet = Fleet(most_devices=2)
    for name in ("a", "b", "c", "a"):
        fleet.take(name, "status", b"online", NOW_UNIX, retained=True)
    assert [one.name for one in fleet.devices] == ["a", "b"]
    assert fleet.ignored == 1


def test_retained_status_that_is_sent_again_keeps_the_moment_at_which_it_changed():
    fleet = Fleet()
    fleet.take("cam", "status", b"online", NOW_UNIX, retained=True)
    one = fleet.take("cam", "status", b"offline", NOW_UNIX + 5, retained=False)
    fleet.take("cam", "status", b"offline", NOW_UNIX + 9, retained=True)
    assert one is not None
    assert one.status_live == NOW_UNIX + 5
