"""Covers the retained payloads: the latest of each kind, in order, again at each connection."""

from edge.messages.topics import Kind
from edge.mqtt.outbox.retained import RetainedPayloads


def take_all(retained: RetainedPayloads) -> list[tuple[Kind, bytes]]:
    taken = []
    while (payload := retained.take_unsent()) is not None:
        taken.append(payload)
    return taken


def test_new_connection_publishes_online_and_then_the_latest_of_each_kind() -> None:
    retained = RetainedPayloads()
    for kind, payload in (("health", b"1"), ("state", b"old"), ("info", b"2"), ("state", b"new")):
        retained.set(kind, payload)  # type: ignore[arg-type]
    retained.connection_made()
    assert take_all(retained) == [("status", b"online"), ("info", b"2"), ("state", b"new"), ("health", b"1")]


def test_each_payload_is_taken_once_per_connection() -> None:
    retained = RetainedPayloads()
    retained.connection_made()
    assert take_all(retained) == [("status", b"online")]
    assert take_all(retained) == []
    retained.connection_made()
    assert take_all(retained) == [("status", b"online")]


def test_payload_that_was_not_taken_yet_is_replaced() -> None:
    retained = RetainedPayloads()
    retained.connection_made()
    take_all(retained)
    for number in range(3):
        retained.set("state", str(number).encode())
        retained.set("health", b"same")
    assert take_all(retained) == [("state", b"2"), ("health", b"same")]


def test_nothing_is_left_to_take_at_first_without_a_connection() -> None:
    retained = RetainedPayloads()
    assert retained.take_unsent() is None
