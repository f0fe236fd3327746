"""What the documentation offers for copying: links, configuration, payloads, flow; compared with the program."""

import contextlib
import datetime
import io
import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml

import convert.cli
import edge.commands.arguments
from edge.config.loader import load
from edge.homeassistant.discovery import discovery
from edge.messages.payloads import EventPayload, encode
from edge.messages.schemas import load as load_schema
from edge.messages.topics import KINDS, Topics, topic_matches
from support import homeassistant_rules as rules
from support import homeassistant_view as view
from support.mqtt import event, info

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "models" / "README.md", *sorted(DOCS.glob("*.md"))]
HOME_ASSISTANT = (DOCS / "home-assistant.md").read_text(encoding="utf-8")
NODE_RED = (DOCS / "node-red.md").read_text(encoding="utf-8")
FLOW = json.loads((DOCS / "node-red-flow.json").read_text(encoding="utf-8"))
TOPICS = Topics("emotion-edge", "hall")


def blocks(text: str, language: str) -> list[str]:
    """Return the code blocks of a language, also those that are part of a list."""
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)


def block(text: str, language: str) -> str:
    (only,) = blocks(text, language)
    return only


def anchors(page: Path) -> set[str]:
    """Return the ids that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not link.startswith(("https://", "http://")):
            file, _, anchor = link.partition("#")
            target = (page.parent / file).resolve() if file else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_that_the_documentation_names_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"(?<![\w/.~-])((?:edge|convert|tests|scripts|systemd|docs)/[\w./-]*\w)", text)
    assert [path for path in sorted(set(named)) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_configuration_examples_can_be_loaded(page: Path, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    for example in blocks(page.read_text(encoding="utf-8"), "toml"):
        file.write_text(example, encoding="utf-8")
        load(file, environ={})


PARSERS = {"emotion-edge": edge.commands.arguments.parser, "emotion-convert": convert.cli.parser}
TARGETS = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
INSTALLER = (ROOT / "systemd" / "install").read_text(encoding="utf-8")


def code_of(page: Path) -> Iterator[tuple[str, bool]]:
    """Yield the lines of the blocks for a shell (True), and the pieces of code in the text (False)."""
    language = None
    for line in page.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        if line.lstrip().startswith("```"):
            language = line.strip("` ") if language is None else None
        elif language == "" or (language is None and line.startswith("    ")):
            yield line.partition(" # ")[0], True
        elif language is None:
            yield from ((code, False) for code in re.findall(r"`([^`]+)`", line))


def commands_of(page: Path) -> Iterator[tuple[list[str], bool]]:
    """Yield the words of each command of this project on a page, and whether it stands in a block, to be copied."""
    for line, copied in code_of(page):
        if re.search(r"(^|[\s/])(emotion-(edge|convert)|make|systemd/install)(\s|$)", line) is None:
            continue
        for simple in re.split(r"&&|\|\||[|;&>]", re.sub(r"'[^']*'", "QUOTED", line)):
            words = simple.split()
            names = [word.rpartition("/")[2] for word in words]
            for name in ("emotion-edge", "emotion-convert", "make", "install"):
                if name in names and all(before == "sudo" or "=" in before for before in words[: names.index(name)]):
                    yield [name, *words[names.index(name) + 1 :]], copied


def parse(program: str, arguments: list[str]) -> tuple[int, str, str]:
    """Let the program's parser read arguments; returns exit code, standard output and standard error."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            PARSERS[program]().parse_args(arguments)
        except SystemExit as end:
            return int(end.code or 0), out.getvalue(), err.getvalue()
    return 0, "", ""


def check_command(program: str, arguments: list[str], *, copied: bool) -> None:
    """A command of this project has this subcommand and these options."""
    code, _, said = parse(program, arguments)
    if code and not copied and "the following arguments are required" in said:
        # Named, not to be typed: what is there must exist.
        code, known, said = parse(program, [*arguments[:1], "--help"])
        assert [word for word in arguments if word.startswith("--") and word not in known] == [], arguments
    assert code == 0, f"{program} {' '.join(arguments)}: {said}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_exists_with_its_options(page: Path) -> None:
    for (program, *arguments), copied in commands_of(page):
        if program == "make":
            assert {word for word in arguments if re.fullmatch(r"[a-z-]+", word)} <= TARGETS, arguments
        elif program == "install":
            options = [word.rstrip(",") for word in arguments if word.startswith("--")]
            assert all(f"    {option})" in INSTALLER for option in options), arguments
        elif arguments and "COMMAND" not in arguments:
            check_command(program, arguments, copied=copied)


def test_nothing_offers_the_package_from_the_index() -> None:
    """It is not there, and another one may take the name: a checkout, a wheel's file or packages are named."""
    folders = [ROOT / name for name in ("edge", "convert", "scripts", "systemd", "docs", "models")]
    files = [file for folder in folders for file in folder.rglob("*") if file.suffix in {".py", ".md", "", ".toml"}]
    for file in [*PAGES, *(file for file in files if file.is_file())]:
        text = file.read_text(encoding="utf-8")
        assert re.findall(r"pip3? install [^\n]*(?<![\w/.~-])emotion-edge(?![\w/.-])", text) == [], file


def test_commands_are_found_on_the_pages() -> None:
    found = {tuple(words[:2]) for page in PAGES for words, copied in commands_of(page) if copied}
    assert {("emotion-edge", "run"), ("emotion-edge", "watch"), ("emotion-convert", "train"), ("make", "demo")} <= found
    assert {("emotion-convert", "quantize"), ("install", "--offline"), ("install", "--check")} <= found


def test_examples_of_payloads_fit_their_schemas() -> None:
    examples = [
        example
        for page in PAGES
        if page.name != "manifest.md"  # of a file, and tested in tests/convert/release/test_manifest_page.py
        for example in blocks(page.read_text(encoding="utf-8"), "json")
    ]
    assert len(examples) == 5
    for example in map(json.loads, examples):
        if "previous_boots" in example:
            schema = load_schema("info")
            schema["$defs"]["InfoPayload"]["required"] = []  # an excerpt
            jsonschema.validate(example, schema)
            continue
        schema = load_schema("event" if "seq" in example else "state" if "faces" in example else "response")
        if (
            "seq" in example and "boot_id" not in example
        ):  # the README's event is an excerpt: its fields must fit, others are left out
            schema["$defs"]["EventPayload"]["required"] = []
        jsonschema.validate(example, schema)


def test_the_example_of_a_held_label_is_one() -> None:
    """Its label, leader and groups belong to its probabilities, as in every payload."""
    page = (DOCS / "mqtt.md").read_text(encoding="utf-8")
    (state,) = [one for one in map(json.loads, blocks(page, "json")) if "faces" in one]
    (face,) = state["faces"]
    shares = face["probabilities"]
    leader = max(shares, key=shares.__getitem__)
    assert (face["leader"], face["leader_confidence"]) == (leader, shares[leader])
    assert leader != face["emotion"]
    assert face["groups"] == {"upset": pytest.approx(shares["angry"] + shares["fear"])}
    assert sum(shares.values()) == pytest.approx(1)
    assert all(state[key] == face[key] for key in ("emotion", "confidence", "leader", "leader_confidence"))


@pytest.fixture(scope="module")
def entities() -> dict[str, rules.Entity]:
    """Of the sensor "hall", by entity id."""
    message = discovery("homeassistant", TOPICS, msgspec.structs.replace(info(), device="hall"))
    return {str(one.default_entity_id): one for one in rules.read(message.topic, message.payload).values()}


def leaves(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        below = path if isinstance(key, int) else (*path, key)
        if isinstance(value, dict | list):
            yield from leaves(value, below)
        else:
            yield below, value


def test_home_assistants_configuration_is_one(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(block(HOME_ASSISTANT, "toml"), encoding="utf-8")
    config = load(file, environ={})
    assert (config.device.id, config.homeassistant.enabled) == ("hall", True)
    assert tomllib.loads(block(HOME_ASSISTANT, "toml"))["homeassistant"] == {"enabled": True}


def test_every_entity_is_described_and_no_other(entities) -> None:
    rows = re.findall(r"^\| `([a-z_]+\.\w+)` \|", HOME_ASSISTANT, re.MULTILINE)
    assert sorted(rows) == sorted(entities)
    assert set(re.findall(r"\b\w+\.emotion_edge_hall_\w+", HOME_ASSISTANT)) == set(entities)
    last = [key for key in rows if entities[key].entity_category == "diagnostic"]
    assert rows[-len(last) :] == last
    assert "last six are diagnostics" in HOME_ASSISTANT
    assert len(last) == 6


def test_the_automations_speak_of_what_is_there(entities) -> None:
    (automations,) = yaml.safe_load(block(HOME_ASSISTANT, "yaml")).values()
    assert len({one["id"] for one in automations}) == len(automations) == 4
    for one in automations:
        assert (
            {"id", "alias", "triggers", "actions"} <= set(one) <= {"id", "alias", "triggers", "conditions", "actions"}
        )
        for part in (*one["triggers"], *one.get("conditions", ())):
            if part.get("condition") == "template":
                continue  # see below
            entity = entities.get(part["entity_id"])
            if entity is None:
                assert part["entity_id"] == "input_boolean.guests"
                continue
            states = part.get("state", part.get("to", []))
            check(entity, part.get("attribute"), states if isinstance(states, list) else [states])
        for key, value in leaves(one["actions"]):
            if key == ("target", "entity_id"):
                assert value in {*entities, "light.hall"}


def welcome_of(to: str | None, event: EventPayload, age_seconds: float) -> bool:
    """Whether the automation of the event entity comes to its other conditions, as Home Assistant decides it.

    `to`: the entity's new state; None once it is removed.
    """
    (automations,) = yaml.safe_load(block(HOME_ASSISTANT, "yaml")).values()
    (one,) = [each for each in automations if each["id"] == "hall_welcome"]
    (trigger,) = one["triggers"]
    assert (trigger["trigger"], trigger["not_from"]) == ("state", "unavailable")
    # As components/homeassistant/triggers/state.py: a removed entity has the state None, which is in no list.
    if to in trigger["not_to"]:
        return False
    condition = one["conditions"][0]
    assert condition["condition"] == "template"  # conditions are tried in order, and one that fails ends them
    attributes = {"time": event.time, "clock_synchronised": event.clock_synchronised}
    state = None if to is None else SimpleNamespace(state=to, attributes=SimpleNamespace(**attributes))
    moment = datetime.datetime.fromisoformat(event.time) + datetime.timedelta(seconds=age_seconds)
    return view.render_condition(condition["value_template"], {"trigger": SimpleNamespace(to_state=state)}, moment)


@pytest.mark.parametrize(
    ("to", "synchronised", "age_seconds", "welcome"),
    [
        ("2026-01-31T08:15:00.400+00:00", True, 0.2, True),
        ("2026-01-31T08:15:04.400+00:00", True, 4.9, True),
        ("2026-01-31T08:15:10.400+00:00", True, 5.1, False),
        ("2026-01-31T08:15:10.400+00:00", True, 3600, False),
        ("2026-01-31T08:15:10.400+00:00", False, 3600, True),  # its age is not known
        ("unavailable", True, 0.2, False),
        ("unknown", True, 0.2, False),
        (None, True, 0.2, False),  # the entities were removed: no warning about an unknown one
    ],
)
def test_the_automation_of_an_event_runs_for_a_new_one_only(to, synchronised, age_seconds, welcome) -> None:
    assert welcome_of(to, event(1, clock_synchronised=synchronised), age_seconds) is welcome


def check(entity: rules.Entity, attribute: str | None, states: list[str]) -> None:
    """States that an automation waits for can be there. YAML takes a bare `on` for a truth value."""
    assert all(isinstance(state, str) for state in states)
    match entity:
        case rules.Event():
            assert attribute in {None, "event_type", "emotion"}
            known = {"event_type": entity.event_types, "emotion": ["happy", "neutral"], None: []}[attribute]
            assert set(states) <= set(known)
        case rules.BinarySensor():
            assert (attribute, set(states) <= {"on", "off"}) == (None, True)
        case _:
            raise AssertionError(entity)


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
