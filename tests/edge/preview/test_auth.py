"""Who may look: addresses, names, tokens; and what a start is refused for."""

import socket

import pytest

from edge.config.schema import Config, PreviewConfig
from edge.errors import ConfigError
from edge.preview.auth import is_loopback, preview_access, read_token
from edge.preview.server import PreviewServer
from support.preview import TOKEN


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "::1", "localhost"])
def test_this_machine_alone_needs_no_token(host):
    assert is_loopback(host)
    assert preview_access(PreviewConfig(host=host), {}).token is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "sensor.local", "localhost.example.org"])  # noqa: S104
def test_any_other_address_needs_one(host):
    with pytest.raises(ConfigError, match=f"preview.host is '{host}'.*no token.*openssl rand"):
        preview_access(PreviewConfig(host=host), {})
    assert preview_access(PreviewConfig(host=host), {"EMOTION_EDGE_PREVIEW_TOKEN": TOKEN}).token == TOKEN


def test_file_before_environment_before_credential(tmp_path):
    for name, text in (("file", "of the file, long enough"), ("preview-token", "of the credential, too")):
        (tmp_path / name).write_text(text + "\n", encoding="utf-8")
    both = {"EMOTION_EDGE_PREVIEW_TOKEN": TOKEN, "CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert read_token(PreviewConfig(token_file=str(tmp_path / "file")), both) == "of the file, long enough"
    assert read_token(PreviewConfig(), both) == TOKEN
    assert read_token(PreviewConfig(), {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == "of the credential, too"
    assert read_token(PreviewConfig(), {"CREDENTIALS_DIRECTORY": str(tmp_path / "none")}) is None


@pytest.mark.parametrize("token", ["short", "x" * 257, "naïve and long enough", "with\x07bell0123456789", " " * 20])
def test_a_token_that_is_none_is_refused_without_being_shown(token):
    with pytest.raises(ConfigError, match="16 to 256 printable ASCII characters") as refused:
        read_token(PreviewConfig(), {"EMOTION_EDGE_PREVIEW_TOKEN": token})
    assert token not in str(refused.value)


def test_a_token_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"preview.token_file = '.*none' cannot be read \(No such file"):
        preview_access(PreviewConfig(token_file=str(tmp_path / "none")), {})


@pytest.mark.parametrize(
    ("host", "known"),
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
def test_only_this_machines_names(host, known):
    assert preview_access(PreviewConfig(names="sensor.example.org, other"), {}).knows_host(host) is known


def test_its_own_name_is_known():
    mine = socket.gethostname().lower()
    assert preview_access(PreviewConfig(), {}).knows_host(f"{mine}:8377")
    assert preview_access(PreviewConfig(), {}).knows_host(f"{mine.partition('.')[0]}.local")


@pytest.mark.parametrize("names", ["http://sensor", "sensor:80", "a b"])
def test_names_that_are_none(names):
    with pytest.raises(ConfigError, match=r"preview\.names holds"):
        preview_access(PreviewConfig(names=names), {})


def test_token_and_cookie_are_compared_whole():
    one = preview_access(PreviewConfig(), {"EMOTION_EDGE_PREVIEW_TOKEN": TOKEN})
    assert one.is_token(TOKEN)
    assert one.is_cookie(one.cookie)
    assert TOKEN not in one.cookie
    for wrong in ("", TOKEN[:-1], TOKEN + "0", one.cookie, "é"):
        assert not one.is_token(wrong)
    for wrong in ("", TOKEN, one.cookie[:-1]):
        assert not one.is_cookie(wrong)
    open_to_all = preview_access(PreviewConfig(), {})
    assert not open_to_all.is_token("")
    assert not open_to_all.is_cookie(open_to_all.cookie)
    assert TOKEN not in repr(one)


def test_a_port_in_use_and_an_address_elsewhere():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"preview.port {port} at .*Address already in use.*free port"):
            PreviewServer(Config(preview=PreviewConfig(enabled=True, port=port)), lambda _: pytest.fail("asked"))


def test_an_address_that_this_machine_does_not_have(monkeypatch):
    monkeypatch.setenv("EMOTION_EDGE_PREVIEW_TOKEN", TOKEN)
    # 192.0.2.0/24 is set aside for documentation (RFC 5737).
    for host, why in (("192.0.2.1", "cannot be used"), ("no.such.host.invalid", "no address of this machine")):
        with pytest.raises(ConfigError, match=why):
            PreviewServer(
                Config(preview=PreviewConfig(enabled=True, port=0, host=host)), lambda _: pytest.fail("asked")
            )
