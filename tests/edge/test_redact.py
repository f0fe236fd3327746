import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ConfigError
from edge.redact import quoted, quoted_file, quoted_name, redacted, redacted_text


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("see mqtt://HOST:PORT, or mqtts://HOST", "see mqtt://HOST:PORT, or mqtts://HOST"),
        ("a 'rtsp://u:secret@cam/x' b", "a 'rtsp://***@cam/x' b"),
        ("a rtsp:/u:secret@cam/x b", "a rtsp://***@cam/x b"),
        ("model http://cam/a?token=secret cannot", "model http://cam/a?token=*** cannot"),
        ("mail me@home.org: now", "mail me@home.org: now"),
    ],
)
def test_error_messages_hold_no_credentials(sentence, expected):
    assert redacted_text(sentence) == expected
    assert str(ConfigError(sentence)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("rtsp://u:secret@cam", "'rtsp://***@cam'"),
        (["rtsp://u:secret@cam", 3], "['rtsp://***@cam', 3]"),
        ({"a": {"b": "rtsp://u:secret@cam"}}, "{'a': {'b': 'rtsp://***@cam'}}"),
        ("x" * 100, "'" + "x" * 56 + "..."),
        ("a\nb", r"'a\nb'"),
    ],
)
def test_value_is_quoted_on_one_short_line_without_credentials(value, expected):
    assert quoted(value) == expected


def test_name_is_quoted_only_where_toml_requires_it():
    assert quoted_name("max_face") == "max_face"
    assert quoted_name("a b\n") == r"'a b\n'"
    assert len(quoted_name("x" * 1000)) == 60


def test_a_password_in_the_place_of_its_file_is_not_repeated():
    assert quoted_file("mqtt.password_file", "/etc/secret") == "mqtt.password_file = '/etc/secret'"
    assert "hunter2" not in quoted_file("mqtt.password_file", "hunter2")


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("rtsp://cam/stream", "rtsp://cam/stream"),
        ("rtsp://user:secret@cam:554/stream1", "rtsp://***@cam:554/stream1"),
        ("http://cam/video?user=me&pwd=secret", "http://cam/video?user=***&pwd=***"),
        ("http://cam/video?secret", "http://cam/video?***"),
        ("rtsp://u:se/cret@cam/x", "rtsp://***@cam/x"),
        ("rtsp://u:se?cret@cam/x", "rtsp://***"),
        ("rtsp://u:se#cret@cam/x", "rtsp://***"),
        ("rtsp://u:se@cret@cam/x", "rtsp://***@cam/x"),
        ("rtsp://cam:554/", "rtsp://cam:554/"),
        ("rtsp://[fe80::1]:554/x", "rtsp://[fe80::1]:554/x"),
        ("rtsp://u:secretcam/x", "rtsp://u:***/x"),
        ("rtsp://u:secretcam", "rtsp://u:***"),
        ("mqtt://localhost:1883x", "mqtt://localhost:1883x"),
        ("rtsp:/u:secret@cam/x", "***@cam/x"),
        ("u:secret@cam", "***@cam"),
        ("clips/me@home.mp4", "clips/me@home.mp4"),
        ("clips/a.mp4", "clips/a.mp4"),
        ("scripted:happy=3?seed=1", "scripted:happy=3?seed=1"),
        ("0", "0"),
    ],
)
def test_credentials_in_a_uri_are_redacted(uri, expected):
    assert redacted(uri) == expected


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12), st.sampled_from(["rtsp", "http"]))
def test_redacted_uri_never_holds_the_password(middle, scheme):
    password = f"Zq{middle}qZ"
    for uri in (
        f"{scheme}://me:{password}@cam/live",
        f"{scheme}://me:{password}@cam",
        f"{scheme}://cam/v?pwd={password}",
    ):
        text = redacted(uri)
        assert "Zq" not in text or "qZ" not in text
        assert password not in text
