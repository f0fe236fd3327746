"""docs/asyncapi.json: generated, complete, true; and valid by AsyncAPI's own parser."""

import itertools
import json
import re
import shutil
import subprocess
import time

import jsonschema
import pytest

from edge.config.mqtt_schema import MqttConfig
from edge.homeassistant.discovery import config_topic
from edge.messages.asyncapi.__main__ import FILE, PAGE, read_examples
from edge.messages.asyncapi.document import render
from edge.messages.payloads import encode
from edge.messages.request import NAMES, UNKNOWN
from edge.messages.topics import KINDS, TOPIC_PAYLOADS, Topics, desired_topic
from edge.mqtt.sink import MqttSink
from support.doc_pages import ROOT
from support.mqtt import event, health, info, state, wait_until

DOCUMENT = json.loads(FILE.read_text(encoding="utf-8"))
TOPICS = Topics("{base}", "{device}")
MOST_HEALTHS = 1000
SCRIPT = ROOT / "scripts" / "check-asyncapi"


def address_of(operation):
    return DOCUMENT["channels"][operation["channel"]["$ref"].rpartition("/")[2]]["address"]


OPERATIONS = {address_of(operation): operation for operation in DOCUMENT["operations"].values()}


def payload_schema(message):
    return {**DOCUMENT["components"]["messages"][message]["payload"], "components": DOCUMENT["components"]}


def test_file_is_what_the_types_topics_and_examples_give():
    generated = render(read_examples(PAGE.read_text(encoding="utf-8")))
    assert FILE.read_text(encoding="utf-8") == generated, "run python -m edge.messages.asyncapi"


def test_every_topic_is_in_it():
    topics = {TOPICS.of(kind) for kind in KINDS} | {desired_topic(TOPICS.base)}
    topics |= {config_topic("{discoveryPrefix}", "{device}")}
    topics |= {TOPICS.request(name) for name in NAMES} | {TOPICS.response(name) for name in (*NAMES, UNKNOWN)}
    named = {value.fget(TOPICS) for value in vars(Topics).values() if isinstance(value, property)}
    assert topics | named - {TOPICS.requests} <= OPERATIONS.keys()
    schemas = DOCUMENT["components"]["schemas"]
    assert {payload.__name__ for payload in TOPIC_PAYLOADS.values()} <= schemas.keys()


def test_table_of_topics_in_the_documentation_says_the_same():
    page = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `emotion-edge/<device>/([a-z/]+)` \| (yes|no) \| ([01]) \|", page, re.MULTILINE)
    assert len(rows) >= len(KINDS)
    for last, retained, qos in rows:
        binding = OPERATIONS[f"{{base}}/{{device}}/{last}"]["bindings"]["mqtt"]
        assert (binding["retain"], binding["qos"]) == (retained == "yes", int(qos)), last


def test_sensor_publishes_as_it_says(broker, subscribe):
    seen = subscribe(broker)
    sink = MqttSink(MqttConfig(url=broker.url), "door")
    sink.start()
    sink.info(info())
    sink.state(state())
    sink.event(event(1), time.monotonic())
    # Until the broker has acknowledged the first one of a connection, each has QoS 1.
    for frames in itertools.count(1):
        sink.health(health(frames=frames))
        wait_until(lambda frames=frames: len(seen.of("health")) == frames)
        if seen.of("health")[-1].qos == 0 or frames == MOST_HEALTHS:
            break
    assert sink.close(5.0)
    late = subscribe(broker)
    late.wait(lambda: len(late.seen) >= 4)
    for kind in ("status", "info", "state", "event", "health"):
        operation = OPERATIONS[f"{{base}}/{{device}}/{kind}"]
        assert operation["action"] == "send"
        assert seen.of(kind)[-1].qos == operation["bindings"]["mqtt"]["qos"]
        assert bool(late.of(kind)) == operation["bindings"]["mqtt"]["retain"]


@pytest.mark.parametrize("message", sorted(DOCUMENT["components"]["messages"]))
def test_examples_fit_the_payloads(message):
    schema = payload_schema(message)
    jsonschema.Draft7Validator.check_schema(schema)
    for example in DOCUMENT["components"]["messages"][message].get("examples", []):
        jsonschema.Draft7Validator(schema).validate(example["payload"])


def test_the_documentation_has_an_example_of_each_message_of_the_sensor():
    with_example = {name for name, each in DOCUMENT["components"]["messages"].items() if "examples" in each}
    assert {"status", "info", "state", "event", "health", "requestSet", "responsePause"} <= with_example


@pytest.mark.parametrize(("message", "payload"), [("event", event(1)), ("info", info()), ("health", health())])
def test_schemas_accept_what_is_published_and_refuse_other_fields(message, payload):
    fields = json.loads(encode(payload))
    validator = jsonschema.Draft7Validator(payload_schema(message))
    assert validator.is_valid(fields)
    assert not validator.is_valid(fields | {"surplus": 1})
    zones = {"zones": {"door": [[0.1, 0.2], [0.3, 0.4]]}}
    assert message != "info" or validator.is_valid(fields | zones)
    assert message != "info" or not validator.is_valid(fields | {"zones": {"door": [[0.1, 0.2, 0.3]]}})


def test_each_request_is_answered_on_its_topic():
    for name in NAMES:
        operation = OPERATIONS[TOPICS.request(name)]
        assert operation["action"] == "receive"
        assert address_of(operation["reply"]) == TOPICS.response(name)


@pytest.mark.long
def test_the_parser_of_asyncapi_accepts_it_and_refuses_what_is_wrong(tmp_path):
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("npm or Node.js is not installed")
    subprocess.run(["sh", SCRIPT], check=True)
    wrong = json.loads(FILE.read_text(encoding="utf-8"))
    wrong["operations"]["sendEvent"]["bindings"]["mqtt"]["qos"] = 5
    wrong["operations"]["sendInfo"]["channel"]["$ref"] = "#/channels/nothing"
    file = tmp_path / "wrong.json"
    file.write_text(json.dumps(wrong), encoding="utf-8")
    ran = subprocess.run(["sh", SCRIPT, file], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "sendEvent.bindings.mqtt.qos" in ran.stdout
    assert "'#/channels/nothing' does not exist" in ran.stdout
