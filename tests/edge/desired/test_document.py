import contextlib
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.desired.document import plans_of, read_document, read_payload
from edge.desired.errors import RefusedError
from edge.messages.desired import MAX_PAYLOAD_BYTES, Assignment, DesiredDocument, DesiredPayload, Plan
from edge.messages.payloads import encode
from support.mqtt import NOW

PLAN = Plan(name="november", assignments=[Assignment(settings={"events.margin": 0.3})])
DOCUMENT = DesiredDocument(base="emotion-edge", counter=7, time=NOW, rollout="0" * 16, plan=PLAN)
CONTENT = msgspec.json.encode(DOCUMENT)


def behind(count: int) -> Plan:
    """Return a plan with so many behind it."""
    plan = Plan(name="first")
    for number in range(count):
        plan = Plan(name=f"n{number}", percent=5, before=plan)
    return plan


def test_signed_bytes_come_out_as_they_went_in() -> None:
    text = ' {"schema":1,\n "x":"ü\\u00fc"}\t'
    payload = encode(DesiredPayload(document=text, signature="s"))
    assert read_payload(payload) == (text.encode(), "s")
    assert read_document(CONTENT, "emotion-edge") == DOCUMENT


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps).map(str.encode)
)
def test_whatever_arrives_is_read_or_refused_with_a_sentence(payload: bytes) -> None:
    for read in (read_payload, lambda content: read_document(content, "emotion-edge")):
        with pytest.raises(RefusedError):
            read(payload)


@given(st.binary(max_size=30), st.integers(0, len(CONTENT)), st.integers(0, 20))
def test_damaged_document_is_read_or_refused(piece: bytes, at: int, gone: int) -> None:
    damaged = CONTENT[:at] + piece + CONTENT[at + gone :]
    with contextlib.suppress(RefusedError):
        assert read_document(damaged, "emotion-edge").base == "emotion-edge"


def test_long_payload_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(
        RefusedError, match=f"^it has {MAX_PAYLOAD_BYTES + 1} bytes, and at most {MAX_PAYLOAD_BYTES} are read$"
    ):
        read_payload(b"[" * (MAX_PAYLOAD_BYTES + 1))
    with pytest.raises(RefusedError, match="no payload of a document"):
        read_payload(b"[" * MAX_PAYLOAD_BYTES)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"base": "museum"}, "it was signed for the fleet 'museum', and mqtt.base_topic is 'emotion-edge'"),
        ({"counter": 0}, "no document that this version reads"),
        ({"surplus": 1}, "no document that this version reads"),
        ({"plan": {"name": "a b"}}, "no document that this version reads"),
        ({"plan": {"name": "a", "assignments": [{"model": {"url": "http://x/y"}}]}}, "no document that this version"),
        ({"plan": msgspec.to_builtins(behind(8))}, "more than 8 plans behind each other"),
    ],
)
def test_signed_content_of_another_fleet_or_form_is_refused(changed: dict, sentence: str) -> None:
    content = json.dumps(msgspec.to_builtins(DOCUMENT) | changed).encode()
    with pytest.raises(RefusedError, match=sentence):
        read_document(content, "emotion-edge")


@pytest.mark.parametrize(
    "url",
    [
        "http://host/a",
        "https://user@host/a",
        "https://host/a@b",
        "https:///a",
        "file:///etc/passwd",
        "https://host/a b",
    ],
)
def test_addresses_of_models_are_https_without_credentials(url: str) -> None:
    file = {"url": url, "size": 1, "sha256": "0" * 64}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"name": "a", "assignments": [{"model": {**file, "manifest": file}}]}, Plan)


def test_plans_behind_each_other_are_counted() -> None:
    assert [plans_of(behind(count)) for count in (0, 1, 7)] == [1, 2, 8]
