import pytest

from edge.commands.setup.answer_form import broker_address, check_source, find_fault
from edge.errors import ConfigError, SourceError


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", None),
        ("Büro €\u2028", None),
        ("v4l2:\udcff", "is not UTF-8 text"),
        ("a\x00", "holds a control character"),
        ("a\x7f", "holds a control character"),
        ("a\x85", "holds a control character"),
        ("€" * 21_846, "is longer than 65535 bytes"),
        ("€" * 21_845, None),
    ],
)
def test_text_that_can_be_no_answer_is_known(text, fault):
    assert find_fault(text) == fault


@pytest.mark.parametrize(
    ("uri", "is_right"),
    [
        ("auto:", True),
        ("AUTO:", True),
        ("auto:foo", False),
        ("picamera:1", True),
        ("picamera:x", False),
        ("v4l2:usb-Webcam-index0", True),
        ("v4l2:", False),
        ("/dev/video7", True),
        ("rtsp://cam/x", True),
        ("rtsp:", False),
        ("scripted:happy=0.3", True),
        ("scripted:joyful=0.3", False),
        ("/on/the/other/device.mp4", True),
        ("nonsense", False),
        ("", False),
    ],
)
def test_source_of_no_known_kind_is_refused_without_opening_any(uri, is_right):
    if is_right:
        check_source(uri)
    else:
        with pytest.raises(SourceError):
            check_source(uri)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("none", ""),
        ("", ""),
        ("127.0.0.1", "mqtt://127.0.0.1"),
        ("broker.local:1884", "mqtt://broker.local:1884"),
        ("[::1]", "mqtt://[::1]"),
        ("wss://h/path", "wss://h/path"),
    ],
)
def test_bare_host_gets_a_scheme(text, url):
    assert broker_address(text) == url


@pytest.mark.parametrize("text", ["mqtt://", "mqtt:/h", "::1", "http://h", "a b", "mqtt://h:0", "77"])
def test_text_that_is_no_address_of_a_broker_is_refused(text):
    with pytest.raises(ConfigError, match=r"^mqtt\.url = "):
        broker_address(text)


@pytest.mark.parametrize("text", ["mqtt://u:s3cret@h", "u:s3cret@h", "mqtt://u@h", "wss://h/?token=s3cret@x"])
def test_credentials_in_an_address_are_refused_and_not_repeated(text):
    for option in ("", "--mqtt"):
        with pytest.raises(ConfigError, match="must hold neither user name nor password") as caught:
            broker_address(text, option=option)
        assert "s3cret" not in str(caught.value)
