"""Fuzzes addresses: a secret in any position and encoding is never shown."""

from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st

from edge.redact import redacted, redacted_text
from support.fuzzing import fuzz

WORDS = [
    "password",
    "passwd",
    "pwd",
    "pass",
    "passphrase",
    "token",
    "access_token",
    "auth",
    "key",
    "apikey",
    "api_key",
    "x-api-key",
    "secret",
    "sig",
    "signature",
    "credential",
    "session",
    "sessionid",
    "jwt",
    "bearer",
    "psk",
    "pin",
    "code",
    "user",
    "usr",
    "username",
    "login",
    "loginuse",
    "loginpas",
    "userPwd",
    "authToken",
    "mqtt_password",
    "sid",
]
RESERVED = "!$&'()*+,;=:@/?#-._~%"
secrets = st.text(st.sampled_from("aB3" + RESERVED.replace("'", "")), max_size=8).map(lambda middle: f"Zq{middle}7qZ")


def encoded(text, draw, *, always=False):
    """Encode some or all characters by percent, once to three times."""
    for _ in range(draw(st.integers(1 if always else 0, 3))):
        if draw(st.booleans()) or always:
            text = "".join(f"%{byte:02x}" if draw(st.booleans()) else f"%{byte:02X}" for byte in text.encode())
        else:
            text = "".join(f"%{ord(char):02X}" if draw(st.booleans()) else char for char in text)
    return text


def encode_reserved(text):
    """Encode what a careful client encodes."""
    return "".join(f"%{ord(char):02X}" if char in RESERVED else char for char in text)


@st.composite
def uris_with_a_secret(draw):
    """Draw a URI with a secret in any position and encoding, and the secret."""
    secret = draw(secrets)
    word = draw(st.sampled_from(WORDS))
    word = draw(st.sampled_from([word, word.upper(), word.title() if word.islower() else word]))
    shape = draw(st.sampled_from(["userinfo", "item", "segment", "query", "fragment", "matrix", "whole path"]))
    value = draw(st.sampled_from([encode_reserved(secret), encoded(secret, draw, always=True)]))
    if shape in {"userinfo", "item", "whole path"}:
        value = draw(st.sampled_from([value, secret]))
    key = encoded(word, draw)
    equals = draw(st.sampled_from(["=", "%3D", "%3d", "%253D"]))
    scheme = draw(st.sampled_from(["rtsp", "rtsps", "http", "https", "ws", "wss", "mqtt"]))
    separator = draw(st.sampled_from(["&", "_", ";", ",", "%26", "%2526", "%3B"]))
    before = draw(st.sampled_from(["", f"user=admin{separator}", f"id=7{separator}"]))
    after = draw(st.sampled_from(["", f"{separator}channel=1", "/ch0"]))
    host = f"{scheme}://cam.example:554"
    match shape:
        case "userinfo":
            colon, at = draw(st.sampled_from([(":", "@"), ("%3A", "@"), ("%3A", "%40"), (":", "%40")]))
            uri = f"{scheme}://admin{colon}{value}{at}cam/live"
        case "item":
            uri = f"{host}/{before}{key}{equals}{value}{after}"
        case "segment":
            uri = f"{host}/live/{word}/{value}/ch0"
        case "query":
            uri = f"{host}/live?{before}{key}{equals}{value}"
        case "fragment":
            uri = f"{host}/live#{key}{equals}{value}"
        case "matrix":
            uri = f"{host}/live;{key}{equals}{value}/ch0"
        case _:
            uri = f"{host}/" + encoded(f"{before}{word}={value}{after}", draw, always=True)
    return uri, secret


def appears(secret, text):
    """Return whether a secret, or most of it, can be read in a text, however that is encoded."""
    for _ in range(12):
        if "Zq" in text or "7qZ" in text or secret in text:
            return True
        text = unquote(text, errors="replace")
    return False


@given(uris_with_a_secret())
@fuzz
def test_no_secret_survives_in_any_position_and_encoding(drawn):
    uri, secret = drawn
    assert not appears(secret, redacted(uri)), redacted(uri)
    assert redacted(uri).split(":")[0] in uri or redacted(uri) == "***"


@given(
    uris_with_a_secret(), st.sampled_from(["cannot open {}: no", "'{}' is bad", '{{"uri":"{}"}}', "({}), then", "{}"])
)
@fuzz
def test_no_secret_survives_in_a_text_around_the_uri(drawn, sentence):
    uri, secret = drawn
    assert not appears(secret, redacted_text(sentence.format(uri)))


@fuzz
@given(st.text(max_size=60))
def test_redaction_takes_any_text_and_settles(text):
    once = redacted(f"http://{text}")
    assert redacted(once) == once
    redacted(text)
    redacted_text(text)
