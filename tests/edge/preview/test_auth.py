"""Access to the page: addresses, host names, tokens, and which configurations are refused."""

import socket

import pytest

from edge.config.schema import PreviewConfig
from edge.errors import ConfigError
from edge.preview.auth import is_loopback, preview_access, read_token
from support.preview import TOKEN


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "::1", "localhost"])
def test_loopback_address_needs_no_token(host):
    assert is_loopback(host)
    assert preview_access(PreviewConfig(host=host), {}).token is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "sensor.local", "localhost.example.org"])  # noqa: S104
def test_any_other_address_needs_a_token(host):
    with pytest.raises(ConfigError, match=f"preview.host is '{host}'.*no token.*openssl rand"):
        preview_access(PreviewConfig(host=host), {})
    assert preview_access(PreviewConfig(host=host), {"EMOTION_EDGE_PREVIEW_TOKEN": TOKEN}).token == TOKEN


def test_token_file_precedes_environment_precedes_credential(tmp_path):
    for name, text in (("file", "of the file, long enough"), ("preview-token", "of the credential, too")):
        (tmp_path / name).write_text(text + "\n", encoding="utf-8")
    both = {"EMOTION_EDGE_PREVIEW_TOKEN": TOKEN, "CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert read_token(PreviewConfig(token_file=str(tmp_path / "file")), both) == "of the file, long enough"
    assert read_token(PreviewConfig(), both) == TOKEN
    assert read_token(PreviewConfig(), {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == "of the credential, too"
    assert read_token(PreviewConfig(), {"CREDENTIALS_DIRECTORY": str(tmp_path / "none")}) is None
    (tmp_path / "preview-token").rename(tmp_path / "shared-preview-token")
    assert read_token(PreviewConfig(), {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == "of the credential, too"


@pytest.mark.parametrize("token", ["short", "x" * 257, "naïve and long enough", "with\x07bell0123456789", " " * 20])
def test_invalid_token_is_refused_and_not_repeated(token):
    with pytest.raises(ConfigError, match="16 to 256 printable ASCII characters") as refused:
        read_token(PreviewConfig(), {"EMOTION_EDGE_PREVIEW_TOKEN": token})
    assert token not in str(refused.value)


def test_missing_token_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"preview.token_file = '.*none' cannot be read \(No such file"):
        preview_access(PreviewConfig(token_file=str(tmp_path / "none")), {})


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1:8377", True),
        ("localhost", True),
        ("LOCALHOST.:9000", True),
        ("[::1]:8377", True),
        ("192.168.1.7:8377", True),
        ("sensor.example.org", True),
        ("evil.example.org", False),
        ("127.0.0.1.evil.example.org", False),
        ("localhost@evil.example.org", False),
        ("evil.example.org/127.0.0.1", False),
        ("[::1", False),
        ("127.0.0.1:port", False),
        ("", False),
        ("localhost\n", False),
    ],
)
def test_only_addresses_and_names_of_this_machine_are_allowed_as_host(host, allowed):
    assert preview_access(PreviewConfig(names="sensor.example.org, other"), {}).allows_host(host) is allowed


def test_host_name_of_this_machine_is_allowed():
    mine = socket.gethostname().lower()
    assert preview_access(PreviewConfig(), {}).allows_host(f"{mine}:8377")
    assert preview_access(PreviewConfig(), {}).allows_host(f"{mine.partition('.')[0]}.local")


@pytest.mark.parametrize("names", ["http://sensor", "sensor:80", "a b"])
def test_names_that_are_no_host_names_are_refused(names):
    with pytest.raises(ConfigError, match=r"preview\.names holds"):
        preview_access(PreviewConfig(names=names), {})


def test_token_and_cookie_match_only_as_a_whole():
    access = preview_access(PreviewConfig(), {"EMOTION_EDGE_PREVIEW_TOKEN": TOKEN})
    assert access.is_token(TOKEN)
    assert access.is_cookie(access.cookie)
    assert TOKEN not in access.cookie
    for wrong in ("", TOKEN[:-1], TOKEN + "0", access.cookie, "é"):
        assert not access.is_token(wrong)
    for wrong in ("", TOKEN, access.cookie[:-1]):
        assert not access.is_cookie(wrong)
    without_token = preview_access(PreviewConfig(), {})
    assert not without_token.is_token("")
    assert not without_token.is_cookie(without_token.cookie)
    assert TOKEN not in repr(access)
