import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edge.mqtt.outbox import Outbox
from mqtt_tools import event

pytestmark = pytest.mark.device

BOUND = 10


class OutboxMachine(RuleBasedStateMachine):
    """An outbox beside the simplest model of it: a list of numbers, and which of them are in flight."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox = Outbox(BOUND)
        self.seq = 0
        self.mid = 0
        self.kept: list[int] = []
        self.flying: dict[int, int] = {}
        self.late: set[int] = set()
        self.dropped = 0

    @rule(connected=st.booleans(), gap=st.integers(1, 3))
    def add(self, *, connected: bool, gap: int) -> None:
        self.seq += gap
        self.outbox.add(event(self.seq), 0.0, connected=connected)
        self.kept.append(self.seq)
        if not connected:
            self.late.add(self.seq)
        if len(self.kept) > BOUND:
            self.kept.remove(min(set(self.kept) - set(self.flying.values())))
            self.dropped += 1

    @rule()
    def hand_over(self) -> None:
        entry = self.outbox.next_waiting()
        waiting = [seq for seq in self.kept if seq not in self.flying.values()]
        if not waiting:
            assert entry is None
            return
        assert entry is not None
        assert entry.payload.seq == waiting[0]
        assert entry.replayed == (waiting[0] in self.late)
        self.mid += 1
        self.outbox.handed(self.mid)
        self.flying[self.mid] = waiting[0]

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), accepted=st.booleans())
    def settle(self, data: st.DataObject, *, accepted: bool) -> None:
        mid = data.draw(st.sampled_from(sorted(self.flying)))
        assert self.outbox.settled(mid, accepted=accepted)
        self.kept.remove(self.flying.pop(mid))
        self.dropped += not accepted
        assert not self.outbox.settled(mid, accepted=True)

    @rule()
    def lose_connection(self) -> None:
        self.outbox.connection_lost()
        self.flying.clear()
        self.late |= set(self.kept)

    @invariant()
    def agrees(self) -> None:
        assert self.outbox.pending_seqs() == self.kept
        assert self.outbox.depth == len(self.kept) <= BOUND
        assert self.outbox.in_flight == len(self.flying)
        assert self.outbox.dropped == self.dropped


OutboxMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestOutbox = OutboxMachine.TestCase


def test_number_that_does_not_grow_is_a_bug() -> None:
    outbox = Outbox(BOUND)
    outbox.add(event(2), 0.0, connected=True)
    with pytest.raises(ValueError, match="event 2 after event 2"):
        outbox.add(event(2), 0.0, connected=True)
