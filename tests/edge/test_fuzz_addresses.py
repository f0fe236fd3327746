"""Fuzzes addresses of cameras and brokers: each is used or refused in one sentence, and no secret in it is shown."""

import string
import unicodedata
from urllib.parse import quote, unquote

import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st

from edge.capture.open import create_source
from edge.capture.source import SourceOptions
from edge.config.credentials import parse_broker_url, shown_broker_url
from edge.config.mqtt_schema import MqttConfig
from edge.config.schema import SourceConfig
from edge.errors import ConfigError, SourceError
from edge.mqtt.settings import broker_settings
from edge.redact import quoted, redacted, redacted_text
from support.fuzzing import SECRET, fuzz

LONGEST_MESSAGE = 2000

WORDS = st.sampled_from(
    ["password", "passwd", "pwd", "pass", "token", "key", "apikey", "api_key", "secret", "auth", "access_token", "psw"]
).flatmap(lambda word: st.sampled_from([word, word.upper(), word.capitalize()]))
"""Words that announce a secret, in any case."""

ENCODINGS = st.sampled_from(
    [
        lambda text: text,
        quote,
        lambda text: "".join(f"%{ord(one):02x}" for one in text),
        lambda text: "".join(f"%{ord(one):02X}" if one.isalpha() else one for one in text),
        lambda text: quote("".join(f"%{ord(one):02x}" for one in text)),  # twice
    ]
)
SECRETS = st.tuples(ENCODINGS, st.sampled_from(["", "", "!", "$a", "ä", "'", "+", "~", "%20x"])).map(
    lambda both: both[0](SECRET) + both[1]
)

SCHEMES = st.sampled_from(["rtsp", "rtsps", "http", "https", "RTSP", "Http"])
HOSTS = st.sampled_from(["cam", "cam.local", "10.0.0.2", "[fe80::1]", "cam.example.org"])
PORTS = st.sampled_from(["", ":554", ":8080"])
NAMES = st.text(string.ascii_letters + string.digits + "-._", min_size=1, max_size=8)
ASSIGNMENTS = st.sampled_from(["=", "=", "=", ":", "%3D", "%3d"])
JOINS = st.sampled_from(["&", "&", "_", ";", ",", "/", "%26"])


@st.composite
def pairs(draw: st.DrawFn, join: str) -> str:
    """A secret after its word, among other pairs."""
    others = draw(st.lists(st.sampled_from(["user=admin", "channel=1", "stream=0.sdp", "subtype=1", "x"]), max_size=3))
    secret = draw(WORDS) + draw(ASSIGNMENTS) + draw(SECRETS)
    others.insert(draw(st.integers(0, len(others))), secret)
    return join.join(others)


@st.composite
def addresses(draw: st.DrawFn) -> str:
    """An address with a secret in one of the places in which people put one."""
    authority = draw(HOSTS) + draw(PORTS)
    path = "/" + "/".join(draw(st.lists(NAMES, max_size=2)))
    place = draw(st.sampled_from(["user", "path", "query", "fragment", "query without a word"]))
    match place:
        case "user":
            rest = f"{draw(NAMES)}:{draw(SECRETS)}@{authority}{path}"
        case "path":
            rest = f"{authority}{path.rstrip('/')}/{draw(pairs(draw(JOINS)))}{draw(st.sampled_from(['', '?', '?a=b']))}"
        case "query":
            rest = f"{authority}{path}?{draw(pairs(draw(st.sampled_from(['&', ';']))))}"
        case "query without a word":
            rest = f"{authority}{path}?{draw(SECRETS)}"
        case _:
            rest = f"{authority}{path}#{draw(pairs('&'))}"
    return f"{draw(SCHEMES)}://{rest}"


def shows_secret(text: str) -> bool:
    """Whether the secret is in the text, plain or in any encoding, and in any case."""
    for _ in range(3):
        if SECRET.lower() in text.lower():
            return True
        text = unquote(text)
    return False


def one_line(text: str) -> bool:
    return not [one for one in text if unicodedata.category(one) in {"Cc", "Cs", "Zl", "Zp"}]


def check_sentence(sentence: str) -> None:
    assert sentence
    assert len(sentence) < LONGEST_MESSAGE
    assert one_line(sentence), sentence
    assert not shows_secret(sentence), sentence


@pytest.mark.timeout(7200)  # on a busy machine
@fuzz
@given(addresses())
@example(f"rtsp://10.0.0.2:554/user=admin&password={SECRET}&channel=1&stream=0.sdp?")
@example(f"rtsp://10.0.0.2:554/user=admin_password={SECRET}_channel=1_stream=0.sdp")
@example(f"rtsp://10.0.0.2:554/user=admin&password={SECRET}&channel=1&stream=0.sdp?real_stream")
def test_no_secret_of_a_camera_is_shown(address: str) -> None:
    shown = [redacted(address), redacted_text(f"the source {address} ended"), quoted(address, 1000)]
    try:
        shown.append(create_source(address, SourceOptions(SourceConfig())).uri)
        event("created")
    except SourceError as error:
        check_sentence(str(error))
        event("refused")
    for text in shown:
        assert not shows_secret(text), text
    # The camera can still be told from another.
    assert redacted(address).partition("://")[0] == address.partition("://")[0]


ANY_ADDRESS = st.one_of(
    addresses(),
    st.text(max_size=60),
    st.tuples(
        st.sampled_from(
            ["mqtt", "mqtts", "tcp", "ssl", "ws", "wss", "mqtt+ssl", "MQTT", "rtsp", "v4l2", "picamera", ""]
        ),
        st.sampled_from(["://", ":/", ":", "//", ""]),
        st.text(string.ascii_letters + string.digits + ":/?#[]@%.-_=&* ä\0\n", max_size=40),
    ).map("".join),
)


@pytest.mark.timeout(7200)  # on a busy machine
@fuzz
@given(ANY_ADDRESS)
@example("mqtt://[::1%25eth0]:1883")
@example("wss://h:443/" + "x" * 5000)
@example("http://[")
@example("rtsp://\ud800")
@example("~nobody-of-this-name/clip.mp4")
def test_any_address_is_used_or_refused_in_one_sentence(address: str) -> None:
    try:
        broker = parse_broker_url(address)
    except ConfigError as error:
        check_sentence(str(error))
        event("no broker")
    else:
        assert broker.host
        assert 1 <= broker.port <= 65_535
        assert not shows_secret(str(broker) + shown_broker_url(address))
        event("broker")
        broker_settings(MqttConfig(url=address), {})
    redacted_text(address)
    if not one_line(address):
        return  # the configuration refuses it, so that no source sees it
    try:
        create_source(address, SourceOptions(SourceConfig()))
        event("source")
    except SourceError as error:
        check_sentence(str(error))


@pytest.mark.timeout(7200)  # on a busy machine
@fuzz
@given(
    st.sampled_from(
        [
            "{any}://viewer:{secret}@broker.local",
            "{any}://viewer:{secret}",
            "{any}://broker.local/mqtt?token={secret}",
            "{any}://broker.local/token={secret}",
            "{ws}://broker.local/{secret}",  # the path of a WebSocket may itself be the secret
            "{ws}://broker.local/mqtt/{secret}/x",
        ]
    ),
    SECRETS,
    st.sampled_from(["mqtt", "mqtts", "ws", "wss", "tcp", "ssl"]),
    st.sampled_from(["ws", "wss", "WS"]),
)
def test_no_secret_of_a_broker_is_shown(form: str, secret: str, scheme: str, websocket: str) -> None:
    address = form.format(any=scheme, ws=websocket, secret=secret)
    shown = [shown_broker_url(address)]
    try:
        broker = parse_broker_url(address)
        shown += [str(broker), repr(broker)]
    except ConfigError as error:
        check_sentence(str(error))
    for text in shown:
        assert not shows_secret(text), text
