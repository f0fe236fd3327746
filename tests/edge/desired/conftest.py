from collections.abc import Iterator
from pathlib import Path

import pytest

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
