"""What the documentation offers for copying: links, configuration, payloads; compared with the program."""

import contextlib
import io
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

import convert.cli
import edge.commands.arguments
from edge.config.loader import load
from edge.messages.schemas import load as load_schema
from support.doc_pages import DOCS, ROOT, blocks

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "models" / "README.md", *sorted(DOCS.glob("*.md"))]


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
    assert {("emotion-convert", "quantize"), ("install", "--offline"), ("emotion-edge", "service")} <= found


def kind_of(example: dict[str, object]) -> str:
    """Return the kind of message that an example is, by a field that no other kind has."""
    marks = {"seq": "event", "runtime": "info", "uptime_seconds": "health", "faces": "state"}
    return next((kind for field, kind in marks.items() if field in example), "response")


def test_examples_of_payloads_fit_their_schemas() -> None:
    examples = [
        example
        for page in PAGES
        if page.name != "manifest.md"  # of a file, and tested in tests/convert/release/test_manifest_page.py
        for example in blocks(page.read_text(encoding="utf-8"), "json")
    ]
    assert len(examples) == 10
    for example in map(json.loads, examples):
        if {"previous_boots", "settings_ignored"} & example.keys() or example.keys() == {"calm_face"}:
            schema = load_schema("info")
            if "schema" not in example:  # an excerpt
                schema["$defs"]["InfoPayload"]["required"] = []
            jsonschema.validate(example, schema)
            continue
        if "visits" in example:  # one period of a summary
            schema = load_schema("summary")
            jsonschema.validate(example, schema | {"$ref": "#/$defs/PeriodSummary"})
            continue
        schema = load_schema(kind_of(example))
        if (
            "seq" in example and "boot_id" not in example
        ):  # the README's event is an excerpt: its fields must fit, others are left out
            schema["$defs"]["EventPayload"]["required"] = []
        jsonschema.validate(example, schema)


def test_the_example_of_a_held_label_is_one() -> None:
    """Its label, leader and groups belong to its probabilities, as in every payload."""
    page = (DOCS / "mqtt.md").read_text(encoding="utf-8")
    (state,) = [one for one in map(json.loads, blocks(page, "json")) if kind_of(one) == "state"]
    (face,) = state["faces"]
    shares = face["probabilities"]
    leader = max(shares, key=shares.__getitem__)
    assert (face["leader"], face["leader_confidence"]) == (leader, shares[leader])
    assert leader != face["emotion"]
    assert face["groups"] == {"upset": pytest.approx(shares["angry"] + shares["fear"])}
    assert sum(shares.values()) == pytest.approx(1)
    assert all(state[key] == face[key] for key in ("emotion", "confidence", "leader", "leader_confidence"))


def test_distances_of_the_cameras_follow_the_formula() -> None:
    """A face of 0.172 m, the angle of the whole 16:9 sensor, and frames of another shape cut out of its middle."""
    page = (DOCS / "detection.md").read_text(encoding="utf-8")
    row = r"^\| Raspberry Pi Camera .*, (\d+) degrees \| (\d+)x(\d+) \| (\d+) degrees \| ([\d.]+) m \((\d+) pixels\) "
    rows = re.findall(row + r"\| ([\d.]+) m \| ([\d.]+) m \|$", page, re.MULTILINE)
    assert len(rows) == 4
    for sensor_angle, width, height, angle, *cells in rows:
        focal_px = max(int(width), int(height) * 16 / 9) / 2 / math.tan(math.radians(int(sensor_angle)) / 2)
        assert round(math.degrees(2 * math.atan(int(width) / 2 / focal_px))) == int(angle)
        default, default_px, at_32, at_24 = (float(cell) for cell in cells)
        assert default_px == 0.1 * int(height)
        for metres, face_px in ((default, default_px), (at_32, 32), (at_24, 24)):
            assert metres == round(0.172 * focal_px / face_px, 1)
