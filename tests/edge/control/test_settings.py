"""What is in force after requests, reloads and restarts: that which docs/configuration.md says."""

import logging
from pathlib import Path
from typing import Any

import hypothesis
import msgspec
import pytest
from hypothesis import Phase, given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from edge.config.loader import Loaded, tables_of
from edge.config.schema import Config, EventsConfig
from edge.config.settings import value_of
from edge.control.settings import Settings, create_settings
from edge.control.settings_file import SettingsFile
from edge.errors import ConfigError

DOOR = {"door": [[0.0, 0.2], [0.3, 0.2], [0.3, 1.0]]}
VALUES: dict[str, list[Any]] = {
    "events.margin": [0, 0.25, 1, -1, "x", None, True],
    "events.unknown_below": [0.5, None, 7],
    "detector.min_face": [0.1, 0.4, 0.8, 5],
    "detector.max_face": [0.2, 0.6, 1],
    "detector.kind": ["haar", "odd"],
    "zones": [{}, DOOR, {"a": DOOR["door"], "A": DOOR["door"]}, 5],
    "labels": [{"glad": ["happy"]}, {"glad": ["happy"], "gay": ["happy"]}],
    "source.uri": ["0"],
    "detector.cascade": ["/x"],
    "nothing.at_all": [1],
}
VALID: dict[str, list[Any]] = {
    "events.margin": [0, 0.25, 1],
    "events.unknown_below": [0.5, None],
    "detector.min_face": [0.1, 0.4, 0.8],
    "detector.max_face": [0.2, 0.6, 1],
    "detector.kind": ["haar"],
    "zones": [{}, DOOR],
    "labels": [{"glad": ["happy"]}],
}
"""Of these values those that are valid by themselves, written down apart from the code."""
ITEMS = ["events", "events.margin", "detector", "detector.min_face", "zones", "labels"]
SETTABLE = st.lists(st.sampled_from(ITEMS), unique=True, max_size=4)
CHANGES = st.sampled_from(sorted(VALUES)).flatmap(lambda name: st.tuples(st.just(name), st.sampled_from(VALUES[name])))


def loaded(settable: list[str], max_face: float = 1.0, margin: float = 0.4) -> Loaded:
    tables = {"requests": {"settable": settable}, "detector": {"max_face": max_face}, "events": {"margin": margin}}
    return tables_of(msgspec.convert(tables, Config))


def allows(settable: list[str], name: str) -> bool:
    return name in VALID and (name in settable or name.partition(".")[0] in settable)


def is_valid(name: str, value: Any) -> bool:
    # `True == 1` for Python.
    return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in VALID.get(name, ()))


def plain(value: Any) -> Any:
    """Return a value as JSON has it, with lists for corners."""
    return msgspec.json.decode(msgspec.json.encode(value))


def in_force(file: dict[str, float], settable: list[str], stored: dict[str, Any]) -> dict[str, Any]:
    """Return the settings in force, as docs/configuration.md has the rules. `file`: values of the configuration."""
    found = {name: value for name, value in stored.items() if allows(settable, name) and is_valid(name, value)}
    smallest = found.get("detector.min_face", 0.1)
    largest = found.get("detector.max_face", file["detector.max_face"])
    if smallest > largest:
        found = {name: value for name, value in found.items() if not name.startswith("detector.")}
    return found


class Sequences(RuleBasedStateMachine):
    """A sensor whose settings are set, undone, reloaded, restarted and damaged, in any order."""

    @initialize(settable=SETTABLE)
    def start(self, settable: list[str]) -> None:
        self.folder = self.folders.mktemp("settings")
        self.path = self.folder / "settings-cam.json"
        self.stored: dict[str, Any] = {}
        self.file = {"detector.max_face": 1.0, "events.margin": 0.4}
        self.settable = settable
        self.settings = self.restarted()

    def restarted(self) -> Settings:
        return Settings(self.loaded(), SettingsFile(self.path))

    def loaded(self) -> Loaded:
        return loaded(self.settable, self.file["detector.max_face"], self.file["events.margin"])

    def expected(self, stored: dict[str, Any]) -> dict[str, Any]:
        return in_force(self.file, self.settable, stored)

    @rule(changes=st.lists(CHANGES, min_size=1, max_size=3))
    def set(self, changes: list[tuple[str, Any]]) -> None:
        wanted = dict(changes)
        stored = self.stored | wanted
        # All of it, or nothing; and no other setting is put out of force by it.
        possible = self.expected(stored).keys() >= {*wanted, *self.expected(self.stored)}
        if possible:
            self.settings.set(wanted).store()
            self.stored = stored
        else:
            with pytest.raises(ConfigError, match=r"\A.+\Z"):
                self.settings.set(wanted)

    @rule(names=st.none() | st.lists(st.sampled_from(sorted(VALID)), min_size=1, max_size=2))
    def reset(self, names: list[str] | None) -> None:
        left = {} if names is None else {name: value for name, value in self.stored.items() if name not in names}
        possible = any(allows(self.settable, name) for name in VALID)
        possible &= all(allows(self.settable, name) or name in self.stored for name in names or ())
        # A setting that is left must not be put out of force.
        possible &= self.expected(left).keys() >= self.expected(self.stored).keys() & left.keys()
        if possible:
            self.settings.reset(names).store()
            self.stored = left
        else:
            with pytest.raises(ConfigError, match=r"\A.+\Z"):
                self.settings.reset(names)

    @rule(
        settable=SETTABLE, largest=st.sampled_from([0.3, 1.0]), margin=st.sampled_from([0.4, 0.1]), used=st.booleans()
    )
    def reload(self, settable: list[str], largest: float, margin: float, *, used: bool) -> None:
        before = self.settable, self.file
        self.settable, self.file = settable, {"detector.max_face": largest, "events.margin": margin}
        self.settings.offer(self.loaded())
        if used:
            self.settings.accept()
            self.forget_unread()
        else:  # the new file could not be used for another reason
            self.settable, self.file = before

    @rule()
    def restart(self) -> None:
        self.settings = self.restarted()
        self.forget_unread()

    @rule(content=st.sampled_from([b"", b"{", b'{"settings": {"events.margin": 2']))
    def damage(self, content: bytes) -> None:
        self.path.write_bytes(content)
        self.stored = {}
        self.settings = self.restarted()
        if self.allowed():
            assert "is damaged" in self.settings.ignored[0]

    @rule(name=st.sampled_from(sorted(VALUES)), value=st.data())
    def edit_by_hand(self, name: str, value: st.DataObject) -> None:
        self.stored = {name: value.draw(st.sampled_from(VALUES[name]))}
        SettingsFile(self.path).write(self.stored)
        self.restart()

    def allowed(self) -> bool:
        return any(allows(self.settable, name) for name in VALID)

    def forget_unread(self) -> None:
        """Without anything that may be set the file is left alone, and what it holds counts again later."""
        try:
            self.stored = SettingsFile(self.path).read()
        except ConfigError:
            self.stored = {}

    @invariant()
    def what_is_in_force_is_what_the_documents_say(self) -> None:
        expected = self.expected(self.stored)
        assert set(self.settings.names) == set(expected)
        config = self.settings.config
        for name, value in expected.items():
            assert plain(value_of(config, name)) == value
        for name in VALID.keys() - expected:
            assert plain(value_of(config, name)) == self.file.get(name, plain(value_of(Config(), name)))
        assert {name: one.set for name, one in self.settings.describe(config).items()} == {
            name: name in expected for name in self.settings.describe(config)
        }
        if self.allowed():
            assert len(self.settings.ignored) >= bool(self.stored.keys() - expected)


def test_what_is_in_force_after_any_sequence_is_what_the_documents_say(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    Sequences.folders = tmp_path_factory
    effort = hypothesis.settings(max_examples=15, stateful_step_count=12, deadline=None, phases=[Phase.generate])
    run_state_machine_as_test(Sequences, settings=effort)


@given(st.dictionaries(st.text(max_size=20), st.none() | st.integers() | st.text(max_size=5), max_size=4))
def test_any_content_of_the_file_lets_the_sensor_start(content: dict[str, Any]) -> None:
    class Anything(SettingsFile):
        def read(self) -> dict[str, Any]:
            return content

    settings = Settings(loaded(["events", "zones"]), Anything(Path("settings")))
    assert settings.names == ()
    assert settings.config.events == EventsConfig(margin=0.4)


def test_setting_that_a_check_refuses_is_ignored_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def check(config: Config, tables: Any) -> None:
        if "labels" in tables and "glad" in config.labels:
            raise ConfigError("labels.glad holds 'happy', which is no label of the model")

    file = SettingsFile(tmp_path / "settings-cam.json")
    file.write({"labels": {"glad": ["happy"]}, "events.margin": 0.3})
    settings = Settings(loaded(["events", "labels"]), file, check)
    assert (settings.names, settings.config.labels, settings.config.events.margin) == (("events.margin",), {}, 0.3)
    settings.log_ignored()
    settings.offer(loaded(["events", "labels"]))
    settings.accept()
    settings.log_ignored()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.message == (
        f"settings that are not in force: {file.file}: labels.glad holds 'happy', which is no label of the model"
    )
    with pytest.raises(ConfigError, match="no label of the model"):
        settings.set({"labels": {"glad": ["happy"]}})


def test_without_a_folder_settings_last_until_the_end(tmp_path: Path) -> None:
    def config(folder: str, **requests: Any) -> Loaded:
        tables = {"device": {"id": "cam"}, "mqtt": {"outbox_directory": folder}, "requests": requests}
        return tables_of(msgspec.convert(tables, Config))

    settings = create_settings(config("none", settable=["events"]))
    settings.set({"events.margin": 0.3}).store()
    settings.offer(config("none", settable=["events"]))
    settings.accept()
    assert settings.config.events.margin == 0.3
    assert create_settings(config("none", settable=["events"])).config.events.margin == 0.3
    stored = create_settings(config(str(tmp_path), settable=["events"]))
    stored.set({"events.margin": 0.3}).store()
    assert (tmp_path / "settings-cam.json").exists()
    assert create_settings(config(str(tmp_path), settable=["events"])).names == ("events.margin",)
    assert create_settings(config(str(tmp_path), settable=["events"], enabled=False)).names == ()
    with pytest.raises(ConfigError, match=r"mqtt\.outbox_directory"):
        create_settings(config("here", settable=["events"]))
    create_settings(config("here"))


def test_setting_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    settings = Settings(loaded(["events"]), SettingsFile(tmp_path / "settings-cam.json"))
    settings.set({"events.margin": 0.3}).store()
    broken = Settings(loaded(["events"]), SettingsFile(tmp_path / "file" / "settings-cam.json"))
    assert "cannot be read: Not a directory" in broken.ignored[0]
    with pytest.raises(ConfigError, match="nothing was changed"):
        broken.set({"events.margin": 0.3}).store()
    assert (broken.names, broken.config.events.margin) == ((), 0.4)
