from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.config.desired_schema import DesiredConfig
from edge.config.mqtt_schema import MqttConfig
from edge.config.schema import BudgetConfig, Config, EventsConfig
from support.desired_sensor import WATCH_SECONDS, Place
from support.mqtt import Certificates
from support.signed_documents import Key, ModelServer


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Key:
    return Key.make(tmp_path_factory.mktemp("key"))


@pytest.fixture
def server(tmp_path: Path, certificates: Certificates) -> Iterator[ModelServer]:
    """Serves the files of a folder over https, with a certificate of the authority of `certificates`."""
    folder = tmp_path / "web"
    folder.mkdir()
    server = ModelServer(folder, certificates)
    yield server
    server.close()


@pytest.fixture
def place(tmp_path: Path, key: Key, certificates: Certificates) -> Iterator[Place]:
    config = Config(
        mqtt=MqttConfig(url="mqtt://127.0.0.1"),
        desired=DesiredConfig(
            enabled=True, allowed_signers=str(key.signers), ca_file=str(certificates.ca), watch_seconds=WATCH_SECONDS
        ),
        events=EventsConfig(margin=0.35),
        budget=BudgetConfig(latency_ms=5000.0),
    )
    place = Place(tmp_path / "desired-cam", config)
    yield place
    place.end()
