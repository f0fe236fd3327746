"""The soak's own checker (tests/soak): it finds each kind of loss, and a run in which an event is taken away fails."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.commands.demo_broker import find_mosquitto
from soak.faults import LANES
from soak.ledger import Ledger, PacketReader
from soak.verdict import Accounts, judge, watch_breaches
from support.program import environment
from support.scripted_broker import packet

ROOT = Path(__file__).parents[1]


def arrived(*boots: str) -> list[tuple[str, int]]:
    """Return events as "a1 a2 b1" names them."""
    return [(word[0], int(word[1:])) for boot in boots for word in boot.split()]


def test_complete_run_has_no_breach():
    accounts = Accounts(arrived("a1 a2 a2 a3 b1 b2"), {"a": 3, "b": 2}, {"a": 3}, decided={"a": 3})
    verdict = judge(accounts)
    assert verdict.breaches == []
    assert (verdict.events, verdict.repeated, verdict.lost_in_middle, verdict.lost_at_end) == (5, 1, 0, 0)


@pytest.mark.parametrize(
    ("accounts", "breach"),
    [
        (Accounts(arrived("a1 a3")), "boot a: 1 missing in the middle: 2"),
        (Accounts(arrived("a2 a3")), "boot a: 1 missing in the middle: 1"),
        (Accounts(arrived("a1 a3 a2")), "boot a: 2 arrived after 3"),
        (Accounts(arrived("a1 b1 a2")), "boot a: 2 arrived after an event of a later boot"),
        (Accounts(arrived("a1"), {"a": 2}), "boot a: acknowledged up to 2, arrived up to 1"),
        (Accounts(arrived("a1"), {"a": 1, "b": 1}), "boot b: acknowledged up to 1, arrived up to 0"),
        (Accounts(arrived("a1"), stored={"a": 3}, killed=frozenset("a")), "boot a: on the disk up to 3"),
        (Accounts(arrived("a1"), decided={"a": 2}), "boot a: 1 of 2 lost, although it ended cleanly"),
    ],
)
def test_each_kind_of_loss_is_a_breach(accounts, breach):
    assert any(breach in one for one in judge(accounts).breaches)


def test_loss_at_the_end_of_a_killed_boot_is_counted_and_no_breach():
    verdict = judge(Accounts(arrived("a1 a2 b1"), {"a": 2}, decided={"a": 4}, killed=frozenset("a")))
    assert verdict.breaches == []
    assert verdict.lost_at_end == 2
    assert verdict.ends == ["boot a: 2 of 4 lost at its end (not yet on the disk at SIGKILL)"]


def test_loss_with_a_destroyed_outbox_is_counted_and_what_was_acknowledged_is_still_a_breach():
    exposed = frozenset("a")
    verdict = judge(Accounts(arrived("a1"), stored={"a": 3}, exposed=exposed))
    assert (verdict.breaches, verdict.lost_at_end) == ([], 2)
    assert judge(Accounts(arrived("a1"), {"a": 2}, exposed=exposed)).breaches
    assert judge(Accounts(arrived("a1 b1 a2"), exposed=exposed)).breaches == []


def test_refused_event_is_no_gap():
    assert judge(Accounts(arrived("a1 a3"), {"a": 3}, refused=frozenset(arrived("a2")))).breaches == []


def test_loss_at_an_end_is_the_only_finding_of_watch_that_is_no_breach():
    end, sum_up = "cam boot a: lost at the end, 4 of 4 missing", "cam boot a: 1 to 4, 3 events, 1 missing"
    assert watch_breaches(0, ["cam boot a: 1 to 3, 3 events, none missing"]) == []
    assert watch_breaches(1, [end, sum_up]) == []
    assert watch_breaches(1, [end, "cam boot a: gap, 2 missing", sum_up])
    assert watch_breaches(1, [end, "cam boot a: 2 comes after 3, out of order"])
    assert watch_breaches(1, ["cam boot a: 2 comes again without a mark"])
    assert watch_breaches(0, ["cam boot a: 2 not received, this subscriber was disconnected"])
    assert watch_breaches(2, [])


@given(st.lists(st.binary(max_size=300), max_size=5), st.data())
def test_packets_are_found_however_the_stream_is_cut(bodies, data):
    packets = [packet(3, body) for body in bodies]
    stream, reader, found = b"".join(packets), PacketReader(), []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        found += reader.feed(stream[:cut])
        stream = stream[cut:]
    assert found == packets


@pytest.mark.parametrize("mqtt_5", [True, False])
def test_ledger_matches_events_with_their_acknowledgements(mqtt_5):
    ledger = Ledger(wall_clock=lambda: 1_790_000_000.0)
    tap = ledger.connection()
    tap.up(packet(1, b"\0\x04MQTT" + bytes([5 if mqtt_5 else 4])))
    for seq in (1, 2, 3):
        event = {"boot_id": "a", "seq": seq, "time": "2026-09-21T14:13:10.000Z", "replayed": False}
        properties = b"\0" if mqtt_5 else b""
        body = b"\0\x07c/event" + bytes([0, seq]) + properties + json.dumps(event).encode()
        tap.up(packet(3, body, 0b0010))
    tap.down(packet(4, b"\0\x01") + packet(4, b"\0\x02\x97"))
    assert ledger.acknowledged() == {"a": 1}
    assert ledger.refused() == {("a", 2): 0x97}
    assert ledger.at_broker() == {("a", 1), ("a", 3)}
    assert ledger.events["a", 1].age_seconds == pytest.approx(10.0)
    ledger.connection_ended(tap)
    assert ledger.at_broker() == {("a", 1)}


def test_there_are_twenty_kinds_of_fault():
    kinds = [fault.__name__ for faults in LANES.values() for fault in faults]
    assert len(kinds) == len(set(kinds)) >= 20


@pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")
def test_run_in_which_an_event_is_taken_away_fails(tmp_path):
    """The whole soak without a fault, but its proxy takes one event away and acknowledges it to the sensor."""
    done = subprocess.run(
        [sys.executable, "-m", "soak.run", "0.01", "1", tmp_path, "--lane", "none", "--swallow", "2"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=environment(PYTHONPATH=f"{ROOT}:{ROOT / 'tests'}"),
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 missing in the middle: 2" in done.stdout
    assert "BREACH  watch --verify ended with 1" in done.stdout
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["lost_in_the_middle_of_a_boot"] == 1
    assert len(summary["breaches"]) == 2, summary["breaches"]
