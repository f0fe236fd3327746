import jsonschema
import msgspec
import pytest

from edge.messages import schemas
from edge.messages.payloads import encode
from edge.messages.response import ResponsePayload
from edge.messages.schemas.__main__ import render
from edge.messages.topics import TOPIC_PAYLOADS
from support.mqtt import NOW, event, health, info, state

RESPONSE = ResponsePayload(
    time=NOW, status="ok", error=None, transaction="7", paused=False, health=health(), config={"mqtt": {"url": ""}}
)


@pytest.mark.parametrize("name", TOPIC_PAYLOADS)
def test_shipped_schema_is_generated_from_the_types(name: str) -> None:
    assert schemas.path(name).read_text(encoding="utf-8") == render(name), "run python -m edge.messages.schemas"
    jsonschema.Draft202012Validator.check_schema(schemas.load(name))


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("event", event(1)),
        ("info", info()),
        ("state", state()),
        ("state", state(None)),
        ("health", health()),
        ("response", RESPONSE),
    ],
)
def test_schema_accepts_valid_payloads_and_refuses_others(name: str, payload: msgspec.Struct) -> None:
    fields = msgspec.json.decode(encode(payload))
    jsonschema.validate(fields, schemas.load(name))
    for wrong in (fields | {"surplus": 1}, fields | {"schema": 2}, {key: fields[key] for key in list(fields)[2:]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schemas.load(name))
