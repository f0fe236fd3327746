"""Covers events of earlier runs: what is sent of them, and which bytes are none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.mqtt.outbox.stored_event import NotAnEventError, StoredEvent
from edge.system.clock import ClockReading


def test_stored_event_is_replayed_unchanged_but_for_latency_and_mark() -> None:
    stored = StoredEvent(b'{"boot_id":"b","seq":7,"later":[1.50],"time":"2026-01-31T08:15:00.250Z","latency_ms":1}')
    assert stored.replay_payload(ClockReading(1_769_847_301.5, 7.0, synchronised=True)) == (
        b'{"boot_id":"b","seq":7,"later":[1.5],"time":"2026-01-31T08:15:00.250Z","latency_ms":1250.0,"replayed":true,'
        b'"leader":null,"leader_group":null,"leader_confidence":null,"time_corrected":false,"clock_synchronised":false}'
    )
    # By a clock that was set back the event is not late.
    assert b'"latency_ms":0.0' in stored.replay_payload(ClockReading(0.0, 7.0, synchronised=True))


@given(st.binary(max_size=60) | st.just(b"[" * 100_000) | st.just(b'{"boot_id":"x","seq":1,"time":"2026-01-31"}'))
def test_bytes_that_are_no_event_are_rejected(content: bytes) -> None:
    with pytest.raises(NotAnEventError):
        StoredEvent(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"boot_id":"b","seq":1,"time":"2026-01-31T08:15:00"}', "is in no time zone"),
        (b'{"boot_id":"b","seq":0,"time":"2026-01-31T08:15:00Z"}', "seq"),
        (b'{"boot_id":"","seq":1,"time":"2026-01-31T08:15:00Z"}', "boot_id"),
        (b'{"boot_id":"b","time":"2026-01-31T08:15:00Z"}', "missing required field `seq`"),
        (b'{"boot_id":"b","seq":1}', "missing required field `time`"),
        (b'"event"', "Expected `object`"),
    ],
)
def test_error_names_what_is_missing_or_wrong(content: bytes, reason: str) -> None:
    with pytest.raises(NotAnEventError, match=reason):
        StoredEvent(content)
