from pathlib import Path

import pytest

from support.signed_documents import Key


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Key:
    return Key.make(tmp_path_factory.mktemp("operator"))


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """A document that sets one key on every device."""
    file = tmp_path / "november.toml"
    file.write_text('name = "november"\n[[assignments]]\nsettings = {"events.margin" = 0.2}\n', encoding="utf-8")
    return file
