"""The page on Node-RED: its flow, compared with topics and payloads, and run by Node.js."""

import datetime
import json
import re
import shutil
import subprocess
from typing import Any

import pytest

from edge.messages.payloads import encode
from edge.messages.schemas import load as load_schema
from edge.messages.topics import KINDS, Topics, topic_matches
from support.doc_pages import DOCS
from support.mqtt import event

NODE_RED = (DOCS / "node-red.md").read_text(encoding="utf-8")
FLOW = json.loads((DOCS / "node-red-flow.json").read_text(encoding="utf-8"))
TOPICS = Topics("emotion-edge", "hall")


def test_flow_is_complete_and_uses_only_built_in_nodes() -> None:
    nodes = {node["id"]: node for node in FLOW}
    assert len(nodes) == len(FLOW)
    own = {"tab", "mqtt-broker", "mqtt in", "mqtt out", "function", "switch", "change", "trigger", "debug", "inject"}
    assert {node["type"] for node in FLOW} == own
    for node in FLOW:
        for output in node.get("wires", ()):
            assert all(nodes[target]["z"] == node["z"] for target in output)
        if "broker" in node and node["type"].startswith("mqtt "):
            assert nodes[node["broker"]]["type"] == "mqtt-broker"
    assert all(f"`{name}`" in NODE_RED for name in ("events", "each once", "who is there", "status", "answers"))


def test_flow_subscribes_to_topics_of_the_sensor_and_publishes_requests() -> None:
    for node in FLOW:
        if node["type"] == "mqtt in":
            published = [TOPICS.of(kind) for kind in KINDS] + [TOPICS.response("pause")]
            assert any(topic_matches(node["topic"], topic) for topic in published), node["topic"]
        if node["type"] == "mqtt out" and node["name"] != "lamp":
            assert topic_matches(TOPICS.requests, node["topic"])
            assert node["name"] == node["topic"].rpartition("/")[2]
            assert node["retain"] == "false"


def test_every_field_that_the_flow_reads_is_in_the_payload() -> None:
    nodes = {node["id"]: node for node in FLOW}
    looked: set[tuple[str, str]] = set()

    def follow(node: dict[str, Any], kind: str) -> None:
        if node["type"] == "change" and node["rules"][0]["p"] == "payload":
            return  # from here on it is another message
        if node["type"] == "switch" and node["property"].startswith("payload."):
            looked.add((kind, node["property"].partition(".")[2]))
        if node["type"] == "function":
            looked.update((kind, field) for field in re.findall(r"\bevent\.(\w+)", node["func"]))
        for output in node.get("wires", ()):
            for target in output:
                follow(nodes[target], kind)

    for node in FLOW:
        if node["type"] == "mqtt in" and node["datatype"] == "json" and "response" not in node["topic"]:
            follow(node, node["topic"].rpartition("/")[2])
    assert looked == {
        ("event", "type"),
        ("event", "emotion"),
        ("event", "seq"),
        ("event", "boot_id"),
        ("event", "replayed"),
        ("event", "time"),
        ("event", "clock_synchronised"),
        ("state", "paused"),
        ("state", "present"),
    }
    for kind, field in looked:
        (schema,) = [one for name, one in load_schema(kind)["$defs"].items() if name == f"{kind.title()}Payload"]
        assert field in schema["properties"], (kind, field)


ONE_EVENT = """
const contents = {};
const context = { get: key => contents[key], set: (key, value) => { contents[key] = value; } };
const warnings = [];
const node = { warn: text => warnings.push(text) };
const flow = new Function('msg', 'context', 'node', FUNC);
const outputs = EVENTS.map(([topic, payload]) => {
    const out = flow({ topic, payload }, context, node);
    return out === null ? 'none' : out[0] ? 'first' : 'second';
});
console.log(JSON.stringify([outputs, warnings]));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed: apt install nodejs")
def test_the_flow_passes_new_events_once_and_sets_late_ones_apart() -> None:
    (function,) = [one["func"] for one in FLOW if one["type"] == "function"]

    def sent(seq: int, age_seconds: float, **changes: Any) -> list[Any]:
        moment = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=age_seconds)
        time = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        payload = encode(event(seq, time=time, **({"clock_synchronised": True} | changes)))
        return ["emotion-edge/hall/event", json.loads(payload)]

    expected = [
        ("first", sent(1, 0.2)),
        ("none", sent(1, 0.2)),  # a second time
        ("second", sent(2, 0.2, replayed=True)),
        ("second", sent(3, 20)),  # late, and not marked
        ("first", sent(4, 3600, clock_synchronised=False)),
        ("first", sent(5, -3600)),
        ("first", sent(7, 0.2)),
        ("first", sent(1, 0.2, boot_id="next")),
    ]
    program = ONE_EVENT.replace("FUNC", json.dumps(function)).replace(
        "EVENTS", json.dumps([one for _, one in expected])
    )
    ran = subprocess.run(["node", "-e", program], capture_output=True, text=True, check=True)
    outputs, warnings = json.loads(ran.stdout)
    assert outputs == [output for output, _ in expected]
    assert warnings == ["emotion-edge/hall/event: 1 event(s) are missing"]
