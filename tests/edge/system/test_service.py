"""Which service a file belongs to, and what its parts are called."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ConfigError
from edge.system.service import (
    Service,
    find_service,
    installed_services,
    named_service,
    own_unit,
    refuse_reserved_instance,
    unit_of,
)


def test_instance_has_parts_of_its_own_and_the_single_service_keeps_its_names():
    single, door = (
        find_service(Path("/etc/emotion-edge/config.toml")),
        find_service(Path("/etc/emotion-edge/door.toml")),
    )
    assert (single.unit, str(single.config_file)) == ("emotion-edge", "/etc/emotion-edge/config.toml")
    assert (door.unit, str(door.config_file)) == ("emotion-edge@door", "/etc/emotion-edge/door.toml")
    assert str(single.state_folder) == "/var/lib/emotion-edge"
    assert str(door.state_folder) == "/var/lib/emotion-edge-door"
    assert str(single.credential_file("mqtt-password")) == "/etc/credstore/emotion-edge.mqtt-password"
    assert str(door.credential_file("mqtt-password")) == "/etc/credstore/emotion-edge-door.mqtt-password"


def test_every_spelling_of_the_path_is_the_same_instance(tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "door.toml").symlink_to("/srv/shared/anything.toml")
    monkeypatch.chdir(tmp_path)
    for path in ("door.toml", "./door.toml", "link/door.toml", f"{tmp_path}/../{tmp_path.name}/door.toml"):
        assert find_service(Path(path), tmp_path) == Service("door", tmp_path)


@pytest.mark.parametrize("path", [None, "/etc/other/door.toml", "/etc/emotion-edge/door.toml.bak", "door.toml"])
def test_other_file_is_of_no_service(path):
    assert find_service(None if path is None else Path(path)) is None


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("Door", "door"),
        ("front_door", "front-door"),
        ("2nd", "nd"),
        ("a-name-that-is-too-long", "a-name-that-is-too"),
        ("Küche", "k-che"),
        ("CONFIG", "door"),
        (".", "door"),
    ],
)
def test_name_that_no_instance_can_have_is_refused_with_one_that_it_can(name, suggestion, tmp_path):
    with pytest.raises(ConfigError) as refused:
        find_service(tmp_path / f"{name}.toml", tmp_path)
    assert str(refused.value) == (
        f"configuration file {tmp_path / f'{name}.toml'} is named as the instance {name!r}, but the name of an "
        "instance is a letter from a to z, then at most 17 letters from a to z, digits and dashes, and not 'config': "
        f"rename the file, as in {suggestion}.toml"
    )


@given(st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=40))
def test_name_is_an_instance_or_refused_with_a_name_that_is_taken(name):
    folder = Path("/no/such/folder")
    try:
        service = find_service(folder / f"{name}.toml", folder)
    except ConfigError as error:
        suggested = str(error).rpartition(" ")[2]
        assert find_service(folder / suggested, folder).name == suggested.removesuffix(".toml")
    else:
        assert service.name == ("" if name == "config" else name)
        assert len(service.state_folder.name) <= 31, "the user has the name of the folder"


def test_installed_services_are_those_whose_file_is_there(tmp_path):
    assert installed_services(tmp_path / "none") == []
    for name in ("window.toml", "config.toml", "door.toml", "Wrong.toml", "face_detection_yunet.onnx"):
        (tmp_path / name).touch()
    assert [one.unit for one in installed_services(tmp_path)] == [
        "emotion-edge",
        "emotion-edge@door",
        "emotion-edge@window",
    ]


def test_instance_with_the_name_of_the_single_file_is_refused():
    for state in ("", "/var/lib/emotion-edge", "/var/lib/emotion-edge-door"):
        refuse_reserved_instance({"STATE_DIRECTORY": state})
    with pytest.raises(
        ConfigError, match=r"^emotion-edge@config would read the file of the service emotion-edge: start"
    ):
        refuse_reserved_instance({"STATE_DIRECTORY": "/var/lib/emotion-edge-config"})


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        ("0::/system.slice/system-emotionedge.slice/emotion-edge@door.service\n", "emotion-edge@door.service"),
        ("4:memory:/\n1:name=systemd:/system.slice/emotion-edge.service\n0::/\n", "emotion-edge.service"),
        ("0::/user.slice/user-1000.slice/session-3.scope\n", None),
        ("0::/\n", None),
    ],
)
def test_unit_of_a_process_is_read_from_its_control_group(cgroup, unit, tmp_path):
    for process in ("self", "812"):
        (tmp_path / process).mkdir()
        (tmp_path / process / "cgroup").write_text(cgroup, encoding="utf-8")
    assert unit_of(None, tmp_path) == unit_of(812, tmp_path) == unit
    assert unit_of(813, tmp_path) is None


def test_program_of_a_terminal_names_the_single_service():
    assert own_unit().startswith("emotion-edge")
    assert unit_of(os.getpid()) == unit_of()


@pytest.mark.parametrize("name", ["Bad", "config", "../x", "a" * 19, "1"])
def test_name_that_no_instance_can_have_is_refused(name):
    with pytest.raises(ConfigError, match=r"^'.*' cannot be the name of an instance: it must be a letter from a to z"):
        named_service(name)
    assert named_service("door").unit == "emotion-edge@door"
    assert named_service(None).unit == "emotion-edge"
