"""Covers what `doctor` reports about several brokers."""

from collections.abc import Callable

import pytest

from edge.commands.doctor.delivery_checks import DeliveryChecks
from edge.config.credentials import PASSWORD_VARIABLE
from edge.config.mqtt_schema import MqttConfig
from edge.config.schema import Config
from edge.errors import BrokerError
from support.broker import PrivateBroker, TlsFiles
from support.mqtt import Certificates

DEAD = "ws://127.0.0.1:1/hunter2?token=hunter3"


def checks(*urls: str, **keys: str) -> DeliveryChecks:
    return DeliveryChecks(Config(mqtt=MqttConfig(url=urls[0], fallback_urls=list(urls[1:]), **keys)))  # type: ignore[arg-type]


def test_each_address_is_tried_and_one_that_fails_is_a_warning(broker: PrivateBroker) -> None:
    group = checks(DEAD, broker.url)
    line = group.by_name()["broker"]()
    assert line.startswith(f"{broker.url} accepts the connection with MQTT 5")
    (warning,) = group.take_warnings()
    assert warning.startswith("the broker at 127.0.0.1:1 cannot be reached (Connection refused)")
    assert warning.endswith("(`run` waits for it)")
    assert "hunter" not in line + warning


def test_failure_of_all_addresses_is_an_error_that_names_each() -> None:
    with pytest.raises(BrokerError) as caught:
        checks(DEAD, "mqtt://127.0.0.1:2").by_name()["broker"]()
    assert "127.0.0.1:1 cannot" in str(caught.value)
    assert "127.0.0.1:2 cannot" in str(caught.value)
    assert "hunter" not in str(caught.value)


def test_password_for_a_broker_without_encryption_beside_one_with_it_is_a_warning(
    make_broker: Callable[..., PrivateBroker],
    broker: PrivateBroker,
    certificates: Certificates,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "hunter2")
    encrypted = make_broker(tls=TlsFiles(certificates.server_cert, certificates.server_key))
    encrypted.start()
    group = checks(encrypted.url, broker.url, username="joe", ca_file=str(certificates.ca))
    assert group.by_name()["broker"]().count("accepts the connection") == 2
    assert group.take_warnings() == [f"{broker.url} gets the password without encryption, unlike the other brokers"]
    group = checks(broker.url, username="joe")
    group.by_name()["broker"]()
    assert group.take_warnings() == []
