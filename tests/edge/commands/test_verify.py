import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.commands.verify import Verifier
from support.mqtt import event

BOOT = "cam boot boot"


def findings(verifier: Verifier, *events: object) -> list[str]:
    """What is said of events: numbers; with a minus, marked as replayed."""
    said = []
    for one in events:
        assert isinstance(one, int)
        finding = verifier.event("cam", event(abs(one), replayed=one < 0), duplicate=False)
        said += [finding] if finding else []
    return said


@pytest.mark.parametrize(
    ("heard", "said", "summary"),
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
        # Replayed after a lost connection from before we came: its first sending was not for us.
        ((10, -9, -10, 11), [], "10 to 11, 2 events, none missing, 2 repeated, marked"),
        ((1, 10**9), ["gap, 2 to 999999999 missing"], "1 to 1000000000, 2 events, 999999998 missing"),
    ],
)
def test_of_one_boot(heard: tuple[int, ...], said: list[str], summary: str) -> None:
    verifier = Verifier()
    assert findings(verifier, *heard) == [f"{BOOT}: {finding}" for finding in said]
    assert verifier.summary() == [f"{BOOT}: {summary}"]
    assert verifier.faultless == (not said)


def test_what_the_broker_marks_may_come_twice() -> None:
    verifier = Verifier()
    findings(verifier, 1, 2)
    assert verifier.event("cam", event(2), duplicate=True) is None
    assert verifier.faultless


def test_each_boot_of_each_device_counts_for_itself() -> None:
    verifier = Verifier()
    for device, boot in (("a", "x"), ("a", "y"), ("b", "x\n")):
        for seq in (1, 2):
            assert verifier.event(device, event(seq, boot_id=boot), duplicate=False) is None
    assert [line.partition(":")[0] for line in verifier.summary()] == ["a boot x", "a boot y", "b boot x\ufffd"]
    assert verifier.faultless


def test_what_we_did_not_hear_is_no_gap_once() -> None:
    verifier = Verifier()
    findings(verifier, 1)
    verifier.interrupted()
    assert findings(verifier, 4, 6) == [f"{BOOT}: 2 to 3 not heard, this watcher was away", f"{BOOT}: gap, 5 missing"]
    assert not verifier.faultless


def test_nothing_heard() -> None:
    verifier = Verifier()
    assert verifier.summary() == ["no events came"]
    assert verifier.faultless


@given(st.lists(st.integers(1, 12), min_size=1))
def test_missing_is_what_never_came(seqs: list[int]) -> None:
    verifier = Verifier()
    findings(verifier, *seqs)
    (heard,) = verifier._boots.values()
    assert heard.missing == set(range(seqs[0], max(seqs) + 1)) - set(seqs)
    assert heard.events + heard.repeated == len(seqs)
