"""Reads the file that an operator writes: what devices should run. Every mistake is a sentence of its own."""

import hashlib
import json
import re
import tomllib
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from edge.config.loader import tables_of
from edge.config.schema import Config
from edge.config.settable import check_desired
from edge.config.settings import read_setting
from edge.desired.overlay import overlaid
from edge.desired.selection import Choice
from edge.errors import ConfigError, EdgeError, ModelError
from edge.messages.desired import MAX_MANIFEST_BYTES, MAX_MODEL_BYTES, Address, Assignment, DesiredModel
from edge.redact import quoted, quoted_name
from edge.vision.classification.manifest import load_manifest, manifest_path

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_GLOB: Final = re.compile(r"[A-Za-z0-9_*?\[\]!-]{1,64}")
_KEYS: Final = ("name", "assignments")
_OF_ASSIGNMENT: Final = ("devices", "percent", "settings", "model")
_OF_MODEL: Final = ("url", "file", "manifest_url", "size", "sha256", "manifest")
_MANIFEST_SUFFIX: Final = ".json"


class DocumentFileError(ConfigError):
    """A file with mistakes. `mistakes`: a sentence each."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


class DocumentFile:
    """A file that was read: the name of its document, and who should run what.

    Raises DocumentFileError, which names each mistake, and ConfigError where there is no such file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mistakes: list[str] = []
        content = _parsed(path)
        self._check_keys("", content, _KEYS)
        self.name = self._read_name(content.get("name"))
        self.assignments: list[Assignment] = []
        assignments = content.get("assignments", [])
        if not isinstance(assignments, list):
            self._say(f"assignments is {quoted(assignments)}, but must be a list: [[assignments]]")
        else:
            for number, one in enumerate(assignments, 1):
                self._read_assignment(f"assignment {number}", one)
        if self._mistakes:
            raise DocumentFileError([f"{path}: {one}" for one in self._mistakes])

    def _say(self, sentence: str) -> None:
        self._mistakes.append(sentence)

    def _check_keys(self, where: str, table: dict[str, Any], known: tuple[str, ...]) -> None:
        for key in table:
            if key not in known:
                self._say(f"{where}{': ' * bool(where)}unknown key {quoted_name(key)}; known are {', '.join(known)}")

    def _read_name(self, name: object) -> str:
        if isinstance(name, str) and _NAME.fullmatch(name):
            return name
        found = "is missing" if name is None else f"is {quoted(name)}"
        self._say(f"name {found}, but must be text of 1 to 64 letters (a to z), digits, and . _ - between them")
        return ""

    def _read_assignment(self, where: str, content: object) -> None:
        if not isinstance(content, dict):
            self._say(f"{where} is {quoted(content)}, but must be a table")
            return
        before = len(self._mistakes)
        self._check_keys(where, content, _OF_ASSIGNMENT)
        devices = content.get("devices", ["*"])
        if not (isinstance(devices, list) and devices and all(isinstance(one, str) for one in devices)):
            self._say(f'{where}: devices is {quoted(devices)}, but must be a list of device ids, as in ["shop-*"]')
        else:
            for glob in devices:
                if not _GLOB.fullmatch(glob):
                    self._say(
                        f"{where}: devices holds {quoted(glob)}, but must hold device ids, of letters (a to z), "
                        "digits, - and _, or patterns of them with * ? [ ]"
                    )
        percent = content.get("percent", 100)
        if isinstance(percent, bool) or not isinstance(percent, int | float) or not 0 <= percent <= 100:  # noqa: PLR2004
            self._say(f"{where}: percent is {quoted(percent)}, but must be a number from 0 to 100")
        settings = self._read_settings(where, content.get("settings", {}))
        model = self._read_model(where, content["model"]) if "model" in content else None
        if len(self._mistakes) == before:
            self.assignments.append(
                Assignment(devices=list(devices), percent=float(percent), settings=settings, model=model)
            )

    def _read_settings(self, where: str, settings: object) -> dict[str, Any]:
        if not isinstance(settings, dict):
            self._say(f'{where}: settings is {quoted(settings)}, but must be a table, as in "events.margin" = 0.3')
            return {}
        pairs = _flat(settings)
        flat = dict(pairs)
        before = len(self._mistakes)
        for name in flat:
            if sum(name == other for other, _ in pairs) > 1:
                self._say(f"{where}: settings has {quoted_name(name)} twice: leave one out")
        for name, value in flat.items():
            try:
                check_desired(name)
                read_setting(name, value)
            except ConfigError as error:
                self._say(f"{where}: {error}")
        if len(self._mistakes) == before:
            try:
                overlaid(tables_of(Config()), Choice(settings=flat), Path())
            except EdgeError as error:
                self._say(f"{where}: {error}")
        return flat

    def _read_model(self, where: str, content: object) -> DesiredModel | None:
        if not isinstance(content, dict):
            self._say(f"{where}: model is {quoted(content)}, but must be a table with url and file")
            return None
        self._check_keys(f"{where}: model", content, _OF_MODEL)
        url = self._read_url(f"{where}: model.url", content.get("url"))
        if url is None:
            return None
        if "file" in content:
            return self._measured(where, url, content)
        wanted = {key: content[key] for key in ("size", "sha256", "manifest") if key in content}
        manifest = wanted.get("manifest")
        if isinstance(manifest, dict) and self._read_url(f"{where}: model.manifest.url", manifest.get("url")) is None:
            return None
        try:
            return msgspec.convert({"url": url, **wanted}, DesiredModel)
        except msgspec.ValidationError as error:
            self._say(
                f"{where}: model lacks or misstates what the files are ({error}): name the .tflite file on this "
                "machine as file, or state size, sha256, and manifest with url, size and sha256"
            )
            return None

    def _read_url(self, key: str, url: object) -> str | None:
        """Return an address that devices can fetch from, None after a mistake."""
        try:
            text: str = msgspec.convert(url, Address)  # by the rule of the devices
            parts = urlsplit(text)
            if parts.hostname and parts.port != 0:
                return text
        except ValueError:  # of both
            pass
        found = "is missing" if url is None else f"is {quoted(url)}"
        self._say(
            f"{key} {found}, but must be an address https://HOST/PATH, without a user name, of at most 1000 letters, "
            "digits and signs of an address; others are percent-encoded"
        )
        return None

    def _measured(self, where: str, url: str, content: dict[str, Any]) -> DesiredModel | None:
        """Return the model whose files lie on this machine, with their sizes and sums."""
        name = content["file"]
        if not (isinstance(name, str) and name and name.isprintable()):
            self._say(f"{where}: model.file is {quoted(name)}, but must be the path of a .tflite file")
            return None
        file = self._path.parent / name
        manifest_url = content.get("manifest_url", url.removesuffix(".tflite") + _MANIFEST_SUFFIX)
        manifest_url = self._read_url(f"{where}: model.manifest_url", manifest_url)
        try:
            # Before it is read: a file that no device would fetch may fill the memory of this machine.
            if file.stat().st_size > MAX_MODEL_BYTES:
                self._say(f"{where}: {file} has {file.stat().st_size} bytes, but at most {MAX_MODEL_BYTES} are fetched")
                return None
            load_manifest(file)
            size, sha256 = _measure(file)
        except ModelError as error:
            self._say(f"{where}: model.file: {error}")
            return None
        except OSError as error:
            self._say(f"{where}: model.file: model {file} cannot be read: {error.strerror}")
            return None
        if manifest_url is None:
            return None
        manifest_size, manifest_sha256 = _measure(manifest_path(file))
        if manifest_size > MAX_MANIFEST_BYTES:
            self._say(
                f"{where}: the manifest of {file} has {manifest_size} bytes, but at most {MAX_MANIFEST_BYTES} are "
                "fetched"
            )
            return None
        measured: dict[str, object] = {"size": size, "sha256": sha256}
        for key, value in measured.items():
            if key in content and content[key] != value:
                self._say(f"{where}: model.{key} is {quoted(content[key])}, and {file} has {value}: leave {key} out")
                return None
        manifest = {"url": manifest_url, "size": manifest_size, "sha256": manifest_sha256}
        return msgspec.convert({"url": url, "size": size, "sha256": sha256, "manifest": manifest}, DesiredModel)


def _parsed(path: Path) -> dict[str, Any]:
    """Return the content of a file. Raises ConfigError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}): name the document, as .toml or .json") from None
    try:
        content = json.loads(data) if path.suffix == ".json" else tomllib.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        kind = "JSON" if path.suffix == ".json" else "TOML"
        raise ConfigError(f"{path} is not {kind}: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path} is {quoted(content)}, but must be an object with name and assignments")
    return content


def _flat(settings: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return settings by dotted key, also where TOML has made tables of `events.margin = 0.3`."""
    from edge.config.keys import FREE_TABLES, SECTIONS  # noqa: PLC0415

    flat: list[tuple[str, Any]] = []
    for name, value in settings.items():
        if name in SECTIONS and isinstance(value, dict) and name not in FREE_TABLES:
            flat += [(f"{name}.{key}", one) for key, one in value.items()]
        else:
            flat.append((name, value))
    return flat


def _measure(file: Path) -> tuple[int, str]:
    data = file.read_bytes()
    return len(data), hashlib.sha256(data).hexdigest()
