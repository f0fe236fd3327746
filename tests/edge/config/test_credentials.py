from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config.credentials import (
    PASSWORD_VARIABLE,
    BrokerAddress,
    parse_broker_url,
    read_password,
    shown_broker_url,
)
from edge.config.mqtt_schema import MqttConfig
from edge.errors import ConfigError


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("mqtt://localhost", BrokerAddress("localhost", 1883, tls=False)),
        ("mqtts://localhost", BrokerAddress("localhost", 8883, tls=True)),
        ("MQTT://broker.example.org:1884/", BrokerAddress("broker.example.org", 1884, tls=False)),
        ("mqtt://192.168.1.2:65535", BrokerAddress("192.168.1.2", 65535, tls=False)),
        ("mqtts://[::1]:9000", BrokerAddress("::1", 9000, tls=True)),
        ("mqtt://[2001:DB8::1]", BrokerAddress("2001:db8::1", 1883, tls=False)),
        ("mqtt://my_pi.local", BrokerAddress("my_pi.local", 1883, tls=False)),
        ("tcp://h", BrokerAddress("h", 1883, tls=False)),
        ("ssl://h:8884", BrokerAddress("h", 8884, tls=True)),
        ("mqtt+ssl://h", BrokerAddress("h", 8883, tls=True)),
        ("ws://h", BrokerAddress("h", 80, tls=False, path="/mqtt")),
        ("wss://h", BrokerAddress("h", 443, tls=True, path="/mqtt")),
        ("ws://h:9001/", BrokerAddress("h", 9001, tls=False, path="/")),
        ("wss://[::1]:8084/a/b%20c?token=1&x=a,b", BrokerAddress("::1", 8084, tls=True, path="/a/b%20c?token=1&x=a,b")),
        ("WSS://h?token=1", BrokerAddress("h", 443, tls=True, path="/mqtt?token=1")),
    ],
)
def test_broker_url_gives_host_port_and_tls(url: str, broker: BrokerAddress) -> None:
    assert parse_broker_url(url) == broker


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost",
        "localhost:1883",
        "http://localhost",
        "mqtt:localhost",
        "mqtt://",
        "mqtt://:1883",
        "mqtt://localhost:",
        "mqtt://localhost:0",
        "mqtt://localhost:70000",
        "mqtt://localhost:-1",
        "mqtt://localhost:1883x",
        "mqtt://localhost:1_0",
        "mqtt://localhost:١٨٨٣",
        "mqtt://localhost/topic",
        "ssl://localhost/topic",
        "ws://",
        "ws:///mqtt",
        "ws://localhost:9001x/",
        "ws://localhost/#x",
        "ws://localhost/a b",
        "ws://localhost/ä",
        "wss://localhost?x y",
        "mqtt+ws://localhost",
        "unix:///run/broker",
        "mqtt://localhost:1883//",
        "mqtt://localhost?x=1",
        "mqtt://localhost#x",
        "mqtt://::1",
        "mqtt://[::1",
        "mqtt://[nonsense]",
        "mqtt://a b",
        "mqtt://a..b",
        f"mqtt://{'a' * 64}",
        " mqtt://localhost",
    ],
)
def test_bad_broker_url_is_refused_with_value_and_remedy(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_broker_url(url)
    message = str(caught.value)
    assert message.startswith(f"mqtt.url = {shown_broker_url(url)!r} ")
    assert "must" in message
    assert "\n" not in message


@pytest.mark.parametrize("url", ["mqtt://joe:secret@localhost", "joe:secret@localhost", "mqtt://secret@localhost:0"])
def test_password_in_broker_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_broker_url(url)
    assert "secret" not in str(caught.value)
    assert "mqtt.password_file" in str(caught.value)


@pytest.mark.parametrize("url", ["ws://h/mqtt", "wss://h", "ws://h:1/", "mqtt://h:1883", "mqtts://[::1]", "tcp://h/"])
def test_address_without_a_secret_is_shown_as_it_is(url: str) -> None:
    assert shown_broker_url(url) == url


def test_key_of_a_bad_address_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^mqtt\.fallback_urls = 'http://h' must be mqtt://"):
        parse_broker_url("http://h", "mqtt.fallback_urls")


@pytest.mark.parametrize("url", ["mqtt://::1", "mqtt://fd00::5", "mqtts://fd00::5:8883", "ws://::1/mqtt"])
def test_ipv6_address_without_brackets_is_refused_as_that(url: str) -> None:
    with pytest.raises(ConfigError, match="an IPv6 address in brackets"):
        parse_broker_url(url)


@given(st.ip_addresses(v=6), st.integers(1, 65535))
def test_ipv6_address_is_taken_in_brackets(address: object, port: int) -> None:
    assert parse_broker_url(f"mqtts://[{address}]:{port}") == BrokerAddress(str(address), port, tls=True)


def test_password_comes_from_file_then_environment_then_credential(tmp_path: Path) -> None:
    file, folder = tmp_path / "file", tmp_path / "credentials"
    folder.mkdir()
    file.write_text("from file\n")
    (folder / "mqtt-password").write_text("from credential\n")
    environ = {"CREDENTIALS_DIRECTORY": str(folder), PASSWORD_VARIABLE: "from environment"}
    mqtt = MqttConfig(username="joe", password_file=str(file))
    assert read_password(mqtt, environ) == "from file"
    mqtt = MqttConfig(username="joe")
    assert read_password(mqtt, environ) == "from environment"
    assert read_password(mqtt, environ | {PASSWORD_VARIABLE: ""}) == "from credential"
    (folder / "mqtt-password").unlink()
    assert read_password(mqtt, {"CREDENTIALS_DIRECTORY": str(folder)}) is None
    assert read_password(mqtt, {}) is None


def test_instances_own_password_comes_before_the_shared_one_which_needs_a_user_name(tmp_path: Path) -> None:
    environ, joe, nobody = {"CREDENTIALS_DIRECTORY": str(tmp_path)}, MqttConfig(username="joe"), MqttConfig()
    (tmp_path / "shared-mqtt-password").write_text("of all\n")
    assert (read_password(joe, environ), read_password(nobody, environ)) == ("of all", None)
    (tmp_path / "shared-mqtt-password").write_text("")
    with pytest.raises(ConfigError, match=r"credential shared-mqtt-password = '.*' is empty"):
        read_password(joe, environ)
    (tmp_path / "mqtt-password").write_text("of the door\n")
    assert read_password(joe, environ) == "of the door"
    with pytest.raises(ConfigError, match=r"mqtt\.username is empty although credential mqtt-password gives"):
        read_password(nobody, environ)


def test_credential_in_a_folder_that_may_not_be_searched_is_refused():
    """A name that is too long stands for a folder without access: root has access to every folder."""
    environ = {"CREDENTIALS_DIRECTORY": "/" + 300 * "x"}
    with pytest.raises(ConfigError, match=r"credential mqtt-password = '/x+/mqtt-password' cannot be found"):
        read_password(MqttConfig(username="sensor"), environ)


@pytest.mark.parametrize(
    ("content", "password"),
    [(b"x", "x"), (b"x\n", "x"), (b"x\r\n", "x"), (b" x \n\n", " x \n"), ("pässwörd\n".encode(), "pässwörd")],
)
def test_one_newline_at_the_end_of_a_password_file_is_removed(tmp_path: Path, content: bytes, password: str) -> None:
    file = tmp_path / "password"
    file.write_bytes(content)
    assert read_password(MqttConfig(username="joe", password_file=str(file)), {}) == password


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot be read"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff", "not UTF-8 text"),
        (b"x" * 65536, "too long"),
    ],
)
def test_password_file_without_a_usable_password_is_refused(
    tmp_path: Path, content: bytes | None, complaint: str
) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=complaint) as caught:
        read_password(MqttConfig(username="joe", password_file=str(file)), {})
    assert str(file) in str(caught.value)
    assert str(caught.value).startswith("mqtt.password_file = ")


def test_folder_as_password_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_password(MqttConfig(username="joe", password_file=str(tmp_path)), {})


def test_password_without_user_name_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"mqtt\.username is empty"):
        read_password(MqttConfig(), {PASSWORD_VARIABLE: "x"})
