"""Reads what is there before setup: the configuration of a service, the broker's password, free ports for its page.

What is no regular file is never opened: reading a pipe waits for a writer who may never come.
"""

import contextlib
import os
import socket
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.config.credentials import CREDENTIAL_NAME
from edge.config.loader import load_tables
from edge.config.schema import Config, PreviewConfig
from edge.errors import ConfigError
from edge.system.service import Service, installed_services

_MOST_PASSWORD_BYTES: Final = 65_535
"""Length of a password in MQTT: its field has 16 bits."""
_LAST_PORT: Final = 65_535
_OTHERS: Final = 0o077
"""Rights of everybody but the owner."""
_MOST_LINKS: Final = 40
"""Links that the kernel follows in one path before it reports a circle (path_resolution(7))."""
_KINDS: Final = (
    (stat.S_ISREG, "a file"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the files of a service are. `root`: the folder that stands for `/`, as of an image that is mounted.

    Links below another root are followed as the device follows them that has it as its `/`, and never lead out of it.
    Each of the paths raises ConfigError where they cannot be followed.
    """

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
        return path if self.root == Path("/") else _followed(self.root, path)


def _followed(root: Path, path: Path) -> Path:
    """Return where a path leads below a root, which has no links itself."""
    reached, ahead, links = root, list(path.parts[1:]), 0
    while ahead:
        name = ahead.pop(0)
        if name == "..":
            reached = reached if reached == root else reached.parent
            continue
        link = reached / name
        if not os.path.islink(link):  # noqa: PTH114 - Path.is_symlink raises where a folder may not be searched
            reached = link
            continue
        links += 1
        if links > _MOST_LINKS:
            raise ConfigError(f"the links of {path} below {root} lead in a circle: set one of them right")
        target = link.readlink()
        if target.is_absolute():
            reached = root
        ahead = [*target.parts[target.is_absolute() :], *ahead]
    return reached


def refuse_what_is_in_the_way(place: Place) -> None:
    """Raise ConfigError where a file that setup reads or writes is none, or a folder on the way to it is none."""
    for file in (place.config_file, place.password_file):
        for path in (*reversed(file.parents), file):
            is_right = path.is_dir if path != file else path.is_file
            with contextlib.suppress(PermissionError):
                # A link that leads nowhere may stand for the file, which is written where it leads.
                if (path.exists() if path == file else os.path.lexists(path)) and not is_right():
                    wanted = "a file" if path == file else "a folder"
                    raise ConfigError(
                        f"{path} is {_kind_of(path)}, but must be {wanted}: move it away, and set up again"
                    )


def _kind_of(path: Path) -> str:
    try:
        mode = path.stat().st_mode
    except OSError:
        return "a link that leads nowhere"
    return next((name for is_kind, name in _KINDS if is_kind(mode)), "a device")


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
    """Return whether this user may write a file: into its folder, or into the nearest one that exists.

    Raises ConfigError where not even root may.
    """
    folder = next(one for one in file.parents if os.path.exists(one))  # noqa: PTH110 - Path.exists may raise
    is_writable = os.access(folder, os.W_OK | os.X_OK)
    if not is_writable and os.geteuid() == 0:
        raise ConfigError(f"not even root may write into {folder}: its file system must be mounted for writing")
    return is_writable


def read_password(file: Path, origin: str) -> str:
    """Return the password in a file. Raises ConfigError; the sentence names the file by its `origin`."""
    try:
        with file.open("rb") as stream:
            content = stream.read(_MOST_PASSWORD_BYTES + len(b"\r\n") + 1).removesuffix(b"\n").removesuffix(b"\r")
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
    passwords = map(_password_in, (place.password_file, place.shared_password_file()))
    return next((password for password in passwords if password is not None), None)


def own_password(place: Place) -> str | None:
    """Return the password that is stored for the service alone, and that others cannot read; None without one."""
    password = _password_in(place.password_file)
    return None if password is None or place.password_file.stat().st_mode & _OTHERS else password


def _password_in(file: Path) -> str | None:
    if not os.path.isfile(file):  # noqa: PTH113 - Path.is_file may raise
        return None
    try:
        return read_password(file, "password file")
    except ConfigError:
        return None


def free_page_port(place: Place) -> int:
    """Return a port for the page that no other service has in its configuration, and that is free now."""
    folder, own = place.config_file.parent, place.config_file
    taken = {_page_port(one.config_file) for one in installed_services(folder) if one.config_file != own}
    ports = range(PreviewConfig().port, _LAST_PORT)
    return next((port for port in ports if port not in taken and _is_free(port)), 0)


def _page_port(config_file: Path) -> int:
    if not config_file.is_file():
        return PreviewConfig().port
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
