"""Which messages a broker is judged never to take, and when a second client is likely."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.mqtt.reason_codes import NOT_AUTHORIZED, PACKET_TOO_LARGE
from edge.mqtt.suspicion import STRIKES, TakeoverSuspicion, Unacknowledged, UndeliverableMessages

SIZES = st.integers(50, 2000)


def message(key: int, packet_bytes: int = 100, topic: str = "event") -> Unacknowledged:
    return Unacknowledged(key, topic, packet_bytes)


def refused(rules: UndeliverableMessages, *messages: Unacknowledged) -> list[object]:
    return [one.key for one in messages if rules.refusal(one) is not None]


def deliver(messages: list[Unacknowledged], takes, rules: UndeliverableMessages, most: int) -> tuple[list, list, int]:
    """Send messages in order as the publish loop does, to a broker that closes over what `takes` refuses.

    Returns the keys that were taken, those that were dropped, and the number of connections.
    """
    waiting, taken, dropped = list(messages), [], []
    for connections in range(1, most + 1):
        under_way: list[Unacknowledged] = []
        alive = True
        while waiting[len(under_way) :] and alive:
            size = 1 if rules.cautious else 4
            for one in waiting[len(under_way) : size]:
                if rules.refusal(one) is not None:
                    break
                under_way.append(one)
            if len(under_way) < min(size, len(waiting)) and not under_way:
                dropped.append(waiting.pop(0).key)
                continue
            while under_way and takes(under_way[0]):
                one = under_way.pop(0)
                waiting.remove(one)
                rules.acknowledged(one)
                taken.append(one.key)
            alive = not under_way
        if not waiting:
            return taken, dropped, connections
        rules.connection_ended(under_way, by_broker=True)
    raise AssertionError((taken, dropped, waiting))


@given(st.lists(SIZES, min_size=1, max_size=12), st.integers(60, 1900))
def test_what_a_broker_takes_is_delivered_in_order_and_nothing_waits_behind_the_rest(
    sizes: list[int], limit: int
) -> None:
    messages = [message(key, size) for key, size in enumerate([55, *sizes])]
    rules = UndeliverableMessages()
    taken, dropped, connections = deliver(messages, lambda one: one.packet_bytes <= limit, rules, most=100)
    assert taken == [one.key for one in messages if one.packet_bytes <= limit]
    assert dropped == [one.key for one in messages if one.packet_bytes > limit]
    assert connections <= (STRIKES + 2) * len(dropped) + 1


@given(st.lists(st.tuples(st.lists(st.integers(0, 3), max_size=3, unique=True), st.booleans()), max_size=40))
def test_a_network_that_breaks_never_condemns_a_message(ends: list[tuple[list[int], bool]]) -> None:
    rules = UndeliverableMessages()
    for keys, subscription in ends:
        dropped = rules.connection_ended(
            [message(key) for key in keys], by_broker=False, subscription_pending=subscription
        )
        assert dropped is None
    assert not refused(rules, *map(message, range(4)))
    assert not rules.cautious


@given(st.lists(st.sampled_from([1, 2]), max_size=40))
def test_an_acknowledgement_between_two_ends_clears_a_message(keys: list[int]) -> None:
    rules = UndeliverableMessages()
    for key in keys:
        assert rules.connection_ended([message(key)], by_broker=True) is None
        rules.acknowledged(message(key))
    assert not refused(rules, message(1), message(2))


def test_a_message_that_is_alone_is_condemned_the_third_time() -> None:
    rules = UndeliverableMessages()
    rules.acknowledged(message(0, 100))
    assert rules.connection_ended([message(1, 300), message(2, 120)], by_broker=True) is None
    assert rules.cautious
    assert [rules.connection_ended([message(1, 300)], by_broker=True) for _ in range(2)] == [None, None]
    assert rules.nearly_sure
    assert rules.connection_ended([message(1, 300)], by_broker=True) == message(1, 300)
    assert refused(rules, message(1, 300), message(2, 120), message(3, 300), message(4, 299)) == [1, 3]
    assert refused(rules, Unacknowledged("state", "state", 900)) == []  # another topic


def test_a_message_of_a_length_that_was_taken_before_is_condemned_alone() -> None:
    rules = UndeliverableMessages()
    rules.acknowledged(message(0, 500))
    for _ in range(STRIKES):
        rules.connection_ended([message(1, 300)], by_broker=True)
    assert refused(rules, message(1, 300), message(2, 300), message(3, 400)) == [1]


def test_a_topic_on_which_nothing_is_ever_taken_is_given_up() -> None:
    rules = UndeliverableMessages()
    for key, length in ((1, 300), (2, 200)):
        for _ in range(STRIKES):
            rules.connection_ended([message(key, length)], by_broker=True)
    assert refused(rules, message(3, 100)) == [3]
    assert refused(rules, message(4, 100, "state")) == []


def test_disconnect_that_names_the_length_condemns_the_longest_at_once() -> None:
    rules = UndeliverableMessages()
    dropped = rules.connection_ended([message(1, 200), message(2, 900)], by_broker=True, code=PACKET_TOO_LARGE)
    assert dropped == message(2, 900)
    assert refused(rules, message(1, 200), message(2, 900)) == [2]


def test_refusal_in_words_before_the_end_gives_up_a_topic_that_was_never_taken() -> None:
    rules = UndeliverableMessages()
    rules.acknowledged(message(0, topic="event"))
    for topic in ("state", "event"):
        rules.refused(message(1, topic=topic), NOT_AUTHORIZED)
        rules.connection_ended([], by_broker=True)
    assert refused(rules, message(2, topic="state"), message(3, topic="event")) == [2]


def test_refusal_that_names_the_length_holds_for_longer_messages_of_the_topic() -> None:
    rules = UndeliverableMessages()
    rules.refused(message(1, 300), PACKET_TOO_LARGE)
    rules.connection_ended([], by_broker=True)
    assert refused(rules, message(2, 299), message(3, 300), message(4, 400), message(5, 400, "state")) == [3, 4]


def test_a_broker_that_takes_nothing_at_present_condemns_no_message() -> None:
    rules = UndeliverableMessages()
    for _ in range(20):
        assert rules.connection_ended([message(1)], by_broker=True, others_taken=False) is None
    assert refused(rules, message(1)) == []


def test_silence_counts_only_against_a_message_longer_than_any_before() -> None:
    rules = UndeliverableMessages()
    rules.acknowledged(message(0, 200))
    for _ in range(20):
        assert rules.connection_ended([message(1, 200)], by_broker=True, silent=True) is None
    for _ in range(STRIKES):
        rules.connection_ended([message(2, 201)], by_broker=True, silent=True)
    assert refused(rules, message(1, 200), message(2, 201)) == [2]


def test_a_connection_that_lasts_ends_the_suspicion() -> None:
    rules = UndeliverableMessages()
    rules.connection_ended([message(1)], by_broker=True)
    rules.lasted(29.0)
    assert rules.cautious
    rules.lasted(30.0)
    assert not rules.cautious


@pytest.mark.parametrize(
    ("ends", "likely"),
    [
        ([(5.0, True, False)] * 2, False),
        ([(5.0, True, False)] * 3, True),
        ([(5.0, True, False)] * 2 + [(300.0, True, False), (5.0, True, False)], False),
        ([(5.0, False, False)] * 9, False),
        ([(5.0, True, True)] * 9, False),
    ],
)
def test_short_connections_that_the_broker_closes_without_a_reason_suggest_a_second_client(ends, likely: bool) -> None:  # noqa: FBT001
    suspicion = TakeoverSuspicion()
    results = [
        suspicion.connection_ended(seconds, by_broker=by_broker, explained=explained)
        for seconds, by_broker, explained in ends
    ]
    assert results[-1] is likely
