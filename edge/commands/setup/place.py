"""Reads what is there before setup: the configuration of a service, the broker's password, free ports for its page."""

import os
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.config.credentials import CREDENTIAL_NAME
from edge.config.loader import load_tables
from edge.config.schema import Config, PreviewConfig
from edge.errors import ConfigError
from edge.redact import quoted
from edge.system.service import CONFIG_FOLDER, NAME_IN_WORDS, Service, find_service, installed_services

_MOST_PASSWORD_BYTES: Final = 65_535
"""Length of a password in MQTT: its field has 16 bits."""
_LAST_PORT: Final = 65_535


@dataclass(frozen=True, slots=True)
class Place:
    """Where the files of a service are. `root`: the folder that stands for `/`, as of an image that is mounted."""

    service: Service
    root: Path = Path("/")

    @property
    def config_file(self) -> Path:
        """The configuration."""
        return self._below(self.service.config_file)

    @property
    def password_file(self) -> Path:
        """The broker's password."""
        return self._below(self.service.credential_file(CREDENTIAL_NAME))

    def shared_password_file(self) -> Path:
        """Return the file of the password that all instances share."""
        return self._below(Service().credential_file(CREDENTIAL_NAME))

    def _below(self, path: Path) -> Path:
        return self.root / path.relative_to("/")


def service_of(name: str | None) -> Service:
    """Return the service of an instance, the single one without a name. Raises ConfigError for a wrong name."""
    if not name:
        return Service()
    try:
        # The rule about the names of files is the rule about the names of instances.
        service = None if "/" in name else find_service(CONFIG_FOLDER / f"{name}.toml")
    except ConfigError:
        service = None
    if service is None or not service.name:
        raise ConfigError(f"{quoted(name)} cannot be the name of an instance: it must be {NAME_IN_WORDS}")
    return service


def existing_configuration(place: Place) -> tuple[str | None, Config]:
    """Return the text of the configuration that is there, None without one, and the configuration.

    Raises ConfigError for one that cannot be used: masks and whatever else it holds must not vanish.
    """
    file = place.config_file
    if not file.exists():
        return None, load_tables(None, {}).config()
    try:
        config = load_tables(file, {}, folder=file.parent).config()
        # With the byte order mark, if it has one: what is written keeps it.
        return file.read_bytes().decode(), config
    except ConfigError as error:
        raise ConfigError(f"{error} (mend the file, or move it away, and set up again)") from error


def configuration_of(text: str, place: Place) -> Config:
    """Return the configuration that a text is, as the file of a service. Raises ConfigError."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, place.config_file.name)
        file.write_bytes(text.encode())
        try:
            return load_tables(file, {}, folder=file.parent).config()
        except ConfigError as error:
            raise ConfigError(str(error).replace(str(file), str(place.config_file))) from None


def may_write(file: Path) -> bool:
    """Return whether this user may write a file: into its folder, or into the nearest one that exists."""
    folder = next(one for one in file.parents if one.exists())
    return os.access(folder, os.W_OK | os.X_OK)


def read_password(file: Path, origin: str) -> str:
    """Return the password in a file. Raises ConfigError; the sentence names the file by its `origin`."""
    try:
        content = file.read_bytes().removesuffix(b"\n").removesuffix(b"\r")
        password = content.decode()
    except OSError as error:
        raise ConfigError(f"{origin} {file} cannot be read ({error.strerror}): it must hold the password") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{origin} {file} is not UTF-8 text: it must hold the password alone") from None
    if not 0 < len(content) <= _MOST_PASSWORD_BYTES:
        raise ConfigError(f"{origin} {file} is {'too long' if content else 'empty'}: it must hold the password alone")
    return password


def stored_password(place: Place) -> str | None:
    """Return the password that is stored for the service, else the one that all instances share; None without one."""
    for file in (place.password_file, place.shared_password_file()):
        try:
            return read_password(file, "password file")
        except ConfigError:
            continue
    return None


def free_page_port(place: Place) -> int:
    """Return a port for the page that no other service has in its configuration, and that is free now."""
    folder, own = place.config_file.parent, place.config_file
    taken = {_page_port(one.config_file) for one in installed_services(folder) if one.config_file != own}
    ports = range(PreviewConfig().port, _LAST_PORT)
    return next((port for port in ports if port not in taken and _is_free(port)), 0)


def _page_port(config_file: Path) -> int:
    try:
        return load_tables(config_file, {}, folder=config_file.parent).config().preview.port
    except ConfigError:
        return PreviewConfig().port


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((PreviewConfig().host, port))
        except OSError:
            return False
    return True
