import pytest

from edge.errors import ConfigError
from edge.redact import named, named_file, scrubbed, shown


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("see mqtt://HOST:PORT, or mqtts://HOST", "see mqtt://HOST:PORT, or mqtts://HOST"),
        ("a 'rtsp://u:secret@cam/x' b", "a 'rtsp://***@cam/x' b"),
        ("a rtsp:/u:secret@cam/x b", "a rtsp://***@cam/x b"),
        ("model http://cam/a?token=secret cannot", "model http://cam/a?token=*** cannot"),
        ("mail me@home.org: now", "mail me@home.org: now"),
    ],
)
def test_no_sentence_holds_credentials(sentence, told):
    assert scrubbed(sentence) == told
    assert str(ConfigError(sentence)) == told


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("rtsp://u:secret@cam", "'rtsp://***@cam'"),
        (["rtsp://u:secret@cam", 3], "['rtsp://***@cam', 3]"),
        ({"a": {"b": "rtsp://u:secret@cam"}}, "{'a': {'b': 'rtsp://***@cam'}}"),
        ("x" * 100, "'" + "x" * 56 + "..."),
        ("a\nb", r"'a\nb'"),
    ],
)
def test_values_are_shown_in_a_line(value, told):
    assert shown(value) == told


def test_names_are_shown_as_they_are_where_they_may_be():
    assert named("max_face") == "max_face"
    assert named("a b\n") == r"'a b\n'"
    assert len(named("x" * 1000)) == 60


def test_a_password_in_the_place_of_its_file_is_not_repeated():
    assert named_file("mqtt.password_file", "/etc/secret") == "mqtt.password_file = '/etc/secret'"
    assert "hunter2" not in named_file("mqtt.password_file", "hunter2")
