import re
from pathlib import Path

import msgspec
import pytest

from edge.config.keys import FREE_TABLES, KEYS, describe, expected, is_reloadable, redacted_config
from edge.config.mqtt_schema import MqttConfig
from edge.config.schema import Config, PreviewConfig, SourceConfig

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "configuration.md"
SECRET_KEYS = {"mqtt.username", "mqtt.password_file", "mqtt.key_file", "preview.token_file"}
ALL_KEYS = [(table, key) for table, keys in KEYS.items() for key in keys]


def test_reload_applies_exactly_the_documented_keys() -> None:
    text = DOCUMENTATION.read_text(encoding="utf-8")
    (tables,) = re.findall(r"^- the tables (.*);$", text, re.MULTILINE)
    (keys,) = re.findall(r"^- the keys (.*)\.$", text, re.MULTILINE)
    documented_tables, documented_keys = re.findall(r"`\[(\w+)\]`", tables), re.findall(r"`(\w+\.\w+)`", keys)
    assert set(FREE_TABLES) < set(documented_tables)
    assert all(is_reloadable(table, "any name") for table in FREE_TABLES)
    assert [f"{table}.{key}" for table, key in ALL_KEYS if is_reloadable(table, key)] == [
        f"{table}.{key}" for table, key in ALL_KEYS if table in documented_tables or f"{table}.{key}" in documented_keys
    ]
    assert set(documented_keys) < {f"{table}.{key}" for table, key in ALL_KEYS}


def test_secret_keys_are_hidden_and_no_others() -> None:
    """Every key holds the same text here, whatever its type: what is hidden depends on the key alone."""
    config = Config(
        **{
            table: msgspec.structs.replace(getattr(Config(), table), **dict.fromkeys(keys, "visible"))
            for table, keys in KEYS.items()
        }
    )
    tables = redacted_config(config)
    assert {f"{table}.{key}" for table, key in ALL_KEYS if tables[table][key] == "***"} == SECRET_KEYS
    assert {tables[table][key] for table, key in ALL_KEYS} == {"visible", "***"}


@pytest.mark.parametrize(("table", "key"), ALL_KEYS)
def test_key_that_names_a_user_or_a_secret_is_marked_secret(table: str, key: str) -> None:
    if re.search("user|password|token|secret|key_file", key):
        assert f"{table}.{key}" in SECRET_KEYS


def test_redacted_config_holds_no_credentials() -> None:
    config = Config(
        source=SourceConfig(uri="rtsp://admin:hunter2@cam/stream?token=hunter3"),
        mqtt=MqttConfig(
            url="mqtts://broker:8883",
            fallback_urls=["wss://broker/hunter8?token=hunter9", "ws://broker/mqtt"],
            username="hunter4",
            password_file="/run/hunter5",
            key_file="/run/hunter6.key",
        ),
        preview=PreviewConfig(token_file="/run/hunter7"),
        labels={"positive": ["happy"]},
        zones={"door": [(0.0, 0.0), (1.0, 0.0), (1.0, 0.5)]},
    )
    tables = redacted_config(config)
    assert "hunter" not in str(tables)
    assert tables["source"]["uri"] == "rtsp://***@cam/stream?token=***"
    assert tables["mqtt"]["username"] == tables["mqtt"]["password_file"] == tables["mqtt"]["key_file"] == "***"
    assert tables["mqtt"]["url"] == "mqtts://broker:8883"
    assert tables["mqtt"]["fallback_urls"] == ["wss://broker/***?token=***", "ws://broker/mqtt"]
    assert tables["labels"] == {"positive": ["happy"]}
    assert msgspec.json.encode(tables["zones"]) == b'{"door":[[0.0,0.0],[1.0,0.0],[1.0,0.5]]}'
    assert tables.keys() == msgspec.to_builtins(config).keys()
    assert redacted_config(Config())["mqtt"]["username"] == ""


@pytest.mark.parametrize(("table", "key"), ALL_KEYS)
def test_description_of_each_key_is_one_line_that_stands_alone(table: str, key: str) -> None:
    description = describe(KEYS[table][key])
    assert re.match(r"[A-Z0-9].{10,}[.\]]$", description), description


def test_expected_names_type_and_range() -> None:
    assert expected(KEYS["source"]["width"]) == "a whole number from 64 to 4096"
    assert expected(KEYS["events"]["unknown_below"]) == "a number from 0 to 1"
    assert expected(KEYS["source"]["flip"]) == "one of horizontal, none, vertical"
    assert expected(KEYS["preview"]["host"]) == "text (not empty)"
    assert expected(KEYS["homeassistant"]["enabled"]) == "true or false"
    assert expected(KEYS["mqtt"]["fallback_urls"]) == "a list of at most 8 addresses"
    assert expected(KEYS["mqtt"]["alpn"]) == "a list of at most 8 protocol names"
    assert expected(list[str]) == "a list of labels"
    assert describe(KEYS["source"]["width"]).endswith(" [from 64 to 4096]")
