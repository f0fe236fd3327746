import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.messages.topics import KINDS, DeviceTopic, Topics, parse_topic, subscription


@given(
    base=st.from_regex(r"[a-z]{1,5}(/[a-z]{1,5}){0,2}", fullmatch=True),
    device=st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True),
    kind=st.sampled_from(KINDS),
)
def test_topic_is_parsed_to_its_device_and_kind(base: str, device: str, kind: str) -> None:
    assert parse_topic(base, Topics(base, device).of(kind)) == DeviceTopic(device, kind)


def test_topic_names_and_filters() -> None:
    topics = Topics("emotion-edge", "hall")
    assert [topics.status, topics.info, topics.state, topics.event, topics.health] == [
        f"emotion-edge/hall/{kind}" for kind in ("status", "info", "state", "event", "health")
    ]
    assert subscription("emotion-edge", "event") == "emotion-edge/+/event"
    assert subscription("emotion-edge", "event", "hall") == "emotion-edge/hall/event"


@pytest.mark.parametrize(
    "topic", ["", "other/hall/event", "base", "base/event", "base//event", "base/hall/eventx", "base/hall/event/x"]
)
def test_foreign_topics_are_not_parsed(topic: str) -> None:
    assert parse_topic("base", topic) is None
