"""Fuzzes the configuration: any content is used, or refused in one sentence, and no secret is shown."""

import logging
import string
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st

from edge.capture.open import create_source
from edge.capture.source import SourceOptions
from edge.commands.config import secret_note, to_toml
from edge.config.areas import AREA_TABLES
from edge.config.keys import FREE_TABLES, redacted_config
from edge.config.loader import load
from edge.config.schema import Config
from edge.config.state_dir import outbox_file
from edge.daemon.check import check_next_start
from edge.daemon.reload import diff_configs
from edge.errors import EdgeError
from edge.mqtt.settings import broker_settings
from edge.preview.auth import read_token
from edge.vision.detection.detector import Detector
from support.fuzzing import PASSWORD, SECRET, TOKEN, CapturedLog, captured_log, fuzz, leaked

LONGEST_MESSAGE = 1500
FIELDS = {
    section.name: [field.name for field in msgspec.structs.fields(section.type)]
    for section in msgspec.structs.fields(Config)
    if section.name not in FREE_TABLES
}
KEYS = [(section, key) for section, keys in FIELDS.items() for key in keys]

URIS = st.sampled_from(
    [
        f"rtsp://viewer:{SECRET}@cam.local/stream",
        f"rtsp://viewer:{SECRET}@cam.local:554/stream?profile=1",
        f"http://cam.local/video?user=viewer&token={SECRET}",
        f"HTTP://viewer:{SECRET}@[::1]:80/",
        f"ftp://viewer:{SECRET}@cam",
        f"rtsp:/viewer:{SECRET}@cam",
        f"v4l2:viewer:{SECRET}@cam",
        f"mqtt://viewer:{SECRET}@broker",
        f"mqtts://viewer:{SECRET}@broker:8883/x",
        f"wss://viewer:{SECRET}@broker/mqtt",
        f"ws://broker:9001/mqtt?token={SECRET}",
        f"ssl://viewer:{SECRET},1@broker,tcp://other",
    ]
)
"""URIs in which people put passwords."""
FORGOTTEN = st.sampled_from([f"mqtt://viewer:{SECRET}", f"rtsp://viewer:{SECRET}/stream"])
"""A password whose host was forgotten. In the keys that take a URI it must be recognised as a password."""
TAKES_URI = {("source", "uri"), ("mqtt", "url"), ("mqtt", "fallback_urls")}
PUBLISHED = {("device", "id"), ("device", "name"), ("mqtt", "base_topic"), ("mqtt", "username"), ("preview", "names")}
"""Keys whose values are published as they are, so that no password is put there."""

SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([0, 1, -1, 5, 100, 10**15, 10**400]),
    st.floats(),
    st.sampled_from(
        ["", "0", "none", "auto", "mqtt://h", "mqtts://h:1", "scripted:", "a\0b", "a\nb", "\x1b[2J", "/", "~x"]
    ),
    st.text(max_size=30),
    st.dates(),
    st.times(),
    st.datetimes(),
)
NAMES = st.text(string.ascii_letters + "_-", min_size=1, max_size=12) | st.text(max_size=12)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3))


CORNERS = st.lists(
    st.lists(st.sampled_from([0, 0.5, 1, 1.5]) | st.floats(0, 1), min_size=2, max_size=2), min_size=2, max_size=6
)
"""Polygons, most of which cross themselves."""


def toml(value: Any) -> str:
    """Write a value as TOML has it."""
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case float():
            return repr(value)
        case str():
            return toml_text(value)
        case list():
            return f"[{', '.join(map(toml, value))}]"
        case dict():
            return "{" + ", ".join(f"{toml_text(key)} = {toml(item)}" for key, item in value.items()) + "}"
    return value.isoformat()


def toml_text(text: str) -> str:
    plain = {'"': '\\"', "\\": "\\\\"}
    written = (
        plain.get(
            one, one if one.isprintable() else f"\\u{ord(one):04x}" if ord(one) < 0x10000 else f"\\U{ord(one):08x}"
        )
        for one in text
    )
    return '"' + "".join(written) + '"'


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Generate files of known and unknown tables with valid and invalid values."""
    lines = []
    for section in draw(st.lists(st.sampled_from([*FIELDS, *FREE_TABLES]) | NAMES.map(str), max_size=5)):
        bare = section.isascii() and section.replace("_", "").replace("-", "").isalnum()
        lines.append(f"[{section if bare else toml_text(section)}]")
        for key in draw(st.lists(st.sampled_from(FIELDS.get(section, ["positive", "negative"])) | NAMES, max_size=4)):
            secret = draw(st.integers(0, 3)) == 0 and (section, key) not in PUBLISHED
            uris = URIS | FORGOTTEN if (section, key) in TAKES_URI else URIS
            if section in AREA_TABLES and draw(st.booleans()):
                lines.append(f"{toml_text(key)} = {toml(draw(CORNERS))}")
                continue
            value = draw(uris | uris.map(lambda uri: [uri]) if secret and section not in FREE_TABLES else VALUES)
            lines.append(f"{toml_text(key)} = {toml(value)}")
    return "\n".join(lines) + "\n"


TEMPLATE = to_toml(Config()).splitlines()
WITH_SECRETS = [
    f'uri = "rtsp://viewer:{SECRET}@cam.local:554/stream"' if line.startswith("uri =") else line for line in TEMPLATE
]


@st.composite
def mutations(draw: st.DrawFn) -> str:
    """Generate the template with whole lines damaged, as by an editor, a merge or a hasty edit."""
    lines = list(WITH_SECRETS)
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["drop", "double", "swap", "value", "insert", "cut"])):
            case "drop" if len(lines) > 1:
                del lines[at]
            case "double":
                lines.insert(at, lines[at])
            case "swap":
                other = draw(st.integers(0, len(lines) - 1))
                lines[at], lines[other] = lines[other], lines[at]
            case "value" if "=" in lines[at]:
                lines[at] = f"{lines[at].partition('=')[0]}= {toml(draw(VALUES))}"
            case "insert":
                lines.insert(at, draw(st.text(max_size=20)))
            case "cut":
                lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
    return "\n".join(lines)


SLIPS = st.sampled_from(['"', "[", "]", "=", "\n", "\\", "#", "'", "{", "", "é", "\0", "0"])


@st.composite
def slips(draw: st.DrawFn) -> str:
    """Generate the template with single wrong characters."""
    text = "\n".join(WITH_SECRETS)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text) - 1))
        text = text[:at] + draw(SLIPS) + text[at + 1 :]
    return text


FILES = st.one_of(
    documents().map(str.encode),
    mutations().map(lambda text: text.encode(errors="surrogatepass")),
    slips().map(str.encode),
    st.text(max_size=200).map(lambda text: text.encode(errors="surrogatepass")),
    st.binary(max_size=200),
)
VARIABLES = st.dictionaries(
    st.sampled_from(
        [f"EMOTION_EDGE_{section}_{key}".upper() for section, key in KEYS if (section, key) not in PUBLISHED]
    )
    | NAMES.map(lambda name: f"EMOTION_EDGE_{name}"),
    URIS | st.text(max_size=20) | st.sampled_from(["1", "true", "0.5", "-3", "nan", "1e999", "\udcff", "a\0b", ""]),
    max_size=3,
)
FLAGS = st.dictionaries(
    st.sampled_from(["source.uri", "mqtt.url"]), URIS | FORGOTTEN | st.text(max_size=20), max_size=2
)


@pytest.fixture
def log():
    with captured_log(logging.getLogger()) as log:
        yield log


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "password").write_text(PASSWORD, encoding="utf-8")
    (tmp_path / "token").write_text(TOKEN, encoding="utf-8")
    return tmp_path


def attempt(work: Callable[[], Any], refusals: list[str]) -> Any:
    """Return the result of `work`, or record the sentence of its refusal; any other error fails the test."""
    try:
        return work()
    except EdgeError as error:
        refusals.append(str(error))
        return None


@pytest.mark.timeout(7200)  # on a busy machine
@fuzz
@given(FILES, VARIABLES, FLAGS)
@example(b"a = " + b"[" * 5000, {}, {})
@example(b"a." * 5000 + b"b = 1", {}, {})
@example(b"[source]\nwidth = " + b"9" * 5000, {}, {})
@example(b"", {"EMOTION_EDGE_DEVICE_NAME": "\udcff"}, {})
@example(b'[mqtt]\npassword_file = "a\\u0000b"', {}, {})
@example(f'[mqtt]\nurl = "mqtt://h"\nusername = "u"\npassword_file = "{SECRET}"'.encode(), {}, {})
@example(f'[mqtt]\npassword = "{SECRET}"'.encode(), {}, {})
@example(f'[preview]\ntoken_file = "{SECRET}"'.encode(), {}, {})
@example(f'["{"x" * 3000}"]'.encode(), {}, {})
@example(f'[source]\n"{"x" * 3000}" = 1'.encode(), {}, {})
@example(f'[labels]\n"{"x" * 3000}" = ["a"]\nb = ["a"]'.encode(), {}, {})
def test_any_configuration_is_used_or_refused_in_one_sentence(
    folder: Path, log: CapturedLog, text: bytes, variables: dict[str, str], flags: dict[str, str]
) -> None:
    log.text = ""
    file = folder / "config.toml"
    file.write_bytes(text)
    refusals: list[str] = []
    secrets = {
        "EMOTION_EDGE_MQTT_PASSWORD": PASSWORD,
        "EMOTION_EDGE_PREVIEW_TOKEN": TOKEN,
        "CREDENTIALS_DIRECTORY": str(folder),
        "HOME": str(folder),
    }
    config = attempt(lambda: load(file, variables | secrets, flags), refusals)
    event("refused" if config is None else "read")
    shown = ""
    if config is not None:
        # All that a start, `config check`, `doctor`, a reload and a request do with it without opening anything.
        attempt(lambda: broker_settings(config.mqtt, secrets), refusals)
        attempt(lambda: secret_note(config.mqtt), refusals)
        attempt(lambda: outbox_file(config.mqtt, config.device.id, secrets), refusals)
        attempt(lambda: read_token(config.preview, secrets), refusals)
        attempt(lambda: create_source(config.source.uri, SourceOptions(config.source)), refusals)
        shown += str(diff_configs(Config(), config))
        shown += msgspec.json.encode(redacted_config(config)).decode()
        attempt(lambda: check_next_start(config, ["model.name", "mqtt.url", "preview.host"]), refusals)
        if config.detector.cascade or config.detector.confirm_cascade:
            attempt(lambda: Detector(config.detector), refusals)
        # The output of `config show` loads the same configuration.
        file.write_text(to_toml(config), encoding="utf-8")
        assert load(file, {}) == config
    for sentence in refusals:
        assert sentence
        assert len(sentence) < LONGEST_MESSAGE
        assert not [one for one in sentence if unicodedata.category(one) in {"Cc", "Cs", "Zl", "Zp"}], sentence
    assert not leaked("\n".join([shown, log.text, *refusals]))
