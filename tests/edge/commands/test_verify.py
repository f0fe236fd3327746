"""Findings and summary of the sequence verifier."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.commands.verify import SequenceVerifier
from support.mqtt import event

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
