"""Findings and summary of the sequence verifier."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.commands.verify import SequenceVerifier
from edge.messages.payloads import InfoPayload
from edge.messages.previous_boot import PreviousBoot
from support.mqtt import event, info

BOOT = "cam boot boot"


def findings(verifier: SequenceVerifier, *events: object) -> list[str]:
    """Return the findings for events with these numbers; a negative number is marked as replayed."""
    found = []
    for one in events:
        assert isinstance(one, int)
        finding = verifier.event("cam", event(abs(one), replayed=one < 0), duplicate=False)
        found += [finding] if finding else []
    return found


@pytest.mark.parametrize(
    ("received", "expected", "summary"),
    [
        ((1, 2, 3), [], "1 to 3, 3 events, none missing"),
        ((7, 8), [], "7 to 8, 2 events, none missing"),
        ((1, 3), ["gap, 2 missing"], "1 to 3, 2 events, 1 missing"),
        ((1, 5), ["gap, 2 to 4 missing"], "1 to 5, 2 events, 3 missing"),
        ((1, 2, 3, -2, -3, 4), [], "1 to 4, 4 events, none missing, 2 repeated, marked"),
        ((1, 2, 1), ["1 comes again without a mark"], "1 to 2, 2 events, none missing, 1 repeated without a mark"),
        (
            (1, 3, 2),
            ["gap, 2 missing", "2 comes after 3, out of order"],
            "1 to 3, 3 events, none missing, 1 out of order",
        ),
        # Replayed after a connection that was lost before the subscription: sent first when there was no subscription.
        ((10, -9, -10, 11), [], "10 to 11, 2 events, none missing, 2 repeated, marked"),
        ((1, 10**9), ["gap, 2 to 999999999 missing"], "1 to 1000000000, 2 events, 999999998 missing"),
    ],
)
def test_findings_and_summary_of_one_boot(received: tuple[int, ...], expected: list[str], summary: str) -> None:
    verifier = SequenceVerifier()
    assert findings(verifier, *received) == [f"{BOOT}: {finding}" for finding in expected]
    assert verifier.summary() == [f"{BOOT}: {summary}"]
    assert verifier.faultless == (not expected)


def test_duplicate_marked_by_the_broker_is_no_finding() -> None:
    verifier = SequenceVerifier()
    findings(verifier, 1, 2)
    assert verifier.event("cam", event(2), duplicate=True) is None
    assert verifier.faultless


def test_each_boot_of_each_device_is_counted_separately() -> None:
    verifier = SequenceVerifier()
    for device, boot in (("a", "x"), ("a", "y"), ("b", "x\n")):
        for seq in (1, 2):
            assert verifier.event(device, event(seq, boot_id=boot), duplicate=False) is None
    assert [line.partition(":")[0] for line in verifier.summary()] == ["a boot x", "a boot y", "b boot x\ufffd"]
    assert verifier.faultless


def test_first_gap_after_an_interruption_is_not_counted_as_missing() -> None:
    verifier = SequenceVerifier()
    findings(verifier, 1)
    verifier.interrupted()
    assert findings(verifier, 4, 6) == [
        f"{BOOT}: 2 to 3 not received, this subscriber was disconnected",
        f"{BOOT}: gap, 5 missing",
    ]
    assert not verifier.faultless


def test_no_events_is_faultless() -> None:
    verifier = SequenceVerifier()
    assert verifier.summary() == ["no events received"]
    assert verifier.faultless


@given(st.lists(st.integers(1, 12), min_size=1))
def test_summary_counts_numbers_that_never_arrived(seqs: list[int]) -> None:
    verifier = SequenceVerifier()
    findings(verifier, *seqs)
    missing = set(range(seqs[0], max(seqs) + 1)) - set(seqs)
    (summary,) = verifier.summary()
    assert f", {len(missing) or 'none'} missing" in summary
    # Numbers before the first one count as repeated: they cannot be told from a replay.
    events = {seq for seq in seqs if seq >= seqs[0]}
    assert f", {len(events)} events, " in summary
    repeated = len(seqs) - len(events)
    assert (f", {repeated} repeated without a mark" in summary) == (repeated > 0)


def previous(boot_id: str, decided: int, **changes: Any) -> PreviousBoot:
    counts: dict[str, Any] = {
        "events_decided": decided,
        "events_decided_exact": True,
        "events_delivered": decided,
        "events_waiting": 0,
        "events_dropped": 0,
        "events_unaccounted": 0,
    }
    return PreviousBoot(boot_id=boot_id, **(counts | changes))


def boot(boot_id: str, *boots: PreviousBoot) -> InfoPayload:
    return msgspec.structs.replace(info(), boot_id=boot_id, previous_boots=list(boots))


def receive(verifier: SequenceVerifier, boot_id: str, *seqs: int, replayed: bool = False) -> list[str]:
    """Return the findings of `watch` for events of a boot."""
    found = []
    for seq in seqs:
        found += verifier.before_event("cam", boot_id)
        finding = verifier.event("cam", event(seq, boot_id=boot_id, replayed=replayed), duplicate=False)
        found += [] if finding is None else [finding]
    return found


def test_event_that_a_killed_sensor_took_with_it_is_found_at_the_next_start() -> None:
    verifier = SequenceVerifier()
    assert verifier.info("cam", boot("one")) == []
    assert receive(verifier, "one", 1, 2, 3) == []
    ended = previous("one", 5, events_delivered=3, events_unaccounted=2)
    assert verifier.info("cam", boot("two", ended)) == ["cam boot one: lost at the end, 4 to 5 of 5 missing"]
    # Each new connection publishes it again.
    assert verifier.info("cam", boot("two", ended)) == []
    assert receive(verifier, "two", 1, 2) == []
    assert verifier.summary() == [
        "cam boot one: 1 to 5, 3 events, 2 missing",
        "cam boot two: 1 to 2, 2 events, none missing",
    ]
    assert not verifier.faultless


def test_boot_whose_end_has_arrived_is_faultless() -> None:
    verifier = SequenceVerifier()
    verifier.info("cam", boot("one"))
    receive(verifier, "one", 1, 2, 3)
    # Delivered, although the sensor was killed before it saw the acknowledgement.
    assert verifier.info("cam", boot("two", previous("one", 3, events_unaccounted=1))) == []
    assert verifier.summary() == ["cam boot one: 1 to 3, 3 events, none missing"]
    assert verifier.faultless


def test_events_that_wait_are_given_time_until_the_first_event_of_the_next_boot() -> None:
    verifier = SequenceVerifier()
    verifier.info("cam", boot("one"))
    receive(verifier, "one", 1)
    ended = previous("one", 4, events_delivered=1, events_waiting=2, events_unaccounted=1)
    assert verifier.info("cam", boot("two", ended)) == []
    assert receive(verifier, "one", 2, 3, replayed=True) == []
    assert receive(verifier, "two", 1) == ["cam boot one: lost at the end, 4 of 4 missing"]
    assert not verifier.faultless


def test_events_that_still_wait_at_the_end_of_watching_are_no_fault() -> None:
    verifier = SequenceVerifier()
    verifier.info("cam", boot("one"))
    receive(verifier, "one", 1)
    verifier.info("cam", boot("two", previous("one", 4, events_delivered=1, events_waiting=3)))
    assert verifier.summary() == [
        "cam boot one: 1 to 1, 1 events, none missing, 3 at the end still waiting in the sensor"
    ]
    assert verifier.faultless
    verifier.info("cam", boot("two", previous("one", 5, events_delivered=1, events_waiting=3, events_unaccounted=1)))
    verifier.summary()
    assert not verifier.faultless


def test_end_that_a_disconnected_subscriber_missed_is_not_the_sensors_fault() -> None:
    verifier = SequenceVerifier()
    verifier.info("cam", boot("one"))
    receive(verifier, "one", 1)
    verifier.interrupted()
    assert verifier.info("cam", boot("two", previous("one", 3))) == [
        "cam boot one: 2 to 3 at the end not received, this subscriber was disconnected"
    ]
    assert verifier.faultless


def test_subscriber_that_comes_later_is_told_what_the_sensor_cannot_account_for() -> None:
    verifier = SequenceVerifier()
    ended = previous("one", 9, events_delivered=8, events_unaccounted=1, events_decided_exact=False)
    assert verifier.info("cam", boot("two", ended)) == [
        "cam boot one: ended before this subscriber came; the sensor cannot account for 1 of at least 9 events"
    ]
    assert verifier.info("cam", boot("two", ended)) == []
    # It cannot know what else has arrived before.
    assert receive(verifier, "two", 7) == []
    assert verifier.faultless


def test_boots_of_which_nothing_arrived_are_found() -> None:
    """Killed before they reached the broker: the boot after them is the first to publish anything."""
    verifier = SequenceVerifier()
    verifier.info("cam", boot("one"))
    receive(verifier, "one", 1, 2)
    assert verifier.info("cam", boot("four", previous("three", 1), previous("two", 0), previous("one", 2))) == [
        "cam boot three: lost at the end, 1 of 1 missing"
    ]
    assert receive(verifier, "four", 2) == ["cam boot four: gap, 1 missing"]


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=6),
    st.booleans(),
)
def test_every_event_that_is_lost_at_an_end_is_counted_once(ends: list[tuple[int, int, int]], again: bool) -> None:  # noqa: FBT001
    """Each boot delivers some events, keeps some that the next one sends, and loses some."""
    verifier = SequenceVerifier()
    boots: list[PreviousBoot] = []
    verifier.info("cam", boot("before"))
    verifier.info("cam", boot("boot-0", previous("before", 0)))
    for number, (delivered, waiting, lost) in enumerate(ends):
        name, following = f"boot-{number}", f"boot-{number + 1}"
        assert [one for one in receive(verifier, name, *range(1, delivered + 1)) if name in one] == []
        decided = delivered + waiting + lost
        ended = previous(name, decided, events_delivered=delivered, events_waiting=waiting, events_unaccounted=lost)
        boots = [ended, *boots][:5]
        for _ in range(1 + again):
            verifier.info("cam", boot(following, *boots))
        receive(verifier, name, *range(delivered + 1, delivered + waiting + 1), replayed=True)
        boots[0] = msgspec.structs.replace(ended, events_delivered=delivered + waiting, events_waiting=0)
    receive(verifier, f"boot-{len(ends)}", 1)
    summary = verifier.summary()
    lost_by_boot = [lost for _, _, lost in ends]
    assert verifier.faultless is (sum(lost_by_boot) == 0)
    counted = [
        int(part.split()[0])
        for line in summary
        for part in line.split(", ")
        if part.endswith(" missing") and "none" not in part
    ]
    assert sum(counted) == sum(lost_by_boot)
