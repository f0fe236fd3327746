import pytest

from edge.errors import ConfigError
from edge.redact import quoted, quoted_file, quoted_name, redacted_text


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


def test_password_in_place_of_its_file_name_is_not_repeated():
    assert quoted_file("mqtt.password_file", "/etc/secret") == "mqtt.password_file = '/etc/secret'"
    assert "hunter2" not in quoted_file("mqtt.password_file", "hunter2")
